import { type Variant, wgsl, workgroupsFor } from '../kernel.ts';
import { type ConvParam, packed } from './geometry.ts';

/** Groups of one channel each, where there is nothing for a matrix product to share. */
export const depthwiseConv2d: Variant<ConvParam> = {
  name: 'depthwise',
  adds: 'one channel a group: four channels of a position per invocation, read as vec4',
  supports: ({ groups, cin, cout }) => groups === cin && groups === cout && cout % 4 === 0,
  passes: (p) => [
    {
      source: wgsl(import.meta.url, 'conv2d-depthwise.wgsl'),
      constants: { ACTIVATION: p.activation },
      params: packed(p),
      workgroups: workgroupsFor((p.batch * p.oh * p.ow * p.cout) / 4, 64),
    },
  ],
};
