/** Shared by the tests of balancing: drawn data sets, and a training that is over in a second. */
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cycleGanConfig } from '../../../models/index.ts';
import type { BalanceOptions } from '../../../pipeline/balance/balance.ts';
import type { Opinion } from '../../../pipeline/balance/candidates.ts';
import { readManifest } from '../../../pipeline/manifest.ts';
import { synthesise } from '../../../pipeline/synth/synthesise.ts';

/** 40 drawn faces: 21 normal, 13 happy, 6 sad. */
export async function drawnFaces(folder: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  await synthesise(folder, { count: 40, perSubject: 3, seed: 3 });
  return folder;
}

/** Options of a balancing with tiny networks; `lines` gets what it says. */
export function tinyBalance(out: string, lines: string[], more: Partial<BalanceOptions> = {}): BalanceOptions {
  return {
    out,
    run: {
      epochs: 1,
      stepsPerEpoch: 3,
      seed: 5,
      checkpointMinutes: 60,
      model: cycleGanConfig({ imageSize: 32, ngf: 4, ndf: 4, blocks: 1, poolSize: 3 }),
    },
    surplus: 1.6,
    checks: { maxSimilarity: 0.95, minTarget: 0.5 },
    judges: async () => judgeOf('', () => ({})),
    signal: new AbortController().signal,
    say: (line) => lines.push(line),
    ...more,
  };
}

/** One judge, asked for each picture by its place. */
export const judgeOf = (name: string, opinion: (place: number) => Opinion) => ({
  name,
  judge: async (_: string, pictures: readonly Uint8Array[]) => pictures.map((_, i) => opinion(i)),
  close: async () => undefined,
});

/** What a data set holds of generated pictures: the rows about them without the run's place, and the files' names. */
export async function generatedIn(folder: string, to: string) {
  const rows = ((await readManifest(folder)) ?? []).filter((row) => row.generatedBy !== undefined);
  const names = (await readdir(join(folder, to))).filter((name) => name.startsWith('generated-from-')).sort();
  const bytes = await Promise.all(names.map((name) => readFile(join(folder, to, name))));
  return { rows: rows.map(({ generatedBy: _, ...row }) => row), names, bytes };
}
