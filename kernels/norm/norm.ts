import { hasLanes, lanesAcross } from '../common/lanes.ts';
import { VEC4 } from '../common/value.ts';
import {
  type Constants,
  type DeviceTraits,
  defineKernel,
  foldWorkgroups,
  type Pass,
  type Variant,
  wgsl,
  workgroupsFor,
} from '../kernel.ts';
import { joinChunks } from '../reduce/reduce.ts';

/**
 * Batch and instance norm are one family: x is [groups, rows, channels] with one mean and variance per group and
 * channel. Batch norm over pictures has one group of N·H·W rows; instance norm has a group per picture.
 */
const view = { groups: 'u32', rows: 'u32', channels: 'u32' } as const;
export const flags = { weighted: 'u32', biased: 'u32', fixed: 'u32' } as const;

/** Bindings of what a norm is computed from. */
export const operands = { x: 'read', mean: 'read', rstd: 'read', weight: 'read', bias: 'read' } as const;

type View = Readonly<Record<keyof typeof view, number>>;

const source = (file: string) => wgsl(import.meta.url, file);
const elements = ({ groups, rows, channels }: View): number => groups * rows * channels;

/** Rows per chunk: by the shape alone, so that results do not depend on the device. */
const chunkOf = (rows: number): number => Math.max(16, Math.ceil(Math.sqrt(rows)));
const chunking = (rows: number) => ({ chunk: chunkOf(rows), chunks: Math.ceil(rows / chunkOf(rows)) });
const whole = (rows: number) => ({ chunk: rows, chunks: 1 });
type Chunking = ReturnType<typeof chunking>;

const vec4able = ({ channels }: { channels: number }): boolean => channels % 4 === 0;
const width = (tile: Constants): number => (tile === VEC4 ? 4 : 1);

const partialsBytes = ({ groups, channels }: View, { chunks }: Chunking) => ({
  partials: 8 * groups * chunks * channels,
});

/** Chunks of at least 16 rows, as many as fill a large GPU's 131,072 invocations. */
const manyChunks = ({ groups, rows, channels }: View): Chunking => {
  const wanted = Math.ceil((131_072 * 4) / (groups * channels));
  const chunk = Math.max(16, Math.ceil(rows / wanted));
  return { chunk, chunks: Math.ceil(rows / chunk) };
};

/** Rungs of every two-step kernel here: whole columns, chunks of rows, chunks by vec4, and for GPUs joined by trees. */
export const rungs = <P extends string>(
  passes: (
    params: Readonly<Record<P | keyof View, number>>,
    chunks: Chunking,
    tile: Constants,
    tree: boolean,
  ) => readonly Pass[],
) => [
  {
    name: 'naive',
    adds: 'one channel of one group per invocation',
    scratch: (p: Readonly<Record<P | keyof View, number>>) => partialsBytes(p, whole(p.rows)),
    passes: (p: Readonly<Record<P | keyof View, number>>) => passes(p, whole(p.rows), {}, false),
  },
  {
    name: 'chunks',
    adds: 'chunks of about √rows, joined in a fixed order: parallel, and less rounding',
    scratch: (p: Readonly<Record<P | keyof View, number>>) => partialsBytes(p, chunking(p.rows)),
    passes: (p: Readonly<Record<P | keyof View, number>>) => passes(p, chunking(p.rows), {}, false),
  },
  {
    name: 'chunks-vec4',
    adds: 'four channels per invocation (lavapipe: a vec4 load costs 2.4 scalar ones)',
    supports: (p: Readonly<Record<P | keyof View, number>>) => vec4able(p),
    scratch: (p: Readonly<Record<P | keyof View, number>>) => partialsBytes(p, chunking(p.rows)),
    passes: (p: Readonly<Record<P | keyof View, number>>) => passes(p, chunking(p.rows), VEC4, false),
  },
  {
    name: 'chunks-tree',
    adds: 'GPUs: chunks enough to fill the device, joined by trees in workgroup memory',
    supports: (p: Readonly<Record<P | keyof View, number>>) => vec4able(p),
    suits: (_p: Readonly<Record<P | keyof View, number>>, { family }: DeviceTraits) => family === 'tiled',
    scratch: (p: Readonly<Record<P | keyof View, number>>) => partialsBytes(p, manyChunks(p)),
    passes: (p: Readonly<Record<P | keyof View, number>>) => passes(p, manyChunks(p), VEC4, true),
  },
];

