import { currentDevice, type Program, program, type Tensor, tensor } from '../../engine/index.ts';
import type { Picture } from './detector.ts';
import { letterbox, type Normalisation } from './letterbox.ts';

/** Pictures in one run of the network, at most; more are done in turns. */
const largestBatch = 16;

/** The outputs for one picture, each flat. */
export type Outputs = readonly [Float32Array, ...Float32Array[]];

interface Sized {
  readonly input: Tensor;
  readonly program: Program<readonly Tensor[]>;
}

/**
 * Runs a network over any number of pictures. Programs are made for batches of 1, 2, 4, … so that few shapes are ever
 * traced; 5 pictures are a batch of 4 and one of 1, and no work is wasted on padding.
 */
export class BatchedNet {
  private readonly size: number;
  private readonly most: number;
  private readonly normalisation: Normalisation;
  private readonly forward: (x: Tensor) => readonly Tensor[];
  private readonly sized = new Map<number, Sized>();

  /**
   * `forward` takes [batch, size, size, 3] and returns tensors whose first dimension is the batch.
   * @param widest numbers in the largest tensor on the way, for one picture: a batch's has to fit one binding
   */
  constructor(size: number, normalisation: Normalisation, widest: number, forward: (x: Tensor) => readonly Tensor[]) {
    const room = currentDevice().gpu.limits.maxStorageBufferBindingSize / (4 * widest);
    this.most = Math.min(largestBatch, 2 ** Math.floor(Math.log2(Math.max(1, room))));
    this.size = size;
    this.normalisation = normalisation;
    this.forward = forward;
  }

  /** Not to be called again before it has answered. */
  async run<T, P extends Picture>(pictures: readonly P[], decode: (outputs: Outputs, picture: P) => T): Promise<T[]> {
    const results: T[] = [];
    while (results.length < pictures.length) {
      const left = pictures.slice(results.length);
      const batch = left.slice(0, Math.min(this.most, 2 ** Math.floor(Math.log2(left.length))));
      const outputs = await this.runBatch(batch);
      for (const [i, picture] of batch.entries()) {
        const own = outputs.map((values) =>
          values.subarray((i * values.length) / batch.length, ((i + 1) * values.length) / batch.length),
        );
        const [first = new Float32Array(), ...others] = own;
        results.push(decode([first, ...others], picture));
      }
    }
    return results;
  }

  private async runBatch(pictures: readonly Picture[]): Promise<Float32Array[]> {
    const { input, program } = this.sizedFor(pictures.length);
    const values = new Float32Array(input.size);
    const each = this.size * this.size * 3;
    for (const [i, picture] of pictures.entries()) letterbox(picture, this.size, this.normalisation, values, i * each);
    input.write(values);
    const outputs = await program.run();
    return Promise.all(outputs.map((output) => output.floats()));
  }

  private sizedFor(batch: number): Sized {
    const known = this.sized.get(batch);
    if (known) return known;
    const { size } = this;
    const input = tensor(new Float32Array(batch * size * size * 3), [batch, size, size, 3]).keep();
    const made = { input, program: program(() => this.forward(input)) };
    this.sized.set(batch, made);
    return made;
  }

  dispose(): void {
    for (const { input, program } of this.sized.values()) {
      program.dispose();
      input.dispose();
    }
    this.sized.clear();
  }
}
