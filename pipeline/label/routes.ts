/** The requests of the labelling page. Every one names its rater by a token; none names a file. */

import type { Hono } from 'hono';
import { z } from 'zod';
import { actId, type Guarded, guardedApi, limited, parseBody, refuseTheRest } from '../studio/guard.ts';
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
  log: RefusedLog;
}

const round = z.union([z.literal(1), z.literal(2)]);
const slot = z.string().regex(/^[0-9a-f]{20}$/);
const elapsed = z.int().min(0).max(86_400_000).optional();
const actSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    act: actId,
    elapsed,
    round,
    kind: z.literal('label'),
    slot,
    label: z.string().max(40),
    previous: z.int().nullable(),
  }),
  z.strictObject({ act: actId, elapsed, round, kind: z.literal('skip'), slot }),
  z.strictObject({ act: actId, elapsed, round, kind: z.literal('undo'), undoes: z.int() }),
]);
const signInSchema = z.strictObject({ name: z.string().max(100) });
const secondRoundSchema = z.strictObject({ pictures: z.array(z.int()).max(100_000) });

/** Bytes of a request's body; a choice takes some 200. The coordinator's list of tied pictures may be longer. */
const largestBody = 4096;
const largestSecondRound = 1024 * 1024;
const historyPage = 5000;

export function labelRoutes(options: LabelOptions): Hono<Guarded<Visitor>> {
  const { folder, store, log } = options;
  const app = guardedApi<Visitor>({
    ownMachine: !options.tokens,
    log,
    visitorOf: (token) => visitorOf(store, token),
    nameOf: (visitor) => (visitor.role === 'rater' ? visitor.rater.name : visitor.role),
  });

  app.get('/api/label/welcome', (c) =>
    c.json(options.tokens ? { tokens: true } : { tokens: false, raters: store.raters.map(({ name }) => name) }),
  );

  app.post('/api/label/sign-in', limited(largestBody), async (c) => {
    if (options.tokens) throw new Refusal(401, 'Raters come with a link of their own here.');
    const { name } = parseBody(signInSchema, await c.req.text());
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
    const request = parseBody(actSchema, await c.req.text());
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
    const { pictures } = parseBody(secondRoundSchema, await c.req.text());
    return c.json({ added: store.openSecondRound(pictures) });
  });

  return refuseTheRest(app);
}

function needRater(visitor: Visitor | undefined): Rater {
  if (visitor?.role === 'rater') return visitor.rater;
  throw visitor ? new Refusal(403, 'The coordinator does not label.') : new Refusal(401, 'No valid token.');
}

function needCoordinator(visitor: Visitor | undefined): void {
  if (visitor?.role === 'coordinator') return;
  throw visitor ? new Refusal(403, 'Raters label blind to each other.') : new Refusal(401, 'No valid token.');
}
