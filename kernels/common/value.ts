import type { Constants } from '../kernel.ts';

/** Turns the scalar text of a kernel that includes value.wgsl into its vec4 rung. */
export const VEC4: Constants = { Value: 'vec4f', Int: 'vec4i', Uint: 'vec4u', WIDTH: 4 };

/** How many vec4 cover `size` scalars. */
export const vec4Count = (size: number): number => Math.ceil(size / 4);
