import { historyKernel } from '../kernels/history/history.ts';
import { CheckpointError, ShapeError } from './errors.ts';
import type { StateDict } from './nn/module.ts';
import { zeros } from './ops/fill.ts';
import { Generator } from './random.ts';
import { formatShape, type Shape, Tensor, tensor } from './tensor.ts';

/** For each picture of a batch, [slot to fetch or −1, slot to store or −1]. */
export type PoolDecision = readonly [fetch: number, store: number];

/** A 32-bit number as two that f32 holds exactly. */
const halves = (n: number): [number, number] => [n % 65_536, Math.floor(n / 65_536)];

/**
 * The history of generated pictures that a discriminator sees (Shrivastava et al. 2017; CycleGAN uses 50): until it is
 * full every picture is stored and shown; then, with probability ½, a stored one is shown and replaced by the new one.
 * The pictures stay on the GPU; `decide()` draws on the host before each run of the step that calls `query()`.
 */
export class HistoryPool {
  readonly size: number;
  readonly #pictures: Tensor;
  readonly #decisions: Tensor;
  readonly #batch: number;
  #generator: Generator;
  #filled = 0;

  /** `picture`: [h, w, channels]; `size` 0 shows every picture as it comes. */
  constructor(size: number, batch: number, picture: Shape, generator: Generator) {
    this.size = size;
    this.#batch = batch;
    this.#generator = generator;
    this.#pictures = zeros([Math.max(1, size), ...picture], { label: 'history pool' }).keep();
    this.#decisions = tensor(new Int32Array(2 * batch).fill(-1), [batch, 2], { label: 'history decisions' }).keep();
  }

  /** Draws what happens to the pictures of the next step. */
  decide(): readonly PoolDecision[] {
    const decisions: PoolDecision[] = [];
    for (let b = 0; b < this.#batch; b++) {
      if (this.size === 0) decisions.push([-1, -1]);
      else if (this.#filled < this.size) decisions.push([-1, this.#filled++]);
      else {
        const [coin, slot] = this.#generator.words(2);
        const at = Math.floor((slot / 2 ** 32) * this.size);
        decisions.push(coin & 1 ? [at, at] : [-1, -1]);
      }
    }
    this.use(decisions);
    return decisions;
  }

  /** Sets the next step's decisions by hand. */
  use(decisions: readonly PoolDecision[]): void {
    this.#decisions.write(decisions.flat());
    for (const [, store] of decisions) this.#filled = Math.max(this.#filled, store + 1);
  }

  /** The pictures to show for the new ones `x` [batch, h, w, channels]. Part of the step; off the tape. */
  query(x: Tensor): Tensor {
    const picture = this.#pictures.shape.slice(1);
    if (formatShape(x.shape) !== formatShape([this.#batch, ...picture])) {
      throw new ShapeError(
        `HistoryPool: ${formatShape(x.shape)} came, ${formatShape([this.#batch, ...picture])} is kept.`,
      );
    }
    const out = Tensor.empty(x.shape, { device: x.device, label: 'history' });
    out.device.run(
      historyKernel,
      { x: x.storage, decisions: this.#decisions.storage, pool: this.#pictures.storage, out: out.storage },
      { batch: this.#batch, size: x.size / this.#batch },
    );
    return out;
  }

  /** Pictures, fill and generator: a resumed run draws and shows what the uninterrupted one would. */
  async stateDict(): Promise<StateDict> {
    const { seed, calls } = this.#generator.state();
    return new Map([
      ['pictures', { shape: this.#pictures.shape, data: await this.#pictures.floats() }],
      ['state', { shape: [5], data: Float32Array.of(this.#filled, ...halves(calls), ...halves(seed)) }],
    ]);
  }

  loadStateDict(state: StateDict): void {
    const pictures = state.get('pictures');
    const numbers = state.get('state');
    if (!pictures || !numbers || formatShape(pictures.shape) !== formatShape(this.#pictures.shape)) {
      throw new CheckpointError(
        `The history pool is ${pictures ? formatShape(pictures.shape) : 'missing'}; ${formatShape(this.#pictures.shape)} is needed.`,
        { remedy: 'Resume with the picture and pool size that the run was started with.' },
      );
    }
    this.#pictures.write(pictures.data);
    const [filled, callsLow, callsHigh, seedLow, seedHigh] = numbers.data;
    this.#filled = filled;
    this.#generator = Generator.from({ calls: callsLow + callsHigh * 65_536, seed: seedLow + seedHigh * 65_536 });
  }

  dispose(): void {
    this.#pictures.dispose();
    this.#decisions.dispose();
  }
}
