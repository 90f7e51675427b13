/** The requests of the labelling page. Every one names its rater by a token; none names a file. */

import { getConnInfo } from '@hono/node-server/conninfo';
import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { z } from 'zod';
import { DataError } from '../../engine/errors.ts';
import { Refusal } from '../studio/refusal.ts';
import type { RefusedLog } from '../studio/refused.ts';
import { historyOf } from './history.ts';
import { readPicture } from './pictures.ts';
import { renderReport } from './report.ts';
import type { LabelStore, Rater } from './store.ts';
import { summarise } from './summary.ts';
import { raterToken, type Visitor, visitorOf } from './tokens.ts';
import { sheetView, trail } from './view.ts';

export interface LabelOptions {
  /** The data set: the only folder pictures are read from. */
  folder: string;
  store: LabelStore;
  /** True when raters come with a link of their own; false on one's own machine, where they pick a name. */
  tokens: boolean;
  /** Host names the page may be asked for without tokens: what keeps a strange web site from reaching it by DNS. */
  hosts: ReadonlySet<string>;
  log: RefusedLog;
}

type Env = { Variables: { visitor: Visitor | undefined } };

const round = z.union([z.literal(1), z.literal(2)]);
const act = z.string().regex(/^[0-9a-zA-Z-]{8,64}$/);
const slot = z.string().regex(/^[0-9a-f]{20}$/);
const elapsed = z.int().min(0).max(86_400_000).optional();
const actSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    act,
    elapsed,
    round,
    kind: z.literal('label'),
    slot,
    label: z.string().max(40),
    previous: z.int().nullable(),
  }),
  z.strictObject({ act, elapsed, round, kind: z.literal('skip'), slot }),
  z.strictObject({ act, elapsed, round, kind: z.literal('undo'), undoes: z.int() }),
]);
const signInSchema = z.strictObject({ name: z.string().max(100) });
const secondRoundSchema = z.strictObject({ pictures: z.array(z.int()).max(100_000) });

/** Bytes of a request's body; a choice takes some 200. The coordinator's list of tied pictures may be longer. */
const largestBody = 4096;
const largestSecondRound = 1024 * 1024;
const historyPage = 5000;

