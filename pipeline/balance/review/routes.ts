/** The requests of the review page. Every one carries the link's token; none names a file. */
import { timingSafeEqual } from 'node:crypto';
import type { HttpBindings } from '@hono/node-server';
import type { Hono } from 'hono';
import sharp from 'sharp';
import { z } from 'zod';
import { decodePicture } from '../../dataset/decode.ts';
import { type Guarded, guardedApi, limited, parseBody, refuseTheRest } from '../../studio/guard.ts';
import { Refusal } from '../../studio/refusal.ts';
import type { RefusedLog } from '../../studio/refused.ts';
import { readCandidate } from '../candidates.ts';
import { actSchema } from './journal.ts';
import type { ReviewItem, ReviewSheet } from './sheet.ts';

export interface ReviewRoutes {
  readonly sheet: ReviewSheet;
  readonly log: RefusedLog;
  /** Records what was chosen; what it returns, lines for the reviewer, ends the review. */
  readonly finish: () => Promise<readonly string[]>;
  /** Called when the page has got these lines. */
  readonly onFinished: () => void;
}

type Reviewer = 'reviewer';

/** Bytes of a request's body: room for the ids of ten thousand pictures. */
const largestBody = 256 * 1024;
const finishSchema = z.strictObject({ seen: z.int().nonnegative() });

export function reviewRoutes({ sheet, log, finish, onFinished }: ReviewRoutes): Hono<Guarded<Reviewer>> {
  const { journal } = sheet;
  const app = guardedApi<Reviewer>({
    ownMachine: true,
    log,
    visitorOf: (token) => (same(token, journal.secret) ? 'reviewer' : undefined),
    nameOf: (reviewer) => reviewer,
  });
  app.use('/api/review/*', async (c, next) => {
    if (c.get('visitor') === undefined) throw new Refusal(401, 'No valid token.');
    await next();
  });

  app.get('/api/review/sheet', (c) => c.json(sheet.view()));

  app.get('/api/review/changes', (c) => c.json(sheet.changes(Number(c.req.query('after')) || 0)));

  app.get('/api/review/picture/:id/:kind{made|source}', async (c) => {
    const item = sheet.find(c.req.param('id'));
    if (!item) throw new Refusal(404, 'There is no such picture in this review.');
    const bytes =
      c.req.param('kind') === 'made' ? await readCandidate(item.work.run, item.candidate) : await sourceOf(item);
    return c.body(new Uint8Array(bytes), 200, { 'Content-Type': 'image/png' });
  });

  app.post('/api/review/act', limited(largestBody), async (c) => {
    const act = parseBody(actSchema, await c.req.text());
    if (act.kind === 'decide' && act.ids.some((id) => !sheet.find(id))) {
      throw new Refusal(404, 'There is no such picture in this review.');
    }
    await journal.submit(act);
    return c.json(sheet.changes(act.seen));
  });

  let finishing: Promise<readonly string[]> | undefined;
  app.post('/api/review/finish', limited(largestBody), async (c) => {
    const { seen } = parseBody(finishSchema, await c.req.text());
    if (!finishing && seen !== journal.seq) throw new Refusal(409, 'Something was decided in another tab meanwhile.');
    finishing ??= finish();
    try {
      const lines = await finishing;
      (c.env as unknown as HttpBindings).outgoing.once('close', onFinished);
      return c.json({ lines });
    } catch (error) {
      finishing = undefined; // a full disk, say: the reviewer makes room and finishes again
      throw error;
    }
  });

  return refuseTheRest(app);
}

/** What the generator saw. */
async function sourceOf({ work, candidate }: ReviewItem): Promise<Buffer> {
  const { imageSize: size } = work;
  const pixels = await decodePicture(work.sources.get(candidate.source)?.file ?? '', size);
  return sharp(pixels, { raw: { width: size, height: size, channels: 3 } })
    .png()
    .toBuffer();
}

function same(a: string, b: string): boolean {
  const x = Buffer.from(a);
  const y = Buffer.from(b);
  return x.length === y.length && timingSafeEqual(x, y);
}
