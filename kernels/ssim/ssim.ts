import { defineKernel, type Pass, wgsl, workgroupsFor } from '../kernel.ts';

type Params = Readonly<Record<'pairs' | 'width' | 'height', number>>;

const rowPass = (file: string, { pairs, height }: Params): Pass => ({
  source: wgsl(import.meta.url, file),
  workgroups: workgroupsFor(pairs * (height - 10), 64),
});

const meanPass = ({ pairs }: Params): Pass => ({
  source: wgsl(import.meta.url, 'ssim-mean.wgsl'),
  workgroups: workgroupsFor(pairs, 8),
});

const scratch = ({ pairs, height }: Params) => ({ sums: 4 * pairs * (height - 10) });

export const ssimKernel = defineKernel({
  name: 'ssim',
  computes: 'out[pair] = mean over 11×11 windows of SSIM(a, b[pair]), grey bytes',
  bindings: { a: 'read', b: 'read', out: 'write' },
  params: { pairs: 'u32', width: 'u32', height: 'u32' },
  cost: ({ pairs, width, height }) => ({
    // Sliding along a row: 11 bytes a column, 8 operations each, and some 60 for the four sums and the quotient.
    flops: pairs * (height - 10) * width * (11 * 8 + 60),
    bytes: (pairs + 1) * width * height + 4 * pairs,
  }),
  variants: [
    {
      name: 'naive',
      adds: 'each of a window’s 121 pixels read for each window',
      scratch,
      passes: (params) => [rowPass('ssim-naive.wgsl', params), meanPass(params)],
    },
    {
      name: 'rows',
      adds: 'column sums kept while the window slides: 22 words read for four windows instead of 968 bytes',
      supports: ({ width }) => width % 4 === 0,
      scratch,
      passes: (params) => [rowPass('ssim-rows.wgsl', params), meanPass(params)],
    },
  ],
});