/**
 * One pass saves the second dispatch and walks down whole cache lines: statistics of 256 × 64 106 → 80 µs, 20,000 × 128 720 → 570,
 * 80,000 × 96 3450 → 1540, gradient sums 5470 → 3010. No longer than what walks of 256 rows are joined for one after the other
 * without rounding errors that pile up. A workgroup costs 0.3 µs, which many groups of few rows do not earn (512 groups of
 * 16 × 16: 490 → 560 µs; of 256 rows they do).
 */
const suitsLanes = ({ groups, rows }: View): boolean => rows <= 524_288 && (groups <= 32 || rows >= 256);

const columnGroupsOf = (p: View) => {
  const tile = vec4able(p) ? VEC4 : {};
  const columns = p.channels / width(tile);
  const across = lanesAcross(columns);
  return { tile, across, columnGroups: Math.ceil(columns / across) };
};

const lanePass = (file: string, constants: Constants, p: View): Pass => {
  const { tile, across, columnGroups } = columnGroupsOf(p);
  return {
    source: source(file),
    constants: { ...constants, ...tile, ACROSS: across },
    params: { columnGroups, chunk: Math.ceil((p.rows * across) / 8) },
    workgroups: foldWorkgroups(p.groups * columnGroups),
  };
};

/** Of what `rungs` gives, one more: columns in the lanes of a CPU subgroup, in one pass. */
const laneRung = <P extends string>(
  file: string,
  constants: (p: Readonly<Record<P | keyof View, number>>) => Constants,
) => ({
  name: 'lanes',
  adds: 'a column per 8 lanes of a CPU subgroup, joined by shuffles in one pass: no dispatch for a handful of partial sums',
  supports: (_p: Readonly<Record<P | keyof View, number>>, traits: DeviceTraits) => hasLanes(traits),
  suits: (p: Readonly<Record<P | keyof View, number>>) => suitsLanes(p),
  passes: (p: Readonly<Record<P | keyof View, number>>): readonly Pass[] => [lanePass(file, constants(p), p)],
});

/** Trees where there are chunks enough for one. */
const combineStatistics = (p: View, chunks: Chunking, tree: boolean): Pass =>
  tree && chunks.chunks > 64
    ? {
        source: source('combine-statistics-tree.wgsl'),
        params: { ...chunks, channels: p.channels / 4 },
        workgroups: foldWorkgroups((p.groups * p.channels) / 4),
      }
    : {
        source: source('combine-statistics.wgsl'),
        params: chunks,
        workgroups: workgroupsFor(p.groups * p.channels, 64),
      };

export const normStatisticsKernel = defineKernel({
  name: 'normStatistics',
  computes: 'mean, variance and 1 / sqrt(variance + eps) over the rows of x, per group and channel',
  bindings: { x: 'read', mean: 'write', variance: 'write', rstd: 'write' },
  params: { ...view, eps: 'f32' },
  cost: (p) => ({ flops: 5 * elements(p), bytes: 4 * elements(p) }),
  variants: [
    ...rungs<'eps'>((p, chunks, tile, tree) => [
      {
        source: source('statistics.wgsl'),
        constants: tile,
        params: chunks,
        workgroups: workgroupsFor((p.groups * chunks.chunks * p.channels) / width(tile), 64),
      },
      combineStatistics(p, chunks, tree),
    ]),
    laneRung<'eps'>('statistics-lanes.wgsl', () => ({})),
  ],
});

export const runningStatisticsKernel = defineKernel({
  name: 'runningStatistics',
  computes: 'running += momentum · (batch − running), mean and unbiased variance',
  bindings: { mean: 'read', variance: 'read', runningMean: 'update', runningVar: 'update' },
  params: { channels: 'u32', momentum: 'f32', unbias: 'f32' },
  cost: ({ channels }) => ({ flops: 7 * channels, bytes: 24 * channels }),
  variants: [
    {
      name: 'naive',
      adds: 'one channel per invocation',
      passes: ({ channels }) => [{ source: source('running.wgsl'), workgroups: workgroupsFor(channels, 64) }],
    },
  ],
});

