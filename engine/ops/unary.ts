import { UNARY_OPS, type UnaryName, unaryBackwardKernel, unaryKernel } from '../../kernels/elementwise/unary.ts';
import { ConfigError } from '../errors.ts';
import type { ParamValue } from '../runtime/commands.ts';
import { Tensor } from '../tensor.ts';
import { apply, type DifferentiableOp, defineOp } from './op.ts';

export interface Numbers {
  readonly alpha: ParamValue;
  readonly beta: ParamValue;
}

/** f(x) as a new tensor, off the tape; kernels/elementwise/unary.ts says what alpha and beta are to each f. */
export function unary(name: UnaryName, x: Tensor, alpha: ParamValue = 0, beta: ParamValue = 0): Tensor {
  const out = Tensor.empty(x.shape, { device: x.device, label: name });
  runUnary(name, x, out, { alpha, beta });
  return out;
}

function runUnary(name: UnaryName, x: Tensor, out: Tensor, numbers: Numbers): void {
  out.device.run(
    unaryKernel,
    { x: x.storage, out: out.storage },
    { op: UNARY_OPS.indexOf(name), size: x.size, ...numbers },
  );
}

/** `saves`: what f' is computed from. */
function unaryOp(name: UnaryName, saves: 'input' | 'output'): DifferentiableOp<Numbers> {
  return defineOp<Numbers>({
    name,
    outputShape: ([x]) => x,
    forward: ([x], out, numbers) => {
      runUnary(name, x, out, numbers);
      return [saves === 'input' ? x : out];
    },
    backward: (gradient, [saved], numbers) => {
      const out = Tensor.empty(gradient.shape, { device: gradient.device, label: `${name} gradient` });
      out.device.run(
        unaryBackwardKernel,
        { gradient: gradient.storage, saved: saved.storage, out: out.storage },
        { op: UNARY_OPS.indexOf(name), size: out.size, ...numbers },
      );
      return [out];
    },
  });
}

/** αx + β: what neg, and add, sub and mul with a number, become. */
export const affineOp = defineOp<Numbers>({
  name: 'affine',
  outputShape: ([x]) => x,
  forward: ([x], out, numbers) => {
    runUnary('affine', x, out, numbers);
    return [];
  },
  backward: (gradient, _saved, { alpha }) => [alpha === 1 ? gradient : unary('affine', gradient, alpha)],
});

/** x / α. */
export const divideOp = defineOp<Numbers>({
  name: 'divide',
  outputShape: ([x]) => x,
  forward: ([x], out, numbers) => {
    runUnary('divide', x, out, numbers);
    return [];
  },
  backward: (gradient, _saved, { alpha }) => [unary('divide', gradient, alpha)],
});

/** α / x. */
export const reciprocalOp = unaryOp('reciprocal', 'input');
export const absOp = unaryOp('abs', 'input');
export const squareOp = unaryOp('square', 'input');
export const sqrtOp = unaryOp('sqrt', 'output');
export const expOp = unaryOp('exp', 'output');
export const logOp = unaryOp('log', 'input');
export const powOp = unaryOp('pow', 'input');
export const clampOp = unaryOp('clamp', 'input');
export const reluOp = unaryOp('relu', 'output');
export const leakyReluOp = unaryOp('leakyRelu', 'output');
export const tanhOp = unaryOp('tanh', 'output');
export const sigmoidOp = unaryOp('sigmoid', 'output');

const call = (op: DifferentiableOp<Numbers>, x: Tensor, alpha: ParamValue = 0, beta: ParamValue = 0): Tensor =>
  apply(op, [x], { alpha, beta });

/** αx + β with numbers (or host scalars, read at every run). */
export const affine = (x: Tensor, alpha: ParamValue, beta: ParamValue = 0): Tensor => call(affineOp, x, alpha, beta);
/** x / α. */
export const divideBy = (x: Tensor, alpha: number): Tensor => call(divideOp, x, alpha);
/** α / x. */
export const reciprocal = (x: Tensor, alpha = 1): Tensor => call(reciprocalOp, x, alpha);
/** −x. */
export const neg = (x: Tensor): Tensor => call(affineOp, x, -1);
/** |x|; gradient 0 at 0. */
export const abs = (x: Tensor): Tensor => call(absOp, x);
/** x². */
export const square = (x: Tensor): Tensor => call(squareOp, x);
/** √x, correctly rounded. */
export const sqrt = (x: Tensor): Tensor => call(sqrtOp, x);
/** eˣ, at most 2 ulp off. */
export const exp = (x: Tensor): Tensor => call(expOp, x);
/** Natural logarithm, at most 2 ulp off. */
export const log = (x: Tensor): Tensor => call(logOp, x);
/** x^exponent: products for integers up to 8, √ for ½, else exp(exponent · log x), for x > 0. */
export const pow = (x: Tensor, exponent: number): Tensor => call(powOp, x, exponent);
/** max(x, 0), NaN for NaN; gradient 0 at 0. */
export const relu = (x: Tensor): Tensor => call(reluOp, x);
/** Hyperbolic tangent, at most 2 ulp off. */
export const tanh = (x: Tensor): Tensor => call(tanhOp, x);
/** 1 / (1 + e⁻ˣ), at most 2 ulp off. */
export const sigmoid = (x: Tensor): Tensor => call(sigmoidOp, x);

/** x limited to [min, max]; the gradient passes inside, ends included. */
export function clamp(x: Tensor, min: number, max: number): Tensor {
  if (!(min <= max)) throw new ConfigError(`clamp: min ${min} is not at most max ${max}.`);
  return call(clampOp, x, min, max);
}

/** x above 0, negativeSlope · x below (PyTorch's default slope). */
export function leakyRelu(x: Tensor, negativeSlope = 0.01): Tensor {
  if (!(negativeSlope > 0)) {
    throw new ConfigError(`leakyRelu: negativeSlope is ${negativeSlope}.`, {
      remedy: 'Use a number > 0 (relu() for 0): the gradient is computed from the output, whose sign must tell.',
    });
  }
  return call(leakyReluOp, x, negativeSlope);
}
