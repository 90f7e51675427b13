import { HostScalar } from './runtime/commands.ts';

const M0 = 0xd2511f53;
const M1 = 0xcd9e8d57;
const W0 = 0x9e3779b9;
const W1 = 0xbb67ae85;

/** High 32 bits of the unsigned product, through 16-bit halves: doubles do not hold 64 bits. */
function mulHigh(a: number, b: number): number {
  const al = a & 0xffff;
  const ah = a >>> 16;
  const bl = b & 0xffff;
  const bh = b >>> 16;
  const middle = ah * bl + ((al * bl) >>> 16);
  const carry = al * bh + (middle % 0x10000);
  return (ah * bh + Math.floor(middle / 0x10000) + Math.floor(carry / 0x10000)) >>> 0;
}

/**
 * Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): four random words for each
 * counter and key, with no state between calls. kernels/common/philox.wgsl computes the same bits.
 */
export function philox(
  counter: readonly [number, number, number, number],
  key: readonly [number, number],
): Uint32Array {
  let [c0, c1, c2, c3] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const high0 = mulHigh(M0, c0 >>> 0);
    const low0 = Math.imul(M0, c0);
    const high1 = mulHigh(M1, c2 >>> 0);
    const low1 = Math.imul(M1, c2);
    c0 = high1 ^ c1 ^ k0;
    c1 = low1;
    c2 = high0 ^ c3 ^ k1;
    c3 = low0;
    k0 = (k0 + W0) | 0;
    k1 = (k1 + W1) | 0;
  }
  return Uint32Array.of(c0, c1, c2, c3);
}

/** Words to floats in (0, 1): 24 bits and a half, so that neither end occurs; exact in f32 and f64. */
export const toUnit = (word: number): number => ((word >>> 8) + 0.5) / 0x1000000;

/**
 * The seeded source of all randomness. Every draw, on the host or in a kernel, takes one call number; element i of the
 * draw comes from the counter (i / 4, call, 0, 0) under the seed as key. Seed and call number are its whole state.
 */
export class Generator {
  readonly seed: number;
  /** Draws taken so far. */
  calls = 0;

  constructor(seed = 0) {
    this.seed = seed;
  }

  /** The seed as Philox key. */
  get key(): readonly [number, number] {
    return [this.seed >>> 0, Math.floor(this.seed / 2 ** 32) >>> 0];
  }

  /** The number of a new draw. */
  next(): number {
    return this.calls++;
  }

  /** A new draw for a kernel; in a program, a new one at every replay. */
  draw(): HostScalar {
    return new HostScalar(() => this.next());
  }

  state(): { seed: number; calls: number } {
    return { seed: this.seed, calls: this.calls };
  }

  /** A generator that goes on where `state()` was taken. */
  static from(state: { seed: number; calls: number }): Generator {
    const generator = new Generator(state.seed);
    generator.calls = state.calls;
    return generator;
  }

  /** `n` words, one draw. */
  words(n: number): Uint32Array {
    const call = this.next();
    const out = new Uint32Array(n);
    for (let i = 0; i < n; i += 4) {
      const block = philox([i / 4, call, 0, 0], this.key);
      out.set(n - i < 4 ? block.subarray(0, n - i) : block, i);
    }
    return out;
  }

  /** Uniform on (low, high). */
  uniform(n: number, low = 0, high = 1): Float32Array<ArrayBuffer> {
    return Float32Array.from(this.words(n), (word) => low + (high - low) * toUnit(word));
  }

  /** Normal, by Box–Muller. */
  normal(n: number, mean = 0, std = 1): Float32Array {
    const words = this.words(2 * n);
    const out = new Float32Array(n);
    for (let i = 0; i < n; i++) {
      const radius = Math.sqrt(-2 * Math.log(toUnit(words[2 * i])));
      out[i] = mean + std * radius * Math.cos(2 * Math.PI * toUnit(words[2 * i + 1]));
    }
    return out;
  }

  /** Normal, redrawn while farther than two standard deviations from the mean (TensorFlow's truncated_normal). */
  truncatedNormal(n: number, mean = 0, std = 1): Float32Array {
    const out = new Float32Array(n);
    for (let filled = 0; filled < n; ) {
      for (const z of this.normal(n - filled)) if (Math.abs(z) < 2) out[filled++] = mean + std * z;
    }
    return out;
  }

  /** Integers in [0, below). */
  integers(n: number, below: number): Uint32Array {
    return this.words(n).map((word) => Math.floor((word / 2 ** 32) * below));
  }

  /** A permutation of 0 … n−1 (Fisher–Yates). */
  permutation(n: number): Uint32Array {
    const order = Uint32Array.from({ length: n }, (_, i) => i);
    const words = this.words(n);
    for (let i = n - 1; i > 0; i--) {
      const j = Math.floor((words[i] / 2 ** 32) * (i + 1));
      [order[i], order[j]] = [order[j], order[i]];
    }
    return order;
  }
}

let shared = new Generator(0);

/** The generator that layers initialise from when none is given. */
export const defaultGenerator = (): Generator => shared;

/** Seeds the default generator anew (PyTorch's `manual_seed`). */
export function manualSeed(seed: number): Generator {
  shared = new Generator(seed);
  return shared;
}
