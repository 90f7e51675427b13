import { type Pass, wgsl, workgroupsFor } from '../kernel.ts';

/** out[i] = Σ_s partials[s][i], s ascending; `size` is a multiple of 4. The last pass of whatever product was split. */
export const sumPartials = (parts: number, size: number): Pass => ({
  source: wgsl(import.meta.url, 'sum-partials.wgsl'),
  params: { parts, size },
  workgroups: workgroupsFor(size, 256),
});
