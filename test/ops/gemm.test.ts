import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type Activation,
  backward,
  conv2d,
  conv2dMaxPool2d,
  convLayout,
  convTranspose2d,
  convTransposeLayout,
  type Device,
  type Layout,
  linear,
  linearLayout,
  matmul,
  ones,
  openDevice,
  sameLayout,
  Tensor,
  tensor,
  zeros,
} from '../../engine/node.ts';
import { expectClose } from '../expect-close.ts';
import { gradCheck, input } from '../gradcheck.ts';
import { type ReferenceCase, type ReferenceTensor, referenceCases } from '../reference.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.close());

type Options = Record<string, unknown> & { activation?: Activation };
const ops: Record<
  string,
  { run: (inputs: Tensor[], options: Options) => Tensor; weight: Layout; names: readonly string[] }
> = {
  matmul: { run: ([a, b]) => matmul(a, b), weight: sameLayout, names: ['a', 'b'] },
  linear: {
    run: ([x, w, b], options) => linear(x, w, b, options),
    weight: linearLayout,
    names: ['x', 'weight', 'bias'],
  },
  conv2d: {
    run: ([x, w, b], options) => conv2d(x, w, b, options),
    weight: convLayout,
    names: ['x', 'weight', 'bias'],
  },
  conv2dMaxPool: {
    run: ([x, w, b], options) => conv2dMaxPool2d(x, w, b, options),
    weight: convLayout,
    names: ['x', 'weight', 'bias'],
  },
  convTranspose2d: {
    run: ([x, w, b], options) => convTranspose2d(x, w, b, options),
    weight: convTransposeLayout,
    names: ['x', 'weight', 'bias'],
  },
};

/** The engine's shape of a parameter that PyTorch stores in `torchShape`: the layouts' axes permuted back. */
const AXES = new Map<Layout, readonly number[]>([
  [linearLayout, [1, 0]],
  [convLayout, [2, 3, 1, 0]],
  [convTransposeLayout, [2, 3, 1, 0]],
]);

function fromTorch(stored: ReferenceTensor, layout: Layout): { shape: number[]; values: Float32Array } {
  const axes = AXES.get(layout);
  const shape = axes ? axes.map((axis) => stored.shape[axis]) : [...stored.shape];
  const index = layout.torchIndex(shape);
  return { shape, values: Float32Array.from(index, (at) => stored.data[at]) };
}

const toTorch = (values: ArrayLike<number>, shape: readonly number[], layout: Layout): Float32Array => {
  const out = new Float32Array(values.length);
  layout.torchIndex(shape).forEach((at, i) => {
    out[at] = values[i];
  });
  return out;
};

/** A sum of n products of unit normals carries a rounding error of up to n · 2⁻²⁴ beside the usual tolerance. */
function tolerance(one: ReferenceCase): { atol: number } {
  const sizes = [...one.inputs.values(), ...one.outputs.values()].map(
    ({ data, shape }) => data.length / Math.min(...shape),
  );
  return { atol: 1e-5 + Math.max(...sizes) * 2 ** -24 };
}

async function compare(one: ReferenceCase): Promise<void> {
  const op = ops[one.op];
  const given = op.names.filter((name) => one.inputs.has(name));
  const layoutOf = (name: string): Layout => (name === 'weight' ? op.weight : sameLayout);
  const inputs = given.map((name) => {
    const { shape, values } = fromTorch(one.inputs.get(name) as ReferenceTensor, layoutOf(name));
    return tensor(values, shape, { requiresGrad: true });
  });
  const y = op.run(inputs, { ...one.attributes, negativeSlope: 0.2 });
  const expected = one.outputs.get('') as ReferenceTensor;
  expect(y.shape).toEqual(expected.shape);
  expectClose(await y.floats(), expected.data, { ...tolerance(one), label: one.name });
  const seed = one.gradOutputs.get('') as ReferenceTensor;
  backward(y, tensor(Float32Array.from(seed.data), seed.shape));
  for (const [i, name] of given.entries()) {
    const gradient = inputs[i].grad as Tensor;
    const values = toTorch(await gradient.floats(), gradient.shape, layoutOf(name));
    expectClose(values, (one.grads.get(name) as ReferenceTensor).data, {
      ...tolerance(one),
      label: `${one.name} gradient of ${name}`,
    });
  }
}

