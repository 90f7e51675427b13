import { defineKernel, wgsl, workgroupsFor } from '../kernel.ts';
import { depthwiseConv2dInputGradient } from './depthwise.ts';
import { depthwiseStripsConv2dInputGradient } from './depthwise-strips.ts';
import { directConv2dInputGradient } from './direct.ts';
import { convCost, convParams, packed } from './geometry.ts';
import { laneConv2dInputGradient } from './lanes.ts';
import { narrowConv2dInputGradient } from './narrow.ts';
import { matrixConv2dInputGradient, tiledConv2dInputGradient } from './tiled.ts';
import { winogradConv2dInputGradient } from './winograd.ts';
import { winogradTiledConv2dInputGradient } from './winograd-tiled.ts';

export const conv2dInputGradientKernel = defineKernel({
  name: 'conv2dInputGradient',
  computes: 'x = f(y ∗ᵀ weight + bias): the gradient of conv2d by its input, and the transposed convolution',
  bindings: { y: 'read', weight: 'read', bias: 'read', x: 'write' },
  params: convParams,
  cost: convCost,
  tunable: true,
  variants: [
    {
      name: 'naive',
      adds: 'one element per invocation',
      passes: (p) => [
        {
          source: wgsl(import.meta.url, 'conv2d-input-gradient-naive.wgsl'),
          constants: { ACTIVATION: p.activation },
          params: packed(p),
          workgroups: workgroupsFor(p.batch * p.h * p.w * p.cin, 64),
        },
      ],
    },
    depthwiseConv2dInputGradient,
    depthwiseStripsConv2dInputGradient,
    laneConv2dInputGradient,
    narrowConv2dInputGradient,
    winogradConv2dInputGradient,
    ...tiledConv2dInputGradient,
    directConv2dInputGradient,
    winogradTiledConv2dInputGradient,
    matrixConv2dInputGradient,
  ],
});