export const affine = (p: Readonly<Record<keyof typeof flags, number>>): Constants => ({
  WEIGHT: p.weighted === 1,
  BIAS: p.biased === 1,
  FIXED: p.fixed === 1,
});

/** One Value per invocation, scalar or vec4; then several rows of one. */
const pointwiseRungs = <P extends string>(
  file: string,
  constants: (p: Readonly<Record<P | keyof View, number>>) => Constants,
) => {
  const pass = (p: Readonly<Record<P | keyof View, number>>, chunk: number, tile: Constants): readonly Pass[] => {
    const chunks = Math.ceil(p.rows / chunk);
    return [
      {
        source: source(file),
        constants: { ...constants(p), ...tile },
        params: { chunk, chunks },
        workgroups: workgroupsFor((p.groups * chunks * p.channels) / width(tile), 64),
      },
    ];
  };
  return [
    {
      name: 'naive',
      adds: 'one element per invocation',
      passes: (p: Readonly<Record<P | keyof View, number>>) => pass(p, 1, {}),
    },
    {
      name: 'vec4',
      adds: 'one vec4 per invocation',
      supports: (p: Readonly<Record<P | keyof View, number>>) => vec4able(p),
      passes: (p: Readonly<Record<P | keyof View, number>>) => pass(p, 1, VEC4),
    },
    {
      name: 'rows',
      adds: 'one vec4 in several rows: mean, rstd, weight and bias are loaded once for all (lavapipe: 3–5 times as fast)',
      supports: (p: Readonly<Record<P | keyof View, number>>) => vec4able(p),
      passes: (p: Readonly<Record<P | keyof View, number>>, _tile: Constants, { family }: DeviceTraits) =>
        pass(p, family === 'lanes' ? 16 : 4, VEC4),
    },
  ];
};

export const normApplyKernel = defineKernel({
  name: 'normApply',
  computes: 'y = f((x − mean) · rstd · weight + bias) + residual',
  bindings: { ...operands, residual: 'read', y: 'write' },
  params: { ...view, ...flags, added: 'u32', eps: 'f32', slope: 'f32' },
  inPlace: { y: ['x', 'residual'] },
  cost: (p) => ({ flops: 6 * elements(p), bytes: 4 * elements(p) * (2 + p.added) }),
  variants: pointwiseRungs(
    'apply.wgsl',
    (p: Readonly<Record<keyof typeof flags | 'added' | 'eps' | 'slope', number>>) => ({
      ...affine(p),
      RESIDUAL: p.added === 1,
    }),
  ),
});

/** Joins the chunks' partial sums, [2][groups][chunks][channels] to [2][groups][channels]. */
export const combineSums = (p: View, chunks: Chunking, tile: Constants, tree: boolean): Pass =>
  tree
    ? joinChunks({ outer: 2 * p.groups, length: chunks.chunks, inner: p.channels }, 1, 0, {
        x: 'partials',
        y: 'partials',
        out: 'sums',
      })
    : {
        source: source('combine-sums.wgsl'),
        constants: tile,
        params: chunks,
        workgroups: workgroupsFor((2 * p.groups * p.channels) / width(tile), 64),
      };

export const normGradientSumsKernel = defineKernel({
  name: 'normGradientSums',
  computes: 'S₁ = Σ g and S₂ = Σ g · x̂ over the rows, g = gradient · f′',
  bindings: { ...operands, gradient: 'read', sums: 'write' },
  params: { ...view, ...flags, eps: 'f32', slope: 'f32' },
  cost: (p) => ({ flops: 8 * elements(p), bytes: 8 * elements(p) }),
  variants: [
    ...rungs<keyof typeof flags | 'eps' | 'slope'>((p, chunks, tile, tree) => [
      {
        source: source('gradient-sums.wgsl'),
        constants: { ...affine(p), ...tile },
        params: chunks,
        workgroups: workgroupsFor((p.groups * chunks.chunks * p.channels) / width(tile), 64),
      },
      combineSums(p, chunks, tile, tree),
    ]),
    laneRung<keyof typeof flags | 'eps' | 'slope'>('gradient-sums-lanes.wgsl', affine),
  ],
});

