/** Trains one CycleGAN in a run folder: resumable to the bit, a picture grid every epoch. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import {
  augment,
  CheckpointError,
  constantThenLinear,
  Generator,
  KindergradError,
  noGrad,
  ScalarLog,
  type StateDict,
  scope,
  type Tensor,
  tensor,
} from '../../engine/index.ts';
import { type StoredTensor, storeFloat32, toFloat32 } from '../../engine/safetensors.ts';
import { CycleGan } from '../../models/index.ts';
import { batches, epochOrder } from '../dataset/batches.ts';
import { decodePicture, type PictureStore } from '../dataset/decode.ts';
import type { Picture } from '../dataset/read.ts';
import { writeFileAtomic } from '../files.ts';
import type { Progress } from '../progress.ts';
import { type Checkpoint, loadCheckpoint, saveCheckpoint } from '../run/checkpoint.ts';
import type { RunFolder } from '../run/folder.ts';
import type { GanRunConfig } from './config.ts';
import { pictureGrid } from './grid.ts';

const positionSchema = z.object({
  epoch: z.int().nonnegative(),
  batch: z.int().nonnegative(),
  step: z.int().nonnegative(),
  /** Draws that the augmentation has taken. */
  draws: z.int().nonnegative(),
});
type Position = z.infer<typeof positionSchema>;

const generatorLosses = ['G_A', 'G_B', 'cycle_A', 'cycle_B', 'idt_A', 'idt_B'] as const;
const discriminatorLosses = ['D_A', 'D_B'] as const;

/** Steps between two looks at the losses. */
const LOOK = 20;

/** Sides as in the reference implementation: 286 to crop 256 from. */
export const loadSize = (size: number): number => Math.round((size * 286) / 256);

export interface GanTrainingInput {
  run: RunFolder;
  config: GanRunConfig;
  /** Pictures decoded to `loadSize` of the model's size. */
  store: PictureStore;
  /** Real pictures of the two classes. */
  from: readonly Picture[];
  to: readonly Picture[];
  resume: boolean;
  signal: AbortSignal;
  progress?: Progress;
}

/** The networks, the step, and everything a checkpoint holds. */
export class GanTrainer {
  readonly gan: CycleGan;
  readonly config: GanRunConfig;
  readonly #generator: Generator;
  readonly #images: readonly [Tensor, Tensor];
  readonly #step;
  readonly #logs;

