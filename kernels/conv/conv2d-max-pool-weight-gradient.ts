import { defineKernel, wgsl, workgroupsFor } from '../kernel.ts';
import { blocksConv2dMaxPoolWeightGradient } from './blocks.ts';
import { pooledSize } from './gather.ts';
import { convCost, convParams, packed } from './geometry.ts';
import { laneConv2dMaxPoolWeightGradient } from './lanes-pool-weight-gradient.ts';

export const conv2dMaxPoolWeightGradientKernel = defineKernel({
  name: 'conv2dMaxPoolWeightGradient',
  computes:
    'weight, bias = the gradients of conv2dMaxPool by its weights and bias; f′ from its result, not bound without f and with a ReLU, whose f′ is in the taps',
  bindings: { x: 'read', gradient: 'read', taps: 'read', result: 'read', weight: 'write', bias: 'write' },
  params: convParams,
  cost: (p) => {
    const { h, w } = pooledSize(p);
    const { flops, bytes } = convCost(p);
    return { flops, bytes: bytes - 4 * p.batch * p.oh * p.ow * p.cout + 5 * p.batch * h * w * p.cout };
  },
  variants: [
    {
      name: 'naive',
      adds: 'one element per invocation, lines of windows summed apart',
      passes: (p) => [
        {
          source: wgsl(import.meta.url, 'conv2d-max-pool-weight-gradient-naive.wgsl'),
          params: packed(p),
          workgroups: workgroupsFor((p.kh * p.kw * p.cin * p.cout) / p.groups + p.cout, 64),
        },
      ],
    },
    laneConv2dMaxPoolWeightGradient,
    blocksConv2dMaxPoolWeightGradient,
  ],
});
