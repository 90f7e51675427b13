import type { DeviceTraits } from '../kernel.ts';

/** Subgroups of 8 lanes, whatever the pipeline: what kernels that hold operands in lanes are written for. */
export const hasLanes = (traits: DeviceTraits): boolean => traits.subgroupMinSize === 8 && traits.subgroupMaxSize === 8;

/**
 * How many of `columns` neighbouring vec4 the lanes of a workgroup walk down side by side: four are a cache line, and a load of
 * eight lines takes 24 ns instead of 5. But where they can, two workgroups at least, one for each core.
 */
export const lanesAcross = (columns: number): number => [4, 2].find((n) => columns >= 2 * n) ?? 1;
