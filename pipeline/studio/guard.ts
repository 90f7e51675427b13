/** What every request to a page's API has to pass: its origin, its form, its size; and how refusals are answered. */
import { getConnInfo } from '@hono/node-server/conninfo';
import { Hono, type MiddlewareHandler } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { z } from 'zod';
import { DataError } from '../../engine/errors.ts';
import { complaint } from '../complaint.ts';
import { Refusal } from './refusal.ts';
import type { RefusedLog } from './refused.ts';

/** Host names of one's own machine. */
const ownHosts = new Set(['127.0.0.1', 'localhost', '[::1]']);

export interface GuardOptions<Visitor> {
  /** Answers only to a name of this machine: what keeps a strange web site from reaching the page by DNS. */
  ownMachine: boolean;
  log: RefusedLog;
  /** Whose token this is. */
  visitorOf: (token: string) => Visitor | undefined;
  /** What the log calls a visitor. */
  nameOf: (visitor: Visitor) => string;
}

export type Guarded<Visitor> = { Variables: { visitor: Visitor | undefined } };

/** An API whose routes run only for requests that may come here; they find the token's owner in `visitor`. */
export function guardedApi<Visitor>(options: GuardOptions<Visitor>): Hono<Guarded<Visitor>> {
  const { log } = options;
  const app = new Hono<Guarded<Visitor>>();
  app.onError((error, c) => {
    if (error instanceof Refusal) {
      const visitor = c.get('visitor');
      const rater = visitor === undefined ? undefined : options.nameOf(visitor);
      const from = getConnInfo(c).remote.address ?? 'unknown';
      // A conflict between two tabs is no attack, but its answer was not taken: it is logged all the same.
      log.add({ from, rater, method: c.req.method, path: c.req.path, status: error.status, reason: error.message });
      return c.json({ error: error.message }, error.status);
    }
    if (error instanceof DataError) return c.json({ error: error.message }, 503);
    throw error;
  });
  app.use('/api/*', async (c, next) => {
    checkOrigin(c.req.header('Origin'), c.req.header('Sec-Fetch-Site'), c.req.header('Host'), options.ownMachine);
    if (c.req.method === 'POST' && !/^application\/json\b/.test(c.req.header('Content-Type') ?? '')) {
      throw new Refusal(415, 'Only JSON is taken.');
    }
    const token = /^Bearer ([\w-]{1,100})$/.exec(c.req.header('Authorization') ?? '')?.[1];
    c.set('visitor', token === undefined ? undefined : options.visitorOf(token));
    c.header('Cache-Control', 'no-store');
    await next();
  });
  return app;
}

/** Refuses larger bodies, in bytes. */
export const limited = (maxSize: number): MiddlewareHandler =>
  bodyLimit({
    maxSize,
    onError: () => {
      throw new Refusal(413, `The request is larger than ${maxSize} bytes.`);
    },
  });

/** The last route of an API. */
export function refuseTheRest<Visitor>(app: Hono<Guarded<Visitor>>): Hono<Guarded<Visitor>> {
  return app.all('/api/*', (c) => {
    throw new Refusal(404, `There is nothing at ${c.req.method} ${c.req.path.slice(0, 100)}.`);
  });
}

/**
 * Only the page itself may send requests. Browsers state the origin of every request that could do harm; other programs
 * state none and need a token anyway.
 */
function checkOrigin(
  origin: string | undefined,
  site: string | undefined,
  host: string | undefined,
  ownMachine: boolean,
): void {
  const name = (host ?? '').replace(/:\d+$/, '').toLowerCase();
  if (ownMachine && !ownHosts.has(name)) {
    throw new Refusal(403, `This page answers to ${[...ownHosts].join(', ')}, not to ${JSON.stringify(name)}.`);
  }
  if (site === 'cross-site' || site === 'same-site') throw new Refusal(403, 'The request comes from another web site.');
  if (origin === undefined) return;
  if (!URL.canParse(origin) || new URL(origin).host !== host) {
    throw new Refusal(403, `The request comes from another web site, ${JSON.stringify(origin.slice(0, 100))}.`);
  }
}

/** The body of a request. */
export function parseBody<T>(schema: z.ZodType<T>, text: string): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Refusal(400, 'The request is not JSON.');
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new Refusal(422, `The request is wrong: ${complaint(result.error, value, 'body')}.`);
}

/** The id under which a page sends something to be recorded: what it sends again is taken once. */
export const actId = z.string().regex(/^[0-9a-zA-Z-]{8,64}$/);
