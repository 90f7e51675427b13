/**
 * Batch norm, activation and max pooling as one kernel each way: the norm's output, four times the size of what is pooled,
 * is never in memory, and neither is its gradient. Windows neither overlap nor leave gaps.
 */
import { VEC4 } from '../common/value.ts';
import { type Constants, defineKernel, type Pass, type Variant, wgsl, workgroupsFor } from '../kernel.ts';
import { inputs, outputs, poolSizes, type Tiles, tilesFor } from '../pool/geometry.ts';
import { affine, combineSums, flags, operands, rungs } from './norm.ts';

const params = { ...poolSizes, ...flags, eps: 'f32', slope: 'f32' } as const;
type P = keyof typeof params;
type Numbers = Readonly<Record<P, number>>;

const constantsOf = (p: Numbers): Constants => ({
  KH: p.kernelHeight,
  KW: p.kernelWidth,
  ...affine(p),
});

const widthOf = (tile: Constants): number => (tile === VEC4 ? 4 : 1);

/** Sizes as every text here takes them; channels in Values. */
const sizes = (p: Numbers, tile: Constants) => ({
  channels: p.channels / widthOf(tile),
  positions: p.batch * p.height * p.width,
});

/** Rungs that walk along lines of windows: one each, then several side by side, four channels at a time. */
const walking = (
  file: string,
  windows: (p: Numbers) => { readonly lines: number; readonly across: number },
): Variant<P>[] => {
  const pass = (p: Numbers, { chunk, LANES }: Tiles, tile: Constants): readonly Pass[] => {
    const { lines, across } = windows(p);
    const { channels, positions } = sizes(p, tile);
    const [rows, chunks] = [p.batch * lines, Math.ceil(across / chunk)];
    return [
      {
        source: wgsl(import.meta.url, file),
        constants: { ...constantsOf(p), ...tile, LANES },
        params: { channels, positions, rows, chunk, chunks },
        workgroups: workgroupsFor(rows * chunks * channels, LANES),
      },
    ];
  };
  return [
    {
      name: 'naive',
      adds: 'one channel of one window per invocation',
      passes: (p) => pass(p, { chunk: 1, LANES: 64 }, {}),
    },
    {
      name: 'tiles',
      adds: 'four channels of several windows side by side: what belongs to the channel is loaded once for all',
      supports: ({ channels }) => channels % 4 === 0,
      passes: (p, _tile, { family }) => pass(p, tilesFor[family], VEC4),
    },
  ];
};

export const normMaxPoolKernel = defineKernel({
  name: 'normMaxPool',
  computes: 'out = max over the window of f((x − mean) · rstd · weight + bias)',
  bindings: { ...operands, out: 'write' },
  params,
  cost: (p) => ({ flops: 7 * inputs(p), bytes: 4 * (inputs(p) + outputs(p)) }),
  variants: walking('pooled-apply.wgsl', (p) => ({ lines: p.outHeight, across: p.outWidth })),
});

export const normMaxPoolGradientSumsKernel = defineKernel({
  name: 'normMaxPoolGradientSums',
  computes: 'S₁ = Σ g and S₂ = Σ g · x̂ over the windows, g = gradient · f′ at the largest',
  bindings: { ...operands, gradient: 'read', sums: 'write' },
  /** `groups` is 1 and `rows` the number of windows: the chunks are those of the plain norm's sums. */
  params: { ...params, groups: 'u32', rows: 'u32' },
  cost: (p) => ({ flops: 8 * inputs(p), bytes: 4 * (inputs(p) + outputs(p)) }),
  variants: rungs<P>((p, chunks, tile, tree) => [
    {
      source: wgsl(import.meta.url, 'pooled-gradient-sums.wgsl'),
      constants: { ...constantsOf(p), ...tile },
      params: { ...sizes(p, tile), ...chunks },
      workgroups: workgroupsFor((chunks.chunks * p.channels) / widthOf(tile), 64),
    },
    combineSums(p, chunks, tile, tree),
  ]),
});

export const normMaxPoolGradientKernel = defineKernel({
  name: 'normMaxPoolGradient',
  computes: 'dx = weight · rstd · (g − S₁/positions − x̂ · S₂/positions); with fixed statistics weight · rstd · g',
  bindings: { ...operands, gradient: 'read', sums: 'read', dx: 'write' },
  params,
  inPlace: { dx: ['x'] },
  cost: (p) => ({ flops: 14 * inputs(p), bytes: 4 * (2 * inputs(p) + outputs(p)) }),
  variants: walking('pooled-gradient.wgsl', (p) => ({
    lines: Math.ceil(p.height / p.kernelHeight),
    across: Math.ceil(p.width / p.kernelWidth),
  })),
});