  constructor(config: GanRunConfig) {
    const { model, seed } = config;
    this.config = config;
    this.gan = new CycleGan(model, new Generator(seed));
    this.#generator = new Generator(seed + 1);
    const side = loadSize(model.imageSize);
    const bytes = (): Tensor =>
      tensor(new Uint8Array(model.batch * side * side * 3), [model.batch, side, side, 3], { label: 'pictures' });
    this.#images = [bytes(), bytes()];
    const prepared = (images: Tensor): Tensor =>
      augment(images, { size: model.imageSize, flip: true, crop: 'random', ...toSigned, generator: this.#generator });
    this.#logs = { g: new ScalarLog(generatorLosses), d: new ScalarLog(discriminatorLosses) };
    this.#step = this.gan.trainStep(
      { a: () => prepared(this.#images[0]), b: () => prepared(this.#images[1]) },
      {
        observe: (losses) => {
          this.#logs.g.record(losses);
          this.#logs.d.record(losses);
        },
      },
    );
  }

  get draws(): number {
    return this.#generator.calls;
  }

  async step(a: Uint8Array, b: Uint8Array, lr: number): Promise<void> {
    this.gan.lr = lr;
    this.#images[0].write(a);
    this.#images[1].write(b);
    this.gan.pools.A.decide();
    this.gan.pools.B.decide();
    await this.#step.run();
  }

  /** The losses of the steps since the last call, oldest first. */
  async takeLosses(): Promise<Record<string, number>[]> {
    const [g, d] = await Promise.all([this.#logs.g.take(), this.#logs.d.take()]);
    return g.map((row, i) => ({ ...row, ...d[i] }));
  }

  async save(position: Position): Promise<Checkpoint> {
    const tensors = new Map<string, StoredTensor>();
    for (const [prefix, part] of this.#parts()) {
      for (const [key, { shape, data }] of await part.stateDict())
        tensors.set(`${prefix}${key}`, storeFloat32(data, shape));
    }
    return { tensors, state: { position } };
  }

  restore({ tensors, state }: Checkpoint): Position {
    const parsed = z.object({ position: positionSchema }).safeParse(state);
    if (!parsed.success) {
      throw new CheckpointError('The checkpoint does not say where its run stands.', {
        remedy: 'Resume from a folder that `kindergrad balance` wrote.',
      });
    }
    const parts = this.#parts();
    for (const [prefix, part] of parts) {
      const own: StateDict = new Map();
      for (const [key, stored] of tensors) {
        const owner = parts.find(([p]) => p !== '' && key.startsWith(p))?.[0] ?? '';
        if (owner === prefix) own.set(key.slice(prefix.length), { shape: stored.shape, data: toFloat32(stored) });
      }
      part.loadStateDict(own);
    }
    this.#generator.calls = parsed.data.position.draws;
    return { ...parsed.data.position };
  }

  /** Real, fake, cycled and identity pictures of both directions, in bytes. */
  async translate(pictures: readonly Uint8Array[], direction: 'A' | 'B'): Promise<Uint8Array[][]> {
    const size = this.config.model.imageSize;
    const [to, back] = direction === 'A' ? [this.gan.G_A, this.gan.G_B] : [this.gan.G_B, this.gan.G_A];
    const rows: Uint8Array[][] = [];
    for (const picture of pictures) {
      const made = scope(() =>
        noGrad(() => {
          const x = augment(tensor(picture, [1, size, size, 3]), { size, ...toSigned });
          const fake = to.forward(x);
          return [x, fake, back.forward(fake), back.forward(x)];
        }),
      );
      rows.push(await Promise.all(made.map(async (t) => toBytes(await t.floats()))));
      for (const t of made) t.dispose();
    }
    return rows;
  }

  dispose(): void {
    this.#step.dispose();
    this.gan.dispose();
    for (const t of this.#images) t.dispose();
    this.#logs.g.dispose();
    this.#logs.d.dispose();
  }

  #parts() {
    const { gan } = this;
    return [
      ['', gan],
      ['optimizer.G/', gan.optimizers.G],
      ['optimizer.D/', gan.optimizers.D],
      ['pool.A/', gan.pools.A],
      ['pool.B/', gan.pools.B],
    ] as const;
  }
}

/** 0 … 255 to −1 … 1. */
const toSigned = { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] } as const;

/** −1 … 1 to 0 … 255. */
export const toBytes = (values: Float32Array): Uint8Array =>
  Uint8Array.from(values, (v) => Math.min(255, Math.max(0, Math.round((v + 1) * 127.5))));

/** Trains from where the run stands to the last epoch. */
export async function trainGan(input: GanTrainingInput): Promise<'finished' | 'interrupted'> {
  const { run, config, store, signal } = input;
  const { model, seed } = config;
  const passLength = Math.floor(Math.max(input.from.length, input.to.length) / model.batch);
  const stepsPerEpoch = config.stepsPerEpoch || Math.max(1, passLength);
  const half = Math.floor(config.epochs / 2);
  const rate = constantThenLinear(model.lr, config.epochs - half, half);
  const trainer = new GanTrainer(config);
  const shown = await fixedPictures(input);
  try {
    const position: Position = input.resume
      ? trainer.restore(await loadCheckpoint(run.path, 'last'))
      : { epoch: 0, batch: 0, step: 0, draws: 0 };
    const save = async (): Promise<void> => {
      await look();
      await saveCheckpoint(run.path, 'last', await trainer.save({ ...position, draws: trainer.draws }));
    };
    let reported = position.step;
    const look = async (): Promise<void> => {
      for (const losses of await trainer.takeLosses()) {
        reported++;
        const bad = Object.entries(losses).find(([, value]) => !Number.isFinite(value));
        if (bad) {
          throw new KindergradError(`${bad[0]} became ${bad[1]} at step ${reported}.`, {
            remedy: `Resume ${run.path} from its last checkpoint with a smaller --lr.`,
          });
        }
        await run.log({ event: 'step', step: reported, epoch: position.epoch, ...losses });
        const { G_A, D_A, cycle_A } = losses;
        input.progress?.update(
          reported,
          config.epochs * stepsPerEpoch,
          `epoch ${position.epoch + 1}/${config.epochs}  G ${G_A.toFixed(2)}  D ${D_A.toFixed(2)}  cycle ${cycle_A.toFixed(2)}`,
        );
      }
    };
    let savedAt = performance.now();
    for (; position.epoch < config.epochs; ) {
      const { epoch } = position;
      const order = (pictures: readonly Picture[], salt: number) =>
        repeated(pictures, stepsPerEpoch * model.batch, (round) =>
          epochOrder(pictures, seed + salt, epoch * 1000 + round),
        );
      const options = { batchSize: model.batch, dropLast: true, start: position.batch };
      const pairs = zip(batches(store, order(input.from, 0), options), batches(store, order(input.to, 7), options));
      for await (const [a, b] of pairs) {
        await trainer.step(a.images, b.images, rate(epoch));
        position.batch++;
        position.step++;
        if (position.step % LOOK === 0) await look();
        const due = performance.now() - savedAt > config.checkpointMinutes * 60_000;
        if (!due && !signal.aborted) continue;
        await save();
        savedAt = performance.now();
        if (!signal.aborted) continue;
        await run.log({ event: 'interrupted', step: position.step, epoch });
        return 'interrupted';
      }
      await look();
      await run.log({ event: 'epoch', step: position.step, epoch, lr: rate(epoch) });
      await saveGrid(run.path, epoch, trainer, shown);
      Object.assign(position, { epoch: epoch + 1, batch: 0 });
      await save();
      savedAt = performance.now();
    }
    await run.log({ event: 'end', step: position.step, epoch: position.epoch });
    return 'finished';
  } finally {
    trainer.dispose();
  }
}

/** Four pictures of each class that every grid shows. */
async function fixedPictures({ from, to, config }: GanTrainingInput): Promise<[Uint8Array[], Uint8Array[]]> {
  const some = (pictures: readonly Picture[]) =>
    Promise.all(
      epochOrder(pictures, config.seed, 999_999)
        .slice(0, 4)
        .map((p) => decodePicture(p.file, config.model.imageSize)),
    );
  return [await some(from), await some(to)];
}

export const gridPath = (run: string, epoch: number): string =>
  join(run, 'samples', `epoch-${String(epoch + 1).padStart(4, '0')}.png`);

async function saveGrid(
  run: string,
  epoch: number,
  trainer: GanTrainer,
  shown: [Uint8Array[], Uint8Array[]],
): Promise<void> {
  const { imageSize } = trainer.config.model;
  const rows = [...(await trainer.translate(shown[0], 'A')), ...(await trainer.translate(shown[1], 'B'))];
  await mkdir(join(run, 'samples'), { recursive: true });
  await writeFileAtomic(gridPath(run, epoch), await pictureGrid(rows, imageSize));
}

/** `count` pictures: whole shuffled passes, one after the other. */
function repeated(pictures: readonly Picture[], count: number, pass: (round: number) => Picture[]): Picture[] {
  const out: Picture[] = [];
  for (let round = 0; out.length < count; round++)
    out.push(...pass(round).slice(0, Math.min(pictures.length, count - out.length)));
  return out;
}

async function* zip<A, B>(a: AsyncGenerator<A>, b: AsyncGenerator<B>): AsyncGenerator<[A, B]> {
  for (;;) {
    const [x, y] = await Promise.all([a.next(), b.next()]);
    if (x.done || y.done) return;
    yield [x.value, y.value];
  }
}
