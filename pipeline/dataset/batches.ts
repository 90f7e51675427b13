/** Batches of pictures, read ahead of need while the GPU works on earlier ones. */
import { random } from '../random.ts';
import type { Picture } from './read.ts';

/** What a picture is to the network: its pixels, or what a frozen extractor made of them. */
export type Row = Uint8Array | Float32Array;

/** Where batches get their pictures from. */
export interface RowStore<T extends Row = Row> {
  /** @param epoch chooses among stored augmentation draws, where there are any */
  load(picture: Picture, epoch?: number): Promise<T>;
}

export interface Batch<T extends Row = Row> {
  /** [batch, size, size, 3], 0 to 255; or [batch, …] features. */
  images: T;
  /** [batch] class indices. */
  labels: Uint32Array;
  /** [batch, classes] label distributions. */
  targets: Float32Array;
  /** The pictures, in order. Rows of the arrays beyond them repeat the last picture and must be ignored. */
  pictures: readonly Picture[];
}

/** The order of an epoch: a function of seed and epoch alone, so a resumed run sees what the first would have seen. */
export function epochOrder(pictures: readonly Picture[], seed: number, epoch: number): Picture[] {
  return random(seed, 10, epoch).shuffle(pictures);
}

/**
 * Yields full batches in the given order. The last one is filled up by repeating its last picture, or left out with
 * `dropLast`. At most `ahead` batches are being decoded or waiting at any time.
 */
export async function* batches<T extends Row>(
  store: RowStore<T>,
  pictures: readonly Picture[],
  options: { batchSize: number; dropLast?: boolean; ahead?: number; start?: number; epoch?: number },
): AsyncGenerator<Batch<T>, void, undefined> {
  const { batchSize, dropLast = false, ahead = 3 } = options;
  const count = dropLast ? Math.floor(pictures.length / batchSize) : Math.ceil(pictures.length / batchSize);
  const pending: Promise<Batch<T>>[] = [];
  let next = options.start ?? 0;
  const request = () => {
    if (next >= count) return;
    const rows = pictures.slice(next * batchSize, (next + 1) * batchSize);
    const batch = makeBatch(store, rows, batchSize, options.epoch);
    batch.catch(() => undefined); // reported when its turn comes, not as an unhandled rejection before
    pending.push(batch);
    next += 1;
  };
  for (let i = 0; i < ahead; i += 1) request();
  for (let batch = pending.shift(); batch; batch = pending.shift()) {
    const ready = await batch;
    request();
    yield ready;
  }
}

async function makeBatch<T extends Row>(
  store: RowStore<T>,
  pictures: readonly Picture[],
  batchSize: number,
  epoch: number | undefined,
): Promise<Batch<T>> {
  const classes = pictures[0]?.target.length ?? 0;
  const loaded = await Promise.all(pictures.map((picture) => store.load(picture, epoch)));
  const [first] = loaded;
  const Values = first instanceof Float32Array ? Float32Array : Uint8Array;
  const images = new Values(batchSize * first.length) as T;
  const labels = new Uint32Array(batchSize);
  const targets = new Float32Array(batchSize * classes);
  for (let row = 0; row < batchSize; row += 1) {
    const from = Math.min(row, pictures.length - 1);
    const picture = pictures[from];
    images.set(loaded[from], row * first.length);
    labels[row] = picture.label;
    targets.set(picture.target, row * classes);
  }
  return { images, labels, targets, pictures };
}
