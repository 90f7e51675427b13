/** A review without a training before it: drawn faces, and as candidates other drawn faces. */
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterEach } from 'vitest';
import { addCandidate, type Candidate, candidateName, readCandidates } from '../../../pipeline/balance/candidates.ts';
import { recordSelection } from '../../../pipeline/balance/record.ts';
import { review } from '../../../pipeline/balance/review/server.ts';
import type { ReviewWork } from '../../../pipeline/balance/review/sheet.ts';
import type { Selection } from '../../../pipeline/balance/select.ts';
import { type DataSet, readDataSet } from '../../../pipeline/dataset/read.ts';
import { numbered, pictureFolder } from '../label/fixtures.ts';

const checks = { maxSimilarity: 0.95, minTarget: 0.5 };
const closers: (() => Promise<void>)[] = [];

/** Ends the reviews that a test served and removes their folders, even when it failed. */
export function cleanUpReviews(): void {
  afterEach(async () => {
    for (const close of closers.splice(0)) await close();
  });
}

export interface Prepared {
  data: DataSet;
  out: string;
  works: ReviewWork[];
}

/**
 * A data set of `count` neutral faces and two happy ones, and a candidate from each neutral one; every seventh is hardly
 * changed. Candidate i scores 1 − i / count.
 */
export async function prepareReview(count: number, wanted: number): Promise<Prepared> {
  const names = numbered(count);
  const faces = await pictureFolder([...names.map((name) => `neutral/${name}`), 'happy/a.png', 'happy/b.png']);
  const out = await mkdtemp(join(tmpdir(), 'kindergrad-review-'));
  closers.push(() => rm(out, { recursive: true, force: true }));
  const run = join(out, 'neutral-to-happy');
  await mkdir(join(run, 'candidates'), { recursive: true });
  for (const [i, name] of names.entries()) {
    const source = `neutral/${name}`;
    const png = await sharp(join(faces, source)).resize(64, 64).modulate({ hue: 90 }).png().toBuffer();
    const candidate: Candidate = {
      source,
      subject: `child-${i}`,
      file: candidateName(source),
      sha256: createHash('sha256').update(png).digest('hex'),
      discriminator: 1 - i / count,
      similarity: i % 7 === 6 ? 0.99 : 0.6,
      judges: '',
    };
    await addCandidate(run, candidate, png);
  }
  const data = await readDataSet(faces);
  const sources = new Map(data.pictures.map((picture) => [picture.name, picture]));
  const task = { from: 'neutral', to: 'happy', make: wanted };
  return {
    data,
    out,
    works: [{ task, run, imageSize: 64, candidates: await readCandidates(run), sources, unused: 0 }],
  };
}

/** The page of a prepared review, served by this process; recording it is the real one. */
export async function serveReview({ data, out, works }: Prepared, port = 0) {
  const stop = new AbortController();
  const printed: string[] = [];
  const record = async (selections: readonly Selection[]) => {
    for (const [i, work] of works.entries()) await recordSelection(data, work.task, work.run, selections[i]);
    return selections.map(({ kept }, i) => `${kept.length} ${works[i].task.to} pictures are in the folder now.`);
  };
  const say = (line: string) => printed.push(line);
  const ended = review(works, { out, checks, port, signal: stop.signal, say, record });
  ended.catch(() => undefined);
  while (!printed.some((line) => line.includes('http')))
    await Promise.race([new Promise((r) => setTimeout(r, 5)), ended]);
  const [, origin = '', token = ''] = /(http\S+)\/review#token=(\S+)/.exec(printed.join('\n')) ?? [];
  const close = async () => {
    stop.abort();
    await ended;
  };
  closers.unshift(close);
  return {
    origin,
    token,
    url: `${origin}/review#token=${token}`,
    port: Number(new URL(origin).port),
    printed,
    ended,
    close,
  };
}
