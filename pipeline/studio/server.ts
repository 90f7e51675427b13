/** Serves pages of the studio and their API. */
import { createAdaptorServer } from '@hono/node-server';
import { getConnInfo } from '@hono/node-server/conninfo';
import { type Env, Hono } from 'hono';
import { ConfigError } from '../../engine/errors.ts';
import type { RefusedLog } from './refused.ts';
import { type StudioPage, safeHeaders, studio } from './studio.ts';

export interface StudioOptions<E extends Env> {
  pages: readonly StudioPage[];
  api: Hono<E>;
  host: string;
  /** 0 takes any free port. */
  port: number;
  log: RefusedLog;
}

export interface StudioServer {
  port: number;
  /** The address for a browser on this machine: `http://127.0.0.1:4141`. */
  here: string;
  close(): Promise<void>;
}

/** @throws ConfigError when the address cannot be listened on. */
export async function serveStudio<E extends Env>(options: StudioOptions<E>): Promise<StudioServer> {
  const { pages, api, host, log } = options;
  const app = new Hono();
  app.use(async (c, next) => {
    await next();
    for (const [name, value] of Object.entries(safeHeaders)) c.header(name, value);
  });
  app.route('/', api);
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
  return {
    port,
    here: `http://${urlHost(isEveryAddress(host) ? '127.0.0.1' : host)}:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        if ('closeAllConnections' in server) server.closeAllConnections();
      }),
  };
}

export const isEveryAddress = (host: string) => host === '0.0.0.0' || host === '::';
export const urlHost = (host: string) => (host.includes(':') ? `[${host}]` : host);

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