describe.each(Object.keys(ops))('%s against PyTorch in float64', (op) => {
  it.each(referenceCases('gemm', op).map((one) => [one.name, one] as const))('%s', (_name, one) => compare(one));
});

/** conv2d from its definition. x [n, h, w, cin], w [kh, kw, depth, cout]. */
function convTruth(
  xs: readonly number[],
  ws: readonly number[],
  { stride = 1, padding = 0, dilation = 1, groups = 1 } = {},
  f: (v: number) => number = (v) => v,
) {
  const [n, h, w, cin] = xs;
  const [kh, kw, depth, cout] = ws;
  const oh = Math.floor((h + 2 * padding - dilation * (kh - 1) - 1) / stride) + 1;
  const ow = Math.floor((w + 2 * padding - dilation * (kw - 1) - 1) / stride) + 1;
  return (x: Float64Array, weight: Float64Array, bias?: Float64Array): Float64Array => {
    const out = new Float64Array(n * oh * ow * cout);
    let at = 0;
    for (let b = 0; b < n; b++)
      for (let oy = 0; oy < oh; oy++)
        for (let ox = 0; ox < ow; ox++)
          for (let co = 0; co < cout; co++) {
            let sum = bias ? bias[co] : 0;
            const first = Math.floor(co / (cout / groups)) * depth;
            for (let ky = 0; ky < kh; ky++)
              for (let kx = 0; kx < kw; kx++) {
                const iy = oy * stride - padding + ky * dilation;
                const ix = ox * stride - padding + kx * dilation;
                if (iy < 0 || iy >= h || ix < 0 || ix >= w) continue;
                for (let ci = 0; ci < depth; ci++)
                  sum +=
                    x[((b * h + iy) * w + ix) * cin + first + ci] * weight[((ky * kw + kx) * depth + ci) * cout + co];
              }
            out[at++] = f(sum);
          }
    return out;
  };
}

const matmulTruth =
  (m: number, k: number, n: number, f: (v: number) => number = (v) => v) =>
  (a: Float64Array, b: Float64Array, bias?: Float64Array): Float64Array =>
    Float64Array.from({ length: m * n }, (_, i) => {
      let sum = bias ? bias[i % n] : 0;
      for (let j = 0; j < k; j++) sum += a[Math.floor(i / n) * k + j] * b[j * n + (i % n)];
      return f(sum);
    });

describe('gradients against central differences', () => {
  it('matmul', () => gradCheck({ op: matmul, truth: matmulTruth(5, 7, 3), inputs: [input([5, 7]), input([7, 3], 2)] }));
  it('matmul and linear of rows without elements', async () => {
    const x = zeros([2, 3, 0]);
    const w = Tensor.empty([0, 4]).write([]);
    for (const product of [matmul, linear]) {
      w.requiresGrad = true;
      const y = product(x, w);
      backward(y, ones(y.shape));
      expect(y.shape).toEqual([2, 3, 4]);
      expect([...(await y.floats())]).toEqual(new Array(24).fill(0));
      expect(w.grad?.shape).toEqual([0, 4]);
    }
  });

  it('linear with bias and tanh', () =>
    gradCheck({
      op: (x, w, b) => linear(x, w, b, { activation: 'tanh' }),
      truth: matmulTruth(4, 5, 6, Math.tanh),
      inputs: [input([4, 5]), input([5, 6], 2), input([6], 3)],
    }));
  it('linear with bias and relu6, below 0 and above 6', async () => {
    const [x, w, b] = [input([4, 5]), input([5, 6], 2), input([6], 3)];
    const spread = { ...x, data: x.data.map((v) => 9 * v) };
    const truth = matmulTruth(4, 5, 6, (v) => Math.min(Math.max(v, 0), 6));
    const values = truth(Float64Array.from(spread.data), Float64Array.from(w.data), Float64Array.from(b.data));
    expect([values.includes(0), values.includes(6), values.some((v) => v > 0 && v < 6)]).toEqual([true, true, true]);
    await gradCheck({
      op: (...given) => linear(given[0], given[1], given[2], { activation: 'relu6' }),
      truth,
      inputs: [spread, w, b],
    });
  });
  it('conv2d with stride, padding, groups, bias and sigmoid', () =>
    gradCheck({
      op: (x, w, b) => conv2d(x, w, b, { stride: 2, padding: 1, groups: 2, activation: 'sigmoid' }),
      truth: convTruth([2, 5, 4, 4], [3, 3, 2, 6], { stride: 2, padding: 1, groups: 2 }, (v) => 1 / (1 + Math.exp(-v))),
      inputs: [input([2, 5, 4, 4]), input([3, 3, 2, 6], 2), input([6], 3)],
    }));
  it('convTranspose2d as the adjoint of conv2d', async () => {
    // ⟨conv(u), x⟩ = ⟨u, convᵀ(x)⟩: the truth is conv2d's matrix, transposed.
    const [us, xs, ws] = [
      [1, 6, 4, 2],
      [1, 3, 2, 3],
      [3, 3, 2, 3],
    ] as const;
    const forward = convTruth(us, ws, { stride: 2, padding: 1 });
    const size = 6 * 4 * 2;
    const truth = (x: Float64Array, w: Float64Array): Float64Array =>
      Float64Array.from({ length: size }, (_, i) => {
        const unit = new Float64Array(size);
        unit[i] = 1;
        return forward(unit, w).reduce((sum, v, j) => sum + v * x[j], 0);
      });
    await gradCheck({
      op: (x, w) => convTranspose2d(x, w, undefined, { stride: 2, padding: 1, outputPadding: 1 }),
      truth,
      inputs: [input(xs), input(ws, 2)],
    });
  });
  it('notices an output that is off by a thousandth', async () => {
    const wrong = gradCheck({
      op: (x, w) => conv2d(x, w, undefined, { padding: 1 }),
      truth: convTruth([1, 4, 4, 2], [3, 3, 2, 2], { padding: 1, dilation: 1 }, (v) => v * 1.001),
      inputs: [input([1, 4, 4, 2]), input([3, 3, 2, 2], 2)],
    });
    await expect(wrong).rejects.toThrow(/forward/);
  });
});

