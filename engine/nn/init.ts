import type { Generator } from '../random.ts';

/** The sizes a weight's scale may depend on. */
export interface Fan {
  /** Values that one output sees. */
  readonly fanIn: number;
  readonly fanOut: number;
}

/** Initial values of a weight of `count` elements. */
export type Initializer = (generator: Generator, count: number, fan: Fan) => Float32Array;

/** Uniform within ±√(1 / fanIn): PyTorch's default for convolutions and linear layers (He 2015 with a = √5). */
export const kaimingUniform: Initializer = (generator, count, { fanIn }) => {
  const bound = Math.sqrt(1 / fanIn);
  return generator.uniform(count, -bound, bound);
};

/** Normal with variance 2 / fanIn (He 2015), for layers with ReLU. */
export const kaimingNormal: Initializer = (generator, count, { fanIn }) =>
  generator.normal(count, 0, Math.sqrt(2 / fanIn));

/** Uniform within ±√(6 / (fanIn + fanOut)) (Glorot 2010). */
export const xavierUniform: Initializer = (generator, count, { fanIn, fanOut }) => {
  const bound = Math.sqrt(6 / (fanIn + fanOut));
  return generator.uniform(count, -bound, bound);
};

/** Normal with a fixed deviation (CycleGAN: 0.02). */
export const normalInit =
  (std: number): Initializer =>
  (generator, count) =>
    generator.normal(count, 0, std);

/** Normal cut at two deviations (CovPoolFER: 0.1). */
export const truncatedNormalInit =
  (std: number): Initializer =>
  (generator, count) =>
    generator.truncatedNormal(count, 0, std);

/** Zeros, for biases. */
export const zerosInit: Initializer = (_generator, count) => new Float32Array(count);
