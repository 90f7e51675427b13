import { defineKernel, wgsl, workgroupsFor } from '../kernel.ts';
import { blocksConv2d } from './blocks.ts';
import { depthwiseConv2d } from './depthwise.ts';
import { depthwiseStripsConv2d } from './depthwise-strips.ts';
import { directConv2d } from './direct.ts';
import { convCost, convParams, packed } from './geometry.ts';
import { laneConv2d } from './lanes.ts';
import { narrowConv2d } from './narrow.ts';
import { matrixConv2d, tiledConv2d } from './tiled.ts';
import { winogradConv2d } from './winograd.ts';
import { winogradTiledConv2d } from './winograd-tiled.ts';

export const conv2dKernel = defineKernel({
  name: 'conv2d',
  computes: 'y = f(x ∗ weight + bias)',
  bindings: { x: 'read', weight: 'read', bias: 'read', y: 'write' },
  params: convParams,
  cost: convCost,
  tunable: true,
  variants: [
    {
      name: 'naive',
      adds: 'one element per invocation',
      passes: (p) => [
        {
          source: wgsl(import.meta.url, 'conv2d-naive.wgsl'),
          constants: { ACTIVATION: p.activation },
          params: packed(p),
          workgroups: workgroupsFor(p.batch * p.oh * p.ow * p.cout, 64),
        },
      ],
    },
    depthwiseConv2d,
    depthwiseStripsConv2d,
    laneConv2d,
    narrowConv2d,
    blocksConv2d,
    winogradConv2d,
    ...tiledConv2d,
    directConv2d,
    winogradTiledConv2d,
    matrixConv2d,
  ],
});