describe('bad input', () => {
  const x = () => tensor(new Float32Array(2 * 5 * 5 * 4), [2, 5, 5, 4]);
  const w = (shape: number[]) => tensor(new Float32Array(shape.reduce((a, b) => a * b)), shape);
  it.each<[string, () => Tensor, RegExp]>([
    ['inner sizes', () => matmul(w([2, 3]), w([4, 5])), /matmul: \[2, 3\] and \[4, 5\].*\[\.\.\., m, k\]/s],
    ['vectors', () => matmul(w([3]), w([3, 2])), /matmul/],
    ['batch axes', () => matmul(w([2, 3, 4]), w([3, 4, 5])), /matmul/],
    ['features', () => linear(w([2, 3]), w([4, 5])), /linear: \[2, 3\] and \[4, 5\]/],
    ['bias of linear', () => linear(w([2, 3]), w([3, 5]), w([3])), /bias of \[5\]/],
    ['activation', () => linear(w([2, 3]), w([3, 5]), undefined, { activation: 'gelu' as 'relu' }), /"gelu".*relu/s],
    ['slope', () => linear(w([2, 3]), w([3, 5]), undefined, { negativeSlope: -1 }), /negativeSlope is -1/],
    ['rank', () => conv2d(w([5, 5, 4]), w([3, 3, 4, 2])), /conv2d.*\[batch, h, w, cin\]/s],
    ['channels', () => conv2d(x(), w([3, 3, 3, 2])), /conv2d: \[2, 5, 5, 4\] and \[3, 3, 3, 2\]/],
    ['groups', () => conv2d(x(), w([3, 3, 2, 3]), undefined, { groups: 2 }), /multiple of 2/],
    ['window', () => conv2d(x(), w([7, 7, 4, 2])), /window 7×7.*larger than the picture 5×5/],
    ['stride', () => conv2d(x(), w([3, 3, 4, 2]), undefined, { stride: 0 }), /stride is 0.*≥ 1/s],
    ['padding', () => conv2d(x(), w([3, 3, 4, 2]), undefined, { padding: 0.5 }), /padding is 0\.5/],
    ['bias of conv2d', () => conv2d(x(), w([3, 3, 4, 2]), w([4])), /bias of \[2\]/],
    [
      'output padding',
      () => convTranspose2d(x(), w([3, 3, 2, 4]), undefined, { stride: 2, outputPadding: 2 }),
      /outputPadding 2,2 is not smaller/,
    ],
  ])('%s', (_name, run, message) => {
    expect(run).toThrow(message);
  });
});