export function labelRoutes(options: LabelOptions): Hono<Env> {
  const { folder, store, log } = options;
  const app = new Hono<Env>();

  app.onError((error, c) => {
    if (error instanceof Refusal) {
      const visitor = c.get('visitor');
      const rater = visitor?.role === 'rater' ? visitor.rater.name : visitor?.role;
      const from = getConnInfo(c).remote.address ?? 'unknown';
      // A conflict between two tabs is no attack, but its answer was not taken: it is logged all the same.
      log.add({ from, rater, method: c.req.method, path: c.req.path, status: error.status, reason: error.message });
      return c.json({ error: error.message }, error.status);
    }
    if (error instanceof DataError) return c.json({ error: error.message }, 503);
    throw error;
  });

  app.use('/api/*', async (c, next) => {
    checkOrigin(c.req.header('Origin'), c.req.header('Sec-Fetch-Site'), c.req.header('Host'), options);
    if (c.req.method === 'POST' && !/^application\/json\b/.test(c.req.header('Content-Type') ?? '')) {
      throw new Refusal(415, 'Only JSON is taken.');
    }
    const token = /^Bearer ([\w-]{1,100})$/.exec(c.req.header('Authorization') ?? '')?.[1];
    c.set('visitor', token === undefined ? undefined : visitorOf(store, token));
    c.header('Cache-Control', 'no-store');
    await next();
  });
  const limited = (maxSize: number) =>
    bodyLimit({
      maxSize,
      onError: () => {
        throw new Refusal(413, `The request is larger than ${maxSize} bytes.`);
      },
    });

  app.get('/api/label/welcome', (c) =>
    c.json(options.tokens ? { tokens: true } : { tokens: false, raters: store.raters.map(({ name }) => name) }),
  );

  app.post('/api/label/sign-in', limited(largestBody), async (c) => {
    if (options.tokens) throw new Refusal(401, 'Raters come with a link of their own here.');
    const { name } = parse(signInSchema, await c.req.text());
    const rater = store.addRater(name);
    store.sheet(rater); // takes a moment for a large data set, which the rater now spends before the first picture
    return c.json({ rater: rater.name, token: raterToken(store.settings.secret, rater.name) });
  });

  app.get('/api/label/sheet', (c) => {
    const rater = needRater(c.get('visitor'));
    const wanted = c.req.query('round') === '2' ? 2 : 1;
    return c.json({ ...sheetView(store, rater, wanted), trail: trail(store, rater, wanted) });
  });

  app.get('/api/label/picture/:slot', async (c) => {
    const found = store.sheet(needRater(c.get('visitor'))).find(c.req.param('slot'));
    const picture = found && store.picture(found.picture);
    if (!picture) throw new Refusal(404, 'There is no such picture on this rater’s sheet.');
    const { type, bytes } = await readPicture(folder, picture.path);
    return c.body(bytes, 200, { 'Content-Type': type });
  });

  app.post('/api/label/act', limited(largestBody), async (c) => {
    const rater = needRater(c.get('visitor'));
    const request = parse(actSchema, await c.req.text());
    const { seq, again, slot: shown } = await store.submit(rater, request);
    const view = sheetView(store, rater, request.round, request.kind === 'undo' ? shown : undefined);
    return c.json({ seq, again, slot: shown?.id, ...view });
  });

  app.get('/api/label/results', async (c) => {
    needCoordinator(c.get('visitor'));
    const history = await historyOf(store);
    const summary = await summarise(history, { replicates: 200 });
    return c.json({ html: renderReport(summary, ({ id }) => `data-picture="${id}"`) });
  });

  app.get('/api/label/results/picture/:id', async (c) => {
    needCoordinator(c.get('visitor'));
    const picture = store.picture(Number(c.req.param('id')));
    if (!picture) throw new Refusal(404, 'There is no such picture.');
    const { type, bytes } = await readPicture(folder, picture.path);
    return c.body(bytes, 200, { 'Content-Type': type });
  });

  app.get('/api/label/history', (c) => {
    needCoordinator(c.get('visitor'));
    const rows = store.historyAfter(Number(c.req.query('after') ?? 0) || 0, historyPage);
    return c.json({ rows, more: rows.length === historyPage });
  });

  app.get('/api/label/about', (c) => {
    needCoordinator(c.get('visitor'));
    const { labels, seed, repeat } = store.settings;
    return c.json({
      labels,
      seed,
      repeat,
      raters: store.raters,
      pictures: store.pictures,
      secondRound: [...store.secondRound],
    });
  });

  app.post('/api/label/second-round', limited(largestSecondRound), async (c) => {
    needCoordinator(c.get('visitor'));
    const { pictures } = parse(secondRoundSchema, await c.req.text());
    return c.json({ added: store.openSecondRound(pictures) });
  });

  app.all('/api/*', (c) => {
    throw new Refusal(404, `There is nothing at ${c.req.method} ${c.req.path.slice(0, 100)}.`);
  });
  return app;
}

function needRater(visitor: Visitor | undefined): Rater {
  if (visitor?.role === 'rater') return visitor.rater;
  throw visitor ? new Refusal(403, 'The coordinator does not label.') : new Refusal(401, 'No valid token.');
}

function needCoordinator(visitor: Visitor | undefined): void {
  if (visitor?.role === 'coordinator') return;
  throw visitor ? new Refusal(403, 'Raters label blind to each other.') : new Refusal(401, 'No valid token.');
}

/**
 * Only the page itself may send requests. Browsers state the origin of every request that could do harm; other programs
 * state none and need a token anyway.
 */
function checkOrigin(
  origin: string | undefined,
  site: string | undefined,
  host: string | undefined,
  options: LabelOptions,
) {
  const name = (host ?? '').replace(/:\d+$/, '').toLowerCase();
  if (!options.tokens && !options.hosts.has(name)) {
    throw new Refusal(403, `This page answers to ${[...options.hosts].join(', ')}, not to ${JSON.stringify(name)}.`);
  }
  if (site === 'cross-site' || site === 'same-site') throw new Refusal(403, 'The request comes from another web site.');
  if (origin === undefined) return;
  if (!URL.canParse(origin) || new URL(origin).host !== host) {
    throw new Refusal(403, `The request comes from another web site, ${JSON.stringify(origin.slice(0, 100))}.`);
  }
}

function parse<T>(schema: z.ZodType<T>, text: string): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Refusal(400, 'The request is not JSON.');
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new Refusal(422, `The request's ${issue?.path.join('.') || 'body'} is wrong: ${issue?.message}.`);
}
