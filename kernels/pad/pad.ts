import { VEC4 } from '../common/value.ts';
import { defineKernel, foldWorkgroups, type Pass, type Variant, wgsl } from '../kernel.ts';

const params = {
  batch: 'u32',
  h: 'u32',
  w: 'u32',
  channels: 'u32',
  oh: 'u32',
  ow: 'u32',
  top: 'u32',
  left: 'u32',
  reflect: 'u32',
} as const;
type Name = keyof typeof params;
type Params = Readonly<Record<Name, number>>;

/** Enough for the cores of a CPU to end together. */
const WORKGROUPS = 32;

/** Scalar and vec4 rungs, by lines: `of` says how many of so many elements. */
const rungs = (file: string, of: (p: Params) => { lines: number; elements: number }): readonly Variant<Name>[] => {
  const passes = (p: Params, width: 1 | 4, most: number): readonly Pass[] => {
    const { lines, elements } = of(p);
    const across = Math.ceil(elements / width / 64);
    const chunk = Math.max(1, Math.min(most, Math.floor((lines * across) / WORKGROUPS)));
    const [down, deep] = foldWorkgroups(Math.ceil(lines / chunk));
    return [
      {
        source: wgsl(import.meta.url, file),
        constants: { REFLECT: p.reflect === 1, ...(width === 4 && VEC4) },
        params: { chunk },
        workgroups: [across, down, deep],
      },
    ];
  };
  const byFours = ({ channels }: Params): boolean => channels % 4 === 0;
  return [
    { name: 'naive', adds: 'one element per invocation', passes: (p) => passes(p, 1, 1) },
    { name: 'vec4', adds: 'four channels per invocation', supports: byFours, passes: (p) => passes(p, 4, 1) },
    {
      name: 'lines',
      adds: 'the same in several lines: what stands for its column is worked out once for all',
      suits: (_p, { family }) => family === 'lanes',
      passes: (p) => passes(p, byFours(p) ? 4 : 1, 16),
    },
  ];
};

const cost = ({ batch, channels, h, w, oh, ow }: Params) => ({
  flops: 0,
  bytes: 4 * batch * channels * (h * w + oh * ow),
});

export const padKernel = defineKernel({
  name: 'pad2d',
  computes: 'y = x inside a frame of reflected pixels or zeros',
  bindings: { x: 'read', y: 'write' },
  params,
  cost,
  variants: rungs('pad.wgsl', ({ batch, oh, ow, channels }) => ({ lines: batch * oh, elements: ow * channels })),
});

export const padGradientKernel = defineKernel({
  name: 'pad2dGradient',
  computes: 'dx = Σ dy over the positions that show each pixel',
  bindings: { gradient: 'read', dx: 'write' },
  params,
  cost,
  variants: rungs('pad-gradient.wgsl', ({ batch, h, w, channels }) => ({ lines: batch * h, elements: w * channels })),
});
