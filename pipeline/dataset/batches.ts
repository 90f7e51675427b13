/** Batches of 8-bit pictures, decoded ahead of need while the GPU works on earlier ones. */
import { random } from '../random.ts';
import type { PictureStore } from './decode.ts';
import type { Picture } from './read.ts';

export interface Batch {
  /** [batch, size, size, 3], 0 to 255. */
  images: Uint8Array;
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
export async function* batches(
  store: PictureStore,
  pictures: readonly Picture[],
  options: { batchSize: number; dropLast?: boolean; ahead?: number; start?: number },
): AsyncGenerator<Batch, void, undefined> {
  const { batchSize, dropLast = false, ahead = 3 } = options;
  const count = dropLast ? Math.floor(pictures.length / batchSize) : Math.ceil(pictures.length / batchSize);
  const pending: Promise<Batch>[] = [];
  let next = options.start ?? 0;
  const request = () => {
    if (next >= count) return;
    const batch = makeBatch(store, pictures.slice(next * batchSize, (next + 1) * batchSize), batchSize);
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

async function makeBatch(store: PictureStore, pictures: readonly Picture[], batchSize: number): Promise<Batch> {
  const classes = pictures[0]?.target.length ?? 0;
  const bytes = store.size * store.size * 3;
  const images = new Uint8Array(batchSize * bytes);
  const labels = new Uint32Array(batchSize);
  const targets = new Float32Array(batchSize * classes);
  const decoded = await Promise.all(pictures.map((picture) => store.load(picture)));
  for (let row = 0; row < batchSize; row += 1) {
    const from = Math.min(row, pictures.length - 1);
    const picture = pictures[from] as Picture;
    images.set(decoded[from] as Uint8Array, row * bytes);
    labels[row] = picture.label;
    targets.set(picture.target, row * classes);
  }
  return { images, labels, targets, pictures };
}
