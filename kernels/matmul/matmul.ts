import { defineKernel, wgsl, workgroupsFor } from '../kernel.ts';
import { laneMatmul } from './lanes.ts';
import { packedMatmul } from './packed.ts';
import { thinMatmul } from './thin.ts';
import { tiledMatmul } from './tiled.ts';

export const matmulKernel = defineKernel({
  name: 'matmul',
  computes: 'out[b] = f(op(left[b]) · op(right[b]) + bias)',
  bindings: { left: 'read', right: 'read', bias: 'read', out: 'write' },
  params: {
    batch: 'u32',
    m: 'u32',
    n: 'u32',
    k: 'u32',
    transposeLeft: 'u32',
    transposeRight: 'u32',
    /** Size of the inner of two batch axes, and each operand's strides along both, in matrices (0: shared). */
    inner: 'u32',
    leftOuter: 'u32',
    leftInner: 'u32',
    rightOuter: 'u32',
    rightInner: 'u32',
    activation: 'u32',
    slope: 'f32',
  },
  cost: ({ batch, m, n, k }) => ({ flops: 2 * batch * m * n * k, bytes: 4 * batch * (m * k + k * n + m * n) }),
  tunable: true,
  variants: [
    {
      name: 'naive',
      adds: 'one element per invocation',
      passes: ({ batch, m, n, transposeLeft, transposeRight, activation }) => [
        {
          source: wgsl(import.meta.url, 'matmul-naive.wgsl'),
          constants: {
            TRANSPOSE_LEFT: transposeLeft === 1,
            TRANSPOSE_RIGHT: transposeRight === 1,
            ACTIVATION: activation,
          },
          workgroups: workgroupsFor(batch * m * n, 64),
        },
      ],
    },
    laneMatmul,
    packedMatmul,
    thinMatmul,
    ...tiledMatmul,
  ],
});
