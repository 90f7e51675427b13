import { covered, oneEach, vec4Rungs } from '../common/elements.ts';
import { VEC4 } from '../common/value.ts';
import {
  type Constants,
  type DeviceTraits,
  defineKernel,
  type Pass,
  type Variant,
  wgsl,
  workgroupsFor,
} from '../kernel.ts';
import { inputs, outputs, poolSizes, tilesFor } from './geometry.ts';

const params = {
  ...poolSizes,
  strideHeight: 'u32',
  strideWidth: 'u32',
  padHeight: 'u32',
  padWidth: 'u32',
} as const;
type P = keyof typeof params;
type Numbers = Readonly<Record<P, number>>;

const constantsOf = (p: Numbers): Constants => ({
  KH: p.kernelHeight,
  KW: p.kernelWidth,
  SH: p.strideHeight,
  SW: p.strideWidth,
  PH: p.padHeight,
  PW: p.padWidth,
});

const inValues = (p: Numbers, width: number) => ({
  inputs: inputs(p) / width,
  outputs: outputs(p) / width,
  channels: p.channels / width,
});

/** Rungs over the `side` that a kernel writes; `perInvocation` elements of it on the scalar rung. */
const ladder = (
  text: { readonly naive: string; readonly vec4: string },
  side: (p: Numbers) => number,
  more: (p: Numbers) => Constants = () => ({}),
  perInvocation = 1,
): readonly Variant<P>[] => {
  const pass = (file: string, p: Numbers, width: number): Omit<Pass, 'workgroups'> => ({
    source: wgsl(import.meta.url, file),
    constants: { ...constantsOf(p), ...more(p), ...(width === 4 ? VEC4 : {}) },
    params: inValues(p, width),
  });
  return [
    {
      name: 'naive',
      adds: 'one element at a time',
      passes: (p) => [covered(pass(text.naive, p, 1), oneEach(side(p) / perInvocation))],
    },
    ...vec4Rungs<P>(
      (p) => pass(text.vec4, p, 4),
      (p) => side(p) / 4,
      { adds: 'four channels per invocation', supports: ({ channels }) => channels % 4 === 0 },
    ),
  ];
};

const area = (p: Numbers) => p.kernelHeight * p.kernelWidth;

/** Windows neither overlap nor leave gaps; channels come by fours. */
const tiled = (p: Numbers): boolean =>
  p.channels % 4 === 0 &&
  p.strideHeight === p.kernelHeight &&
  p.strideWidth === p.kernelWidth &&
  p.padHeight === 0 &&
  p.padWidth === 0;

/** `across` windows in each of `lines` lines, several to an invocation. */
const tilePass = (
  p: Numbers,
  { family }: DeviceTraits,
  file: string,
  lines: number,
  across: number,
  more: Constants = {},
): Pass => {
  const { chunk, LANES } = tilesFor[family];
  const rows = p.batch * lines;
  const chunks = Math.ceil(across / chunk);
  return {
    source: wgsl(import.meta.url, file),
    constants: { KH: p.kernelHeight, KW: p.kernelWidth, ...more, LANES },
    params: { ...inValues(p, 4), rows, chunk, chunks },
    workgroups: workgroupsFor((rows * chunks * p.channels) / 4, LANES),
  };
};

/** Of the activation, which the other kernels do not have. */
const slopeOf = (p: Numbers): Constants => ({ SLOPE: (p as Numbers & { slope: number }).slope });

export const maxPoolKernel = defineKernel<'x' | 'out' | 'taps', P | 'slope'>({
  name: 'maxPool',
  computes:
    'out = f(max over the window), f with a slope below zero; taps = where in it, a byte each, 255 where f is a ReLU and 0',
  bindings: { x: 'read', out: 'write', taps: 'write' },
  params: { ...params, slope: 'f32' },
  cost: (p) => ({ flops: outputs(p) * area(p), bytes: 4 * inputs(p) + 5 * outputs(p) }),
  variants: [
    ...ladder({ naive: 'max-pool.wgsl', vec4: 'max-pool-vec4.wgsl' }, outputs, slopeOf, 4),
    {
      name: 'tiles',
      adds: 'windows side by side per invocation, whose place is found once',
      // With `ceilMode` the last window may be cut off.
      supports: (p) => tiled(p) && p.outHeight * p.kernelHeight <= p.height && p.outWidth * p.kernelWidth <= p.width,
      suits: (_p, { family }) => family === 'lanes',
      passes: (p, _tile, traits) => [
        tilePass(p, traits, 'max-pool-tiles.wgsl', p.outHeight, p.outWidth, { ...slopeOf(p), ...VEC4 }),
      ],
    },
  ],
});

export const maxPoolBackwardKernel = defineKernel<'gradient' | 'taps' | 'result' | 'out', P | 'slope'>({
  name: 'maxPoolBackward',
  computes:
    "out = Σ gradient · f′ of the windows whose maximum is here; f′ from the pooling's result, not bound without f and with a ReLU, whose f′ is in the taps",
  bindings: { gradient: 'read', taps: 'read', result: 'read', out: 'write' },
  params: { ...params, slope: 'f32' },
  cost: (p) => ({ flops: outputs(p) * area(p), bytes: 4 * inputs(p) + 5 * outputs(p) }),
  variants: [
    ...ladder({ naive: 'max-pool-backward.wgsl', vec4: 'max-pool-backward-vec4.wgsl' }, inputs, slopeOf),
    {
      name: 'tiles',
      adds: 'windows side by side per invocation, their gradient read once (lavapipe: 4.5 times as fast)',
      supports: tiled,
      passes: (p, _tile, traits) => [
        tilePass(
          p,
          traits,
          'max-pool-backward-tiles.wgsl',
          Math.ceil(p.height / p.kernelHeight),
          Math.ceil(p.width / p.kernelWidth),
          slopeOf(p),
        ),
      ],
    },
  ],
});

const both = (file: string) => ({ naive: file, vec4: file });

/** `adaptive`: windows from the sizes alone. */
const average = (adaptive: boolean) => ({
  forward: defineKernel({
    name: adaptive ? 'adaptiveAvgPool' : 'avgPool',
    computes: 'out = mean over the window',
    bindings: { x: 'read', out: 'write' },
    params,
    cost: (p) => ({ flops: inputs(p), bytes: 4 * (inputs(p) + outputs(p)) }),
    variants: ladder(both('average-pool.wgsl'), outputs, () => ({ ADAPTIVE: adaptive })),
  }),
  backward: defineKernel({
    name: adaptive ? 'adaptiveAvgPoolBackward' : 'avgPoolBackward',
    computes: 'out = Σ gradient / window size over the windows that cover it',
    bindings: { gradient: 'read', out: 'write' },
    params,
    cost: (p) => ({ flops: inputs(p), bytes: 4 * (inputs(p) + outputs(p)) }),
    variants: ladder(both('average-pool-backward.wgsl'), inputs, () => ({ ADAPTIVE: adaptive })),
  }),
});

export const avgPoolKernels = average(false);
export const adaptiveAvgPoolKernels = average(true);
