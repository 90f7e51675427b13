/** Serves the labelling page of one data set. */
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { createAdaptorServer } from '@hono/node-server';
import { getConnInfo } from '@hono/node-server/conninfo';
import { Hono } from 'hono';
import { ConfigError } from '../../engine/errors.ts';
import { publishOwner } from '../owner.ts';
import { RefusedLog } from '../studio/refused.ts';
import { type StudioPage, safeHeaders, studio } from '../studio/studio.ts';
import { labelRoutes } from './routes.ts';
import type { LabelStore } from './store.ts';
import { coordinatorToken, raterToken } from './tokens.ts';

export interface ServeOptions {
  /** The data set. */
  folder: string;
  /** Where the answers are kept. */
  answers: string;
  store: LabelStore;
  /** Address to listen on; anything but this machine's own asks every rater for a token. */
  host: string;
  /** 0 takes any free port. */
  port: number;
  /** Gets the lines about refused requests. */
  print: (line: string) => void;
}

export interface LabelServer {
  /** Where raters on this machine go; without tokens. */
  url: string;
  /** Each rater's own link; empty without tokens. */
  raterLinks: { name: string; url: string }[];
  /** The results, for whoever runs the study. */
  resultsUrl: string;
  close(): Promise<void>;
}

const own = (name: string) => `label/page/${name}`;
const pages: StudioPage[] = [
  {
    id: 'label',
    title: 'Label',
    module: own('label.js'),
    styles: own('label.css'),
    files: ['label.js', 'label.css', 'sign-in.js', 'sheet.js', 'stage.js', 'keys.js', 'pictures.js', 'outbox.js'].map(
      own,
    ),
  },
  {
    id: 'results',
    title: 'Results',
    module: own('results.js'),
    styles: own('results.css'),
    files: ['results.js', 'results.css'].map(own),
    hidden: true,
  },
];

const ownHosts = new Set(['127.0.0.1', 'localhost', '[::1]']);
export const isOwnMachine = (host: string) => ['127.0.0.1', 'localhost', '::1'].includes(host);

/** @throws ConfigError when the address cannot be listened on. */
export async function serveLabels(options: ServeOptions): Promise<LabelServer> {
  const { folder, answers, store, host, print } = options;
  const tokens = !isOwnMachine(host);
  for (const rater of store.raters) store.sheet(rater); // so that nobody's first picture waits for it
  const log = new RefusedLog(join(answers, 'refused.log'), print);
  const app = new Hono();
  app.use(async (c, next) => {
    await next();
    for (const [name, value] of Object.entries(safeHeaders)) c.header(name, value);
  });
  app.route('/', labelRoutes({ folder, store, tokens, hosts: ownHosts, log }));
  app.route('/', studio(pages));
  app.notFound((c) => {
    const from = getConnInfo(c).remote.address ?? 'unknown';
    log.add({
      from,
      rater: undefined,
      method: c.req.method,
      path: c.req.path,
      status: 404,
      reason: 'no such page or file',
    });
    return c.text('There is nothing here.', 404);
  });
  const server = createAdaptorServer({ fetch: app.fetch });
  const port = await new Promise<number>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(cannotListen(error, host, options.port)));
    server.listen(options.port, host, () => {
      const address = server.address();
      resolve(typeof address === 'object' && address ? address.port : options.port);
    });
  });
  const here = `http://${urlHost(isEveryAddress(host) ? '127.0.0.1' : host)}:${port}`;
  const token = coordinatorToken(store.settings.secret);
  publishOwner(answers, here, token);
  const shared = tokens ? `http://${urlHost(isEveryAddress(host) ? labAddress() : host)}:${port}` : here;
  return {
    url: `${here}/label`,
    raterLinks: tokens
      ? store.raters.map(({ name }) => ({
          name,
          url: `${shared}/label#token=${raterToken(store.settings.secret, name)}`,
        }))
      : [],
    resultsUrl: `${here}/results#token=${token}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        if ('closeAllConnections' in server) server.closeAllConnections();
      }),
  };
}

const isEveryAddress = (host: string) => host === '0.0.0.0' || host === '::';
const urlHost = (host: string) => (host.includes(':') ? `[${host}]` : host);

/** The address under which others in the lab most likely reach this machine. */
function labAddress(): string {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return addresses.find(({ family, internal }) => family === 'IPv4' && !internal)?.address ?? '127.0.0.1';
}

function cannotListen(error: NodeJS.ErrnoException, host: string, port: number): ConfigError {
  if (error.code === 'EADDRINUSE') {
    return new ConfigError(`Port ${port} of ${host} is taken by another program.`, {
      remedy: `Choose another one, for example --port ${port + 1}.`,
    });
  }
  return new ConfigError(`The page cannot be served at ${host}:${port}: ${error.message}.`, {
    remedy: 'Give an address of this machine with --host, and a port above 1023 with --port.',
  });
}
