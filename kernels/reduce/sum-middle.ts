import { defineKernel, type Pass, wgsl, workgroupsFor } from '../kernel.ts';

/**
 * Rows per chunk: short chains of additions keep the rounding error small, and the chunks are the parallelism. Fixed by
 * the shape alone, so the result does not depend on the device's speed.
 */
const chunkOf = (middle: number): number => Math.max(32, Math.ceil(Math.sqrt(middle)));

/** out[o][i] = Σ_s partials[o][s][i], s ascending; `inner` is a multiple of 4. The last pass of whatever was split. */
export const sumPartials = (outer: number, parts: number, inner: number): Pass => ({
  source: wgsl(import.meta.url, 'sum-partials.wgsl'),
  params: { outer, parts, inner },
  workgroups: workgroupsFor((outer * inner) / 4, 64),
});

export const sumMiddleKernel = defineKernel({
  name: 'sumMiddle',
  computes: 'out[o][i] = Σ_s source[o][s][i] (column sums, bias gradients, broadcast axes)',
  bindings: { source: 'read', out: 'write' },
  params: { outer: 'u32', middle: 'u32', inner: 'u32' },
  cost: ({ outer, middle, inner }) => ({ flops: outer * middle * inner, bytes: 4 * outer * (middle + 1) * inner }),
  variants: [
    {
      name: 'naive',
      adds: 'one element per invocation',
      passes: ({ outer, inner }) => [
        { source: wgsl(import.meta.url, 'sum-middle.wgsl'), workgroups: workgroupsFor(outer * inner, 64) },
      ],
    },
    {
      name: 'chunks',
      adds: 'chunks of about √middle rows summed by vec4, then the chunks in order: parallel and with less rounding',
      supports: ({ middle, inner }) => inner % 4 === 0 && middle > 32,
      scratch: ({ outer, middle, inner }) => ({
        partials: 4 * outer * Math.ceil(middle / chunkOf(middle)) * inner,
      }),
      passes: ({ outer, middle, inner }) => {
        const chunk = chunkOf(middle);
        const chunks = Math.ceil(middle / chunk);
        return [
          {
            source: wgsl(import.meta.url, 'sum-middle-chunks.wgsl'),
            params: { chunk, chunks },
            workgroups: workgroupsFor((outer * chunks * inner) / 4, 64),
          },
          sumPartials(outer, chunks, inner),
        ];
      },
    },
  ],
});
