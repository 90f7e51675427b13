/** Serves the labelling page of one data set. */
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { publishOwner } from '../owner.ts';
import { RefusedLog } from '../studio/refused.ts';
import { isEveryAddress, serveStudio, urlHost } from '../studio/server.ts';
import type { StudioPage } from '../studio/studio.ts';
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
const shared = (name: string) => `studio/static/${name}`;
const pages: StudioPage[] = [
  {
    id: 'label',
    title: 'Label',
    module: own('label.js'),
    styles: own('label.css'),
    files: [
      ...['label.js', 'label.css', 'sign-in.js', 'sheet.js', 'stage.js', 'keys.js'].map(own),
      ...['outbox.js', 'pictures.js', 'keys.js', 'key-help.js'].map(shared),
    ],
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

export const isOwnMachine = (host: string) => ['127.0.0.1', 'localhost', '::1'].includes(host);

/** @throws ConfigError when the address cannot be listened on. */
export async function serveLabels(options: ServeOptions): Promise<LabelServer> {
  const { folder, answers, store, host, print } = options;
  const tokens = !isOwnMachine(host);
  for (const rater of store.raters) store.sheet(rater); // so that nobody's first picture waits for it
  const log = new RefusedLog(join(answers, 'refused.log'), print);
  const api = labelRoutes({ folder, store, tokens, log });
  const { here, port, close } = await serveStudio({ pages, api, host, port: options.port, log });
  const token = coordinatorToken(store.settings.secret);
  publishOwner(answers, here, token);
  const address = tokens ? `http://${urlHost(isEveryAddress(host) ? labAddress() : host)}:${port}` : here;
  return {
    url: `${here}/label`,
    raterLinks: tokens
      ? store.raters.map(({ name }) => ({
          name,
          url: `${address}/label#token=${raterToken(store.settings.secret, name)}`,
        }))
      : [],
    resultsUrl: `${here}/results#token=${token}`,
    close,
  };
}

/** The address under which others in the lab most likely reach this machine. */
function labAddress(): string {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return addresses.find(({ family, internal }) => family === 'IPv4' && !internal)?.address ?? '127.0.0.1';
}
