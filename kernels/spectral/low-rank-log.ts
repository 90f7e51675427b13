import { defineKernel, wgsl, workgroupsFor } from '../kernel.ts';

/** The steps of low-rank-log.wgsl, by number. */
export const LOW_RANK_STEPS = { scale: 0, diagonal: 1, loewner: 2, add: 3, floor: 4 } as const;

const step = <A extends 'write' | 'update'>(name: keyof typeof LOW_RANK_STEPS, computes: string, access: A) =>
  defineKernel({
    name: `low-rank-log-${name}`,
    computes,
    bindings: { values: 'read', trace: 'read', vectors: 'read', inner: 'read', out: access },
    params: { batch: 'u32', rows: 'u32', width: 'u32', eps: 'f32' },
    cost: ({ batch, rows, width }) => ({ flops: 20 * batch * rows * width, bytes: 8 * batch * rows * width }),
    variants: [
      {
        name: 'naive',
        adds: 'one element per invocation',
        passes: ({ batch, rows, width }) => [
          {
            source: wgsl(import.meta.url, 'low-rank-log.wgsl'),
            constants: { STEP: LOW_RANK_STEPS[name], FUNCTION: 1 },
            params: { floor: 1e-37, ceiling: 3e38 },
            workgroups: workgroupsFor(
              {
                scale: batch * rows * width,
                diagonal: batch * width,
                loewner: batch * rows * rows,
                add: batch * rows * width,
                floor: batch,
              }[name],
              64,
            ),
          },
        ],
      },
    ],
  });

export const lowRankScaleKernel = step('scale', 'out_k = log1p(θ_k / e) u_k', 'write');
export const lowRankDiagonalKernel = step('diagonal', 'out_ii += log e', 'update');
export const lowRankLoewnerKernel = step('loewner', 'out = (L − D) ∘ H', 'write');
export const lowRankAddKernel = step('add', 'out_k += D_k · row_k', 'update');
export const lowRankFloorKernel = step('floor', 'out = ∂/∂e', 'write');
