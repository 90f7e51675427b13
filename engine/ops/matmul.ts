import { matmulKernel } from '../../kernels/matmul/matmul.ts';
import { mayRoundToHalves } from '../precision.ts';
import { type Shape, sizeOf, Tensor } from '../tensor.ts';
import { type Epilogue, noEpilogue } from './epilogue.ts';
import { apply, defineOp, shapeError } from './op.ts';
import { runReduce } from './reduce.ts';
import { broadcastShape } from './shapes.ts';

/** Two batch axes, outer and inner: each operand walks them with strides in matrices, 0 where it is shared. */
interface Batches {
  readonly batch: number;
  readonly inner: number;
  readonly left: readonly [outer: number, inner: number];
  readonly right: readonly [outer: number, inner: number];
}

/** Merges batch axes that both operands walk alike; at most two may be left. */
function mergeBatches(left: Shape, right: Shape): Batches {
  const out = broadcastShape('matmul', left, right);
  const runs: { size: number; left: boolean; right: boolean }[] = [];
  out.forEach((size, i) => {
    if (size === 1) return;
    const walks = {
      left: (left[left.length - out.length + i] ?? 1) > 1,
      right: (right[right.length - out.length + i] ?? 1) > 1,
    };
    const last = runs[runs.length - 1];
    if (last && last.left === walks.left && last.right === walks.right) last.size *= size;
    else runs.push({ size, ...walks });
  });
  if (runs.length > 2) {
    throw shapeError('matmul', [left, right], 'Batch axes may switch once between shared and own; reshape first.');
  }
  while (runs.length < 2) runs.unshift({ size: 1, left: false, right: false });
  const [outer, inner] = runs;
  const strides = (side: 'left' | 'right'): [number, number] => [
    outer[side] ? (inner[side] ? inner.size : 1) : 0,
    inner[side] ? 1 : 0,
  ];
  return { batch: outer.size * inner.size, inner: inner.size, left: strides('left'), right: strides('right') };
}

/**
 * op(left) · op(right) into `out` without the tape, where op transposes the last two axes or not. Batch axes broadcast;
 * `bias` (of n) is added to each row, then the activation applied. `half`: the operands may be rounded to halves; spectral
 * layers, which take logarithms of small eigenvalues, never allow it.
 */
export function runMatmul(
  left: Tensor,
  right: Tensor,
  out: Tensor,
  transposeLeft: boolean,
  transposeRight: boolean,
  { bias, epilogue = noEpilogue, half = false }: { bias?: Tensor; epilogue?: Epilogue; half?: boolean } = {},
): void {
  let [m, n] = out.shape.slice(-2);
  const k = left.shape[left.ndim - (transposeLeft ? 2 : 1)];
  let batches = mergeBatches(left.shape.slice(0, -2), right.shape.slice(0, -2));
  if (!transposeLeft && batches.right.every((s) => s === 0) && left.size === batches.batch * m * k) {
    // One right-hand matrix for all: the batch is just more rows.
    m *= batches.batch;
    batches = { batch: 1, inner: 1, left: [0, 0], right: [0, 0] };
  }
  out.device.run(
    matmulKernel,
    { left: left.storage, right: right.storage, bias: bias?.storage, out: out.storage },
    {
      batch: batches.batch,
      m,
      n,
      k,
      transposeLeft: Number(transposeLeft),
      transposeRight: Number(transposeRight),
      inner: batches.inner,
      leftOuter: batches.left[0],
      leftInner: batches.left[1],
      rightOuter: batches.right[0],
      rightInner: batches.right[1],
      ...epilogue,
      ...(half && { half: 1 }),
    },
  );
}

/** Sums `full` over the leading axes along which an operand of `shape` was shared. */
function sumShared(full: Tensor, shape: Shape): Tensor {
  const lead = full.ndim - shape.length;
  const shared = full.shape.map((size, axis) => axis < full.ndim - 2 && (axis < lead || shape[axis - lead] !== size));
  if (!shared.includes(true)) return full;
  const out = Tensor.empty(shape, { device: full.device, label: 'matmul gradient' });
  runReduce(full, shared, out);
  return out;
}

/** The product as a new tensor of `shape`; batch axes that `shape` lacks are summed. */
function gradientOf(
  shape: Shape,
  left: Tensor,
  right: Tensor,
  transposeLeft: boolean,
  transposeRight: boolean,
): Tensor {
  const batch = broadcastShape('matmul', left.shape.slice(0, -2), right.shape.slice(0, -2));
  const out = Tensor.empty([...batch, ...shape.slice(-2)], { device: left.device, label: 'matmul gradient' });
  runMatmul(left, right, out, transposeLeft, transposeRight, { half: mayRoundToHalves() });
  return sumShared(out, shape);
}

/** [..., m, k] as [rows, k]: the same bytes. */
export const asRows = (x: Tensor): Tensor =>
  x.ndim === 2 ? x : x.alias([sizeOf(x.shape.slice(0, -1)), x.shape[x.ndim - 1]]);

export const matmulOp = defineOp<Record<string, never>>({
  name: 'matmul',
  outputShape: ([a, b]) => {
    if (a.length < 2 || b.length < 2 || a[a.length - 1] !== b[b.length - 2]) {
      throw shapeError('matmul', [a, b], 'Needed: [..., m, k] and [..., k, n].');
    }
    return [...broadcastShape('matmul', a.slice(0, -2), b.slice(0, -2)), a[a.length - 2], b[b.length - 1]];
  },
  forward: ([a, b], out) => {
    runMatmul(a, b, out, false, false, { half: mayRoundToHalves() });
    return [a, b];
  },
  // dA = dY · Bᵀ, dB = Aᵀ · dY
  backward: (gradient, [a, b], _attributes, { needs }) => {
    // One right-hand matrix for all rows: its gradient is one product over all of them.
    const shared = b.ndim === 2 && a.ndim > 2;
    return [
      needs[0] ? gradientOf(a.shape, gradient, b, false, true) : undefined,
      needs[1]
        ? shared
          ? gradientOf(b.shape, asRows(a), asRows(gradient), true, false)
          : gradientOf(b.shape, a, gradient, true, false)
        : undefined,
    ];
  },
});

/**
 * Matrix product of the last two axes; leading axes broadcast. [..., m, k] · [..., k, n] → [..., m, n].
 * Throws ShapeError when the inner sizes differ.
 */
export const matmul = (a: Tensor, b: Tensor): Tensor => apply(matmulOp, [a, b], {});
