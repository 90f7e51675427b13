import { isSlopeOnly } from '../elementwise/activation.ts';
import { defineKernel, type Variant, wgsl, workgroupsFor } from '../kernel.ts';
import { blocksConv2dMaxPool } from './blocks.ts';
import { pooledSize } from './gather.ts';
import { type ConvGeometry, type ConvParam, convCost, convParams, packed } from './geometry.ts';
import { laneConv2dMaxPool } from './lanes.ts';

type Params = ConvGeometry;

const outputs = (p: Params): number => {
  const { h, w } = pooledSize(p);
  return p.batch * h * w * p.cout;
};

const naive: Variant<ConvParam> = {
  name: 'naive',
  adds: 'four elements per invocation, one after the other',
  supports: (p) => isSlopeOnly(p.activation),
  passes: (p) => [
    {
      source: wgsl(import.meta.url, 'conv2d-max-pool-naive.wgsl'),
      constants: { ACTIVATION: p.activation },
      params: packed(p),
      workgroups: workgroupsFor(outputs(p), 4 * 64),
    },
  ],
};

export const conv2dMaxPoolKernel = defineKernel({
  name: 'conv2dMaxPool',
  computes:
    'out = f(max over 2 × 2 of (x ∗ weight + bias)), windows side by side; taps = where in it, a byte each, 255 where f is a ReLU and 0',
  bindings: { x: 'read', weight: 'read', bias: 'read', out: 'write', taps: 'write' },
  params: convParams,
  cost: (p) => {
    const { flops, bytes } = convCost(p);
    return { flops, bytes: bytes - 4 * p.batch * p.oh * p.ow * p.cout + 5 * outputs(p) };
  },
  variants: [naive, laneConv2dMaxPool, blocksConv2dMaxPool],
});