export const normGradientKernel = defineKernel({
  name: 'normGradient',
  computes: 'dx = weight · rstd · (g − S₁/rows − x̂ · S₂/rows); with fixed statistics weight · rstd · g',
  bindings: { ...operands, gradient: 'read', sums: 'read', dx: 'write' },
  params: { ...view, ...flags, eps: 'f32', slope: 'f32' },
  inPlace: { dx: ['x', 'gradient'] },
  cost: (p) => ({ flops: 12 * elements(p), bytes: 12 * elements(p) }),
  variants: pointwiseRungs('gradient.wgsl', (p: Readonly<Record<keyof typeof flags | 'eps' | 'slope', number>>) =>
    affine(p),
  ),
});

/** Bytes of x up to which a norm is one pass: what is larger, a program may make once more from its statistics, to save memory. */
const WHOLE_BYTES = 2 ** 20;

/** The columns of a workgroup stay in the cache from the statistics to what is made of them; both cores have some. */
const suitsWhole = (p: View): boolean =>
  suitsLanes(p) && 4 * elements(p) < WHOLE_BYTES && p.groups * columnGroupsOf(p).columnGroups >= 2;

/** What two kernels do, after each other (naive), or as one pass in the lanes of a CPU subgroup. */
const wholeRungs = <P extends string>(
  file: string,
  constants: (p: Readonly<Record<P | keyof View, number>>) => Constants,
  first: Variant<P | keyof View>,
  second: Variant<P | keyof View>,
): readonly Variant<P | keyof View>[] => [
  {
    name: 'naive',
    adds: 'the two, one after the other',
    ...(first.scratch && { scratch: first.scratch }),
    passes: (p, tile, traits) => [...first.passes(p, tile, traits), ...second.passes(p, tile, traits)],
  },
  {
    name: 'lanes',
    adds: 'both by the workgroup that has a column in its lanes: one dispatch less (CycleGAN’s 112 small ones: 21.8 → 12.8 ms)',
    supports: (_p, traits) => hasLanes(traits),
    suits: suitsWhole,
    passes: (p) => [lanePass(file, constants(p), p)],
  },
];

export const normKernel = defineKernel({
  name: 'norm',
  computes:
    'mean, variance and 1 / sqrt(variance + eps) over the rows of x, and y = f((x − mean) · rstd · weight + bias) + residual',
  bindings: {
    ...{ x: 'read', mean: 'write', variance: 'write', rstd: 'write', weight: 'read', bias: 'read' },
    ...{ residual: 'read', y: 'write' },
  },
  params: { ...view, ...flags, added: 'u32', eps: 'f32', slope: 'f32' },
  inPlace: { y: ['x', 'residual'] },
  cost: (p) => ({ flops: 11 * elements(p), bytes: 4 * elements(p) * (2 + p.added) }),
  variants: wholeRungs<keyof typeof flags | 'added' | 'eps' | 'slope'>(
    'whole.wgsl',
    (p) => ({ WEIGHT: p.weighted === 1, BIAS: p.biased === 1, RESIDUAL: p.added === 1 }),
    normStatisticsKernel.variants[0],
    normApplyKernel.variants[0],
  ),
});

export const normBackwardKernel = defineKernel({
  name: 'normBackward',
  computes: 'S₁ and S₂ as normGradientSums, dx as normGradient, of statistics that depend on x',
  bindings: { ...operands, gradient: 'read', sums: 'write', dx: 'write' },
  params: { ...view, ...flags, eps: 'f32', slope: 'f32' },
  inPlace: { dx: ['x', 'gradient'] },
  cost: (p) => ({ flops: 20 * elements(p), bytes: 12 * elements(p) }),
  variants: wholeRungs<keyof typeof flags | 'eps' | 'slope'>(
    'whole-gradient.wgsl',
    affine,
    normGradientSumsKernel.variants[0],
    normGradientKernel.variants[0],
  ),
});

export const normVectorGradientsKernel = defineKernel({
  name: 'normVectorGradients',
  computes: 'dβ = Σ S₁, dγ = Σ S₂ over the groups',
  bindings: { sums: 'read', dBias: 'write', dWeight: 'write' },
  params: { groups: 'u32', channels: 'u32' },
  cost: ({ groups, channels }) => ({ flops: 2 * groups * channels, bytes: 8 * groups * channels }),
  variants: [
    {
      name: 'naive',
      adds: 'one channel per invocation',
      passes: ({ channels }) => [{ source: source('vector-gradients.wgsl'), workgroups: workgroupsFor(channels, 64) }],
    },
  ],
});
