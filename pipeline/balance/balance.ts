/** `kindergrad balance`: trains what is missing, generates, has pictures chosen, records them, reports. */
import { existsSync } from 'node:fs';
import { mkdir, readdir, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { DataError } from '../../engine/index.ts';
import { checkPictures, type PictureStore, pictureStore } from '../dataset/decode.ts';
import { type DataSet, readDataSet } from '../dataset/read.ts';
import { fileErrorReason } from '../files.ts';
import { unlessInterrupted } from '../interrupt.ts';
import { giveUpOwnership, takeOwnership } from '../owner.ts';
import { plural } from '../plural.ts';
import { progress } from '../progress.ts';
import { checkpointPath, loadCheckpoint } from '../run/checkpoint.ts';
import { RunFolder, readRunConfig } from '../run/folder.ts';
import type { Candidate } from './candidates.ts';
import { type GanRunConfig, ganConfigOf, ganRunSchema, ignoredOptions } from './config.ts';
import { GanTrainer, loadSize, trainGan } from './gan-training.ts';
import { generate, type Supply, supplyOf } from './generate.ts';
import type { Judges } from './judges.ts';
import { type Lists, readLearnt, writeLearnt } from './learnt.ts';
import { type BalanceTask, countByClass, planBalance, realPictures } from './plan.ts';
import { describeQuality } from './quality.ts';
import { finishRecording, keptFiles, recordSelection, saveQuality } from './record.ts';
import { writeBalanceReport } from './report.ts';
import { review } from './review/server.ts';
import { type CheckOptions, reasonKind, type Selection, select } from './select.ts';

export interface BalanceOptions {
  readonly to?: string;
  readonly from?: string;
  /** Folder of the CycleGAN runs and the report. */
  readonly out: string;
  readonly run: Pick<GanRunConfig, 'epochs' | 'stepsPerEpoch' | 'seed' | 'checkpointMinutes' | 'model'>;
  readonly surplus: number;
  readonly checks: CheckOptions;
  /** Has a person choose, on a page at this port (0: any free one); without it the best scores are taken. */
  readonly review?: { readonly port: number } | undefined;
  /** Judges of pictures of these classes: a classifier trained on real pictures, a face detector. */
  readonly judges: (classes: readonly string[]) => Promise<Judges>;
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
}

/** One class that pictures are made for, and the run that makes them. */
interface Work {
  readonly task: BalanceTask;
  readonly run: string;
}

interface Outcome extends Work {
  /** What was chosen now. */
  readonly selection: Selection;
}

/** Balances a data set in place. A second call goes on where the first one stopped. */
export async function balance(folder: string, options: BalanceOptions): Promise<'finished' | 'interrupted'> {
  const { out, say } = options;
  await ownFolder(out);
  try {
    for (const name of await readdir(out)) await finishRecording(join(out, name));
    const read = await readDataSet(folder);
    say(`${folder}: ${[...countByClass(read)].map(([name, n]) => `${n} ${name}`).join(', ')}`);
    const tasks = planBalance(read, { ...options, say });
    if (tasks.length === 0) {
      say('The classes are as large as asked for; nothing to do.');
      return 'finished';
    }
    const judges = await options.judges(tasks.map(({ to }) => to));
    try {
      return await new Balancing(read, tasks, judges, options).run();
    } finally {
      await judges.close();
    }
  } finally {
    giveUpOwnership(out);
    await rmdir(out).catch(() => undefined); // only where nothing was put into it
  }
}

/** One process at a time trains, generates and records in `out`. */
async function ownFolder(out: string): Promise<void> {
  try {
    await mkdir(out, { recursive: true });
    takeOwnership(out);
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw new DataError(`${out} cannot be written: ${fileErrorReason(error)}.`, {
      remedy: 'Give another folder with --out.',
      cause: error,
    });
  }
}

class Balancing {
  readonly #data: DataSet;
  readonly #judges: Judges;
  readonly #options: BalanceOptions;
  readonly #works: readonly Work[];

  constructor(data: DataSet, tasks: readonly BalanceTask[], judges: Judges, options: BalanceOptions) {
    this.#data = data;
    this.#judges = judges;
    this.#options = options;
    this.#works = tasks.map((task) => ({ task, run: join(options.out, `${task.from}-to-${task.to}`) }));
  }

  async run(): Promise<'finished' | 'interrupted'> {
    const { out, say, checks, review: reviewing } = this.#options;
    // Everything that can be wrong is found before the first of perhaps many hours.
    for (const work of this.#works) await this.#check(work);
    const outcomes: Outcome[] = [];
    const toReview: { work: Work; candidates: readonly Candidate[] }[] = [];
    for (const work of this.#works) {
      const { task } = work;
      say(`${plural(task.make, `${task.to} picture`)} to be made from ${task.from} ones`);
      const candidates = (await this.#train(work)) === 'finished' ? await this.#generate(work) : undefined;
      if (!candidates) return this.#interrupted();
      // A person is asked once, when all classes are there.
      if (reviewing) toReview.push({ work, candidates });
      else outcomes.push(await this.#record(work, select(candidates, { ...checks, keep: task.make })));
    }
    if (reviewing && (await this.#review(toReview, outcomes, reviewing.port)) === 'interrupted')
      return this.#interrupted();
    for (const work of this.#works) await this.#measure(work);
    const report = await writeBalanceReport(out, await readDataSet(this.#data.folder));
    say(`Generated pictures are in ${this.#data.folder}, marked in its manifest; look at ${report}`);
    for (const outcome of outcomes) {
      const missing = await this.#missing(outcome);
      if (missing) say(missing);
    }
    return 'finished';
  }

  #interrupted(): 'interrupted' {
    this.#options.say('Interrupted and saved. The same command goes on from here.');
    return 'interrupted';
  }

  /** Has a person choose, and records it when they have finished. */
  async #review(
    toReview: readonly { work: Work; candidates: readonly Candidate[] }[],
    outcomes: Outcome[],
    port: number,
  ): Promise<'finished' | 'interrupted'> {
    const { out, checks, signal, say } = this.#options;
    const sources = new Map(this.#data.pictures.map((picture) => [picture.name, picture]));
    const works = toReview.map(async ({ work, candidates }) => ({
      ...work,
      candidates,
      sources,
      imageSize: (await readRunConfig(work.run, ganRunSchema)).model.imageSize,
      unused: (await this.#supply(work)).unused.length,
    }));
    const record = async (selections: readonly Selection[]) => {
      const lines: string[] = [];
      outcomes.length = 0; // finished a second time, after a full disk
      for (const [i, { work }] of toReview.entries()) {
        const outcome = await this.#record(work, selections[i]);
        outcomes.push(outcome);
        const missing = await this.#missing(outcome);
        const kept = selections[i].kept.length;
        const are = kept === 1 ? 'is' : 'are';
        lines.push(`${plural(kept, `${work.task.to} picture`)} ${are} in ${this.#data.folder} now.`, missing ?? '');
      }
      return lines.filter(Boolean);
    };
    return review(await Promise.all(works), { out, checks, port, signal, say, record });
  }

  async #check(work: Work): Promise<void> {
    const { task, run } = work;
    realPictures(this.#data, task.to);
    realPictures(this.#data, task.from);
    const config = await this.#configOf(work);
    const ignored = ignoredOptions(this.#asked(task), config);
    if (ignored !== '')
      this.#options.say(`  ${run} keeps the options it was begun with: ${ignored}. Another --out begins anew.`);
    const { candidates, unused } = await this.#supply(work);
    const most = candidates.length + unused.length;
    if (most === 0) {
      throw new DataError(`Every ${task.from} picture has been turned into a ${task.to} one already.`, {
        remedy: `Add ${task.from} pictures, or ask for fewer with --to.`,
      });
    }
    if (most < task.make) {
      this.#options.say(
        `Of the ${task.make} ${task.to} pictures wanted at most ${most} can be made: one from each ${task.from} picture not used yet (${run}).`,
      );
    }
    await this.#checkDetector(task, config.model.imageSize);
  }

  /** A detector that misses real faces of this size and framing would turn down every generated one after hours of training. */
  async #checkDetector(task: BalanceTask, size: number): Promise<void> {
    const some = realPictures(this.#data, task.to).slice(0, 24);
    const real = await Promise.all(some.map(({ file }) => sharp(file).rotate().resize(size, size).png().toBuffer()));
    const faces = (await this.#judges.judge(task.to, real)).flatMap(({ face }) => face ?? []);
    const found = faces.filter(Boolean).length;
    if (2 * found >= faces.length) return;
    throw new DataError(
      `The ${this.#judges.name} finds a face in ${found} of ${plural(faces.length, `real ${task.to} picture`)} of ${size} pixels: it cannot judge generated ones.`,
      { remedy: 'Leave --detector out, try the other one, or give pictures with more room around the face.' },
    );
  }

  /** The options of a work's run: its own, or those of this call for a new one. */
  #configOf({ task, run }: Work): Promise<GanRunConfig> {
    return ganConfigOf(run, this.#asked(task));
  }

  #asked({ from, to }: BalanceTask): GanRunConfig {
    return { kind: 'cyclegan', data: this.#data.folder, from, to, ...this.#options.run };
  }

  async #supply(work: Work): Promise<Supply> {
    const { seed } = await this.#configOf(work);
    return supplyOf(this.#data, work.task, work.run, { seed, withReviewed: this.#options.review !== undefined });
  }

  async #train(work: Work): Promise<'finished' | 'interrupted'> {
    const { task, run: path } = work;
    const { say, signal } = this.#options;
    const config = await this.#configOf(work);
    const resume = existsSync(checkpointPath(path, 'last'));
    let begun = { step: 0, epoch: 0 };
    if (resume) {
      const { state } = await loadCheckpoint(path, 'last');
      const { position } = state as { position: { step: number; epoch: number } };
      if (position.epoch >= config.epochs) return 'finished';
      begun = position;
      say(`  going on from step ${begun.step} of ${path}`);
    }
    const store = pictureStore(loadSize(config.model.imageSize));
    const readable = await unlessInterrupted(signal, this.#readable(task, store));
    if (!readable) return 'interrupted';
    const { from, to } = resume ? await readLearnt(path, readable, say) : readable;
    const started = existsSync(join(path, 'config.json'));
    const run = started ? await RunFolder.resume(path, begun) : await RunFolder.create(path, config);
    if (!resume) await writeLearnt(path, readable);
    const line = progress(`${task.from} → ${task.to}`);
    return trainGan({ run, config, store, from, to, resume, signal, progress: line }).finally(async () => {
      line.finish();
      await run.close();
    });
  }

  /** The real pictures of both classes, without those that cannot be read, which are named. */
  async #readable({ from, to }: BalanceTask, store: PictureStore): Promise<Lists> {
    const pictures = [...realPictures(this.#data, from), ...realPictures(this.#data, to)];
    const line = progress('reading pictures');
    const data = { ...this.#data, pictures, skipped: [] };
    const { signal } = this.#options;
    const checked = await checkPictures(data, store, line.update, signal).finally(line.finish);
    for (const { name, reason } of checked.skipped) this.#options.say(`  left out ${name}: it ${reason}`);
    return { from: realPictures(checked, from), to: realPictures(checked, to) };
  }

  async #generate(work: Work): Promise<Candidate[] | undefined> {
    const { task, run } = work;
    const { surplus, signal, say } = this.#options;
    const config = await readRunConfig(run, ganRunSchema);
    const open = async () => {
      const trainer = new GanTrainer(config);
      trainer.restore(await loadCheckpoint(run, 'last'));
      return trainer;
    };
    const input = { data: this.#data, task, run, supply: await this.#supply(work), surplus, judges: this.#judges };
    return generate({ ...input, open, signal, progress, say });
  }

  async #record(work: Work, selection: Selection): Promise<Outcome> {
    const { task, run } = work;
    const { say } = this.#options;
    const paths = await recordSelection(this.#data, task, run, selection);
    const reasons = new Map<string, number>();
    for (const { reason } of selection.discarded) {
      reasons.set(reasonKind(reason), (reasons.get(reasonKind(reason)) ?? 0) + 1);
    }
    const why = [...reasons].map(([kind, count]) => `; ${count} ${kind}`).join('');
    say(`  kept ${paths.length} of ${plural(paths.length + selection.discarded.length, 'candidate')}${why}`);
    return { ...work, selection };
  }

  /** How far the pictures of the run, those of earlier calls among them, are from the real ones. */
  async #measure({ task, run }: Work): Promise<void> {
    const { measure } = this.#judges;
    const data = await readDataSet(this.#data.folder);
    const made = await keptFiles(data, task, run);
    if (!measure || made.length < 2) return;
    const real = realPictures(data, task.to).map(({ file }) => file);
    this.#options.say(`  measuring how far the ${task.to} pictures are from the real ones`);
    const quality = await measure(real, made);
    await saveQuality(run, quality);
    this.#options.say(`  ${describeQuality(quality)}`);
  }

  /** What is still lacking after a choice, and what would help. */
  async #missing({ task, run, selection }: Outcome): Promise<string | undefined> {
    const lacking = task.make - selection.kept.length;
    if (lacking <= 0) return undefined;
    const { unused } = await this.#supply({ task, run });
    const remedy =
      unused.length > 0
        ? `the same command makes more; ${plural(unused.length, `${task.from} picture`)} not used yet`
        : `no ${task.from} picture is unused: add some, or let more through (--max-similarity, --min-target, --detector)`;
    return `${task.to} still lacks ${lacking}: ${remedy}.`;
  }
}
