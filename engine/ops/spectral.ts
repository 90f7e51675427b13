import { skipMatmulKernel } from '../../kernels/spectral/skip-matmul.ts';
import {
  loewnerKernel,
  SPECTRAL_FUNCTIONS,
  type SpectralFunctionName,
  spectralScaleKernel,
} from '../../kernels/spectral/spectral-function.ts';
import { ConfigError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { batchOf, empty } from './covariance.ts';
import { decompose, squareShape } from './eigh.ts';
import { runMatmul } from './matmul.ts';
import { apply, defineOp } from './op.ts';

/** f(A) = U f(Λ) Uᵀ with f(λ) = g(clamp(λ, floor, ceiling)). */
export interface SpectralAttributes {
  readonly function: SpectralFunctionName;
  readonly floor: number;
  readonly ceiling: number;
  /** [batch] u32: where it is not 0, no decomposition is made and the result is A itself (identity) or zeros. */
  readonly skip?: Tensor | undefined;
}

const kernelParams = (attributes: SpectralAttributes, batch: number, n: number) => ({
  function: SPECTRAL_FUNCTIONS.indexOf(attributes.function),
  batch,
  n,
  floor: attributes.floor,
  ceiling: attributes.ceiling,
});

/**
 * op(left) · op(right) of the batch. With `skip`, only of the other samples: the skipped ones get `instead`, or zeros.
 */
function multiply(
  left: Tensor,
  right: Tensor,
  out: Tensor,
  [transposeLeft, transposeRight]: readonly [boolean, boolean],
  skip: Tensor | undefined,
  instead?: Tensor,
): void {
  if (!skip) {
    runMatmul(left, right, out, transposeLeft, transposeRight);
    return;
  }
  out.device.run(
    skipMatmulKernel,
    { left: left.storage, right: right.storage, skip: skip.storage, instead: instead?.storage, out: out.storage },
    {
      batch: skip.size,
      n: out.shape[out.ndim - 1],
      transposeLeft: Number(transposeLeft),
      transposeRight: Number(transposeRight),
      hasInstead: Number(instead !== undefined),
    },
  );
}

/**
 * A function of a symmetric matrix. Backward for a gradient G (Daleckiĭ & Kreĭn 1965): Ā = U [L ∘ (Uᵀ sym(G) U)] Uᵀ with L_ij the
 * divided difference f[λ_i, λ_j]. Unlike the gradient of the eigenvectors it has no 1/(λ_i − λ_j) to blow up.
 */
export const spectralOp = defineOp<SpectralAttributes>({
  name: 'spectral',
  outputShape: ([a], { function: f }) => squareShape(`${f} of a matrix`, a),
  forward: ([a], out, attributes) => {
    const n = a.shape[a.ndim - 1];
    const batch = batchOf(a);
    const { skip } = attributes;
    const { values, vectors } = decompose(a, skip);
    const scaled = empty(a, vectors.shape, 'scaled eigenvectors');
    a.device.run(
      spectralScaleKernel,
      { values: values.storage, vectors: vectors.storage, skip: skip?.storage, out: scaled.storage },
      kernelParams(attributes, batch, n),
    );
    const instead = attributes.function === 'identity' ? a : undefined;
    multiply(vectors, scaled, out.alias(vectors.shape), [true, false], skip, instead);
    return [values, vectors];
  },
  backward: (gradient, [values, vectors], attributes) => {
    const [batch, n] = values.shape;
    const { skip } = attributes;
    const make = (): Tensor => empty(gradient, vectors.shape, 'spectral gradient');
    const [left, inner, weighted, right, out] = [make(), make(), make(), make(), make()];
    multiply(vectors, gradient.alias(vectors.shape), left, [false, false], skip);
    multiply(left, vectors, inner, [false, true], skip);
    gradient.device.run(
      loewnerKernel,
      { values: values.storage, inner: inner.storage, skip: skip?.storage, out: weighted.storage },
      kernelParams(attributes, batch, n),
    );
    multiply(weighted, vectors, right, [false, false], skip);
    multiply(vectors, right, out, [true, false], skip, attributes.function === 'identity' ? gradient : undefined);
    return [out.alias(gradient.shape)];
  },
});

/** The smallest and largest positive normal f32: what stands for "no floor" and "no ceiling". */
const SMALLEST = 1.1754944e-38;
const LARGEST = 3.4028234e38;

export interface ClampOptions {
  /** Eigenvalues below are raised to it. Default 1e-4. */
  readonly floor?: number | undefined;
  /** Eigenvalues above are lowered to it. Default 1e4. */
  readonly ceiling?: number | undefined;
}

export interface SkipOption {
  /** [batch] u32, not 0 where nothing needs to be computed: A is returned by reEig, zeros by the others. */
  readonly skip?: Tensor | undefined;
}

function spectral(
  a: Tensor,
  f: SpectralFunctionName,
  floor: number,
  ceiling: number,
  skip: Tensor | undefined,
): Tensor {
  if (!(floor < ceiling)) {
    throw new ConfigError(`${f} of a matrix: floor ${floor} is not below ceiling ${ceiling}.`, {
      remedy: 'The defaults are floor 1e-4 and ceiling 1e4.',
    });
  }
  const lowest = f === 'identity' ? -LARGEST : SMALLEST;
  return apply(spectralOp, [a], {
    function: f,
    floor: Math.max(lowest, floor),
    ceiling: Math.min(LARGEST, ceiling),
    skip,
  });
}

/** ReEig (Huang & Van Gool 2017): eigenvalues clamped to [floor, ceiling]. a [..., n, n] symmetric. */
export const reEig = (a: Tensor, { floor = 1e-4, ceiling = 1e4, skip }: ClampOptions & SkipOption = {}): Tensor =>
  spectral(a, 'identity', floor, ceiling, skip);

/**
 * LogEig, U log(Λ) Uᵀ, of eigenvalues clamped to [floor, ceiling]: ReEig and LogEig on one decomposition. Pass `floor: 0, ceiling: Infinity`
 * for the bare logarithm (0 then counts as the smallest positive number). a [..., n, n] symmetric.
 */
export const logEig = (a: Tensor, { floor = 1e-4, ceiling = 1e4, skip }: ClampOptions & SkipOption = {}): Tensor =>
  spectral(a, 'log', floor, ceiling, skip);

/** The symmetric square root of eigenvalues clamped to [floor, ceiling]; the "matrix power" alternative to the logarithm. */
export const sqrtEig = (a: Tensor, { floor = 1e-4, ceiling = 1e4, skip }: ClampOptions & SkipOption = {}): Tensor =>
  spectral(a, 'sqrt', floor, ceiling, skip);
