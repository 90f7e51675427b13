import { defineKernel, wgsl, workgroupsFor } from '../kernel.ts';
import { depthwiseConv2dWeightGradient } from './depthwise.ts';
import { depthwiseStripsConv2dWeightGradient } from './depthwise-strips.ts';
import { directConv2dWeightGradient } from './direct-weight-gradient.ts';
import { fewChannelsWeightGradient } from './few-channels-weight-gradient.ts';
import { fewOutputsWeightGradient } from './few-outputs-weight-gradient.ts';
import { fewRowsWeightGradient } from './few-rows-weight-gradient.ts';
import { convCost, convParams, packed } from './geometry.ts';
import { laneConv2dWeightGradient } from './lanes-weight-gradient.ts';
import { matrixConv2dWeightGradient, tiledConv2dWeightGradient } from './tiled-weight-gradient.ts';
import { winogradConv2dWeightGradient } from './winograd.ts';
import { winogradTiledConv2dWeightGradient } from './winograd-tiled.ts';

export const conv2dWeightGradientKernel = defineKernel({
  name: 'conv2dWeightGradient',
  computes: 'weight = Σ over windows of x · ∂L/∂y: the gradient of conv2d by its weights',
  bindings: { x: 'read', y: 'read', weight: 'write' },
  params: convParams,
  cost: convCost,
  tunable: true,
  variants: [
    {
      name: 'naive',
      adds: 'one element per invocation, window rows summed apart',
      passes: (p) => [
        {
          source: wgsl(import.meta.url, 'conv2d-weight-gradient-naive.wgsl'),
          params: packed(p),
          workgroups: workgroupsFor((p.kh * p.kw * p.cin * p.cout) / p.groups, 64),
        },
      ],
    },
    depthwiseConv2dWeightGradient,
    depthwiseStripsConv2dWeightGradient,
    laneConv2dWeightGradient,
    fewChannelsWeightGradient,
    fewRowsWeightGradient,
    fewOutputsWeightGradient,
    winogradConv2dWeightGradient,
    ...tiledConv2dWeightGradient,
    directConv2dWeightGradient,
    winogradTiledConv2dWeightGradient,
    matrixConv2dWeightGradient,
  ],
});
