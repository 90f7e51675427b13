import { hasLanes } from '../common/lanes.ts';
import { VEC4 } from '../common/value.ts';
import { type Constants, defineKernel, foldWorkgroups, type Pass, wgsl, workgroupsFor } from '../kernel.ts';
import { laneWalk, suitsLanes } from './reduce-lanes.ts';

export const REDUCE_OPS = ['sum', 'max', 'min'] as const;
export type ReduceName = (typeof REDUCE_OPS)[number];
/** What is reduced: x, x·y, |x − y|, (x − y)². */
export const REDUCE_MAPS = ['x', 'product', 'absoluteDifference', 'squaredDifference'] as const;
export type ReduceMap = (typeof REDUCE_MAPS)[number];

interface View {
  readonly outer: number;
  readonly length: number;
  readonly inner: number;
}

const source = wgsl(import.meta.url, 'reduce.wgsl');

/** One walk over [outer, length, inner] (in Values) that leaves [outer, chunks, inner]. */
function walk(view: View, chunks: number, scale: number, constants: Constants, bind: Record<string, string>): Pass {
  const columns = view.outer * chunks * view.inner;
  return {
    source,
    constants,
    bind,
    params: { ...view, columns, chunks, chunkLength: Math.ceil(view.length / chunks), scale },
    workgroups: workgroupsFor(columns, 64),
  };
}

/** Chunks of about √length, as many as there are second steps, but none so long that its rounding errors pile up. */
const chunksOf = (length: number): number => {
  const chunkLength = Math.min(Math.ceil(Math.sqrt(length)), 256);
  return Math.ceil(length / chunkLength);
};

/** More chunks than this are joined in two walks: one of 11,586, those of 2^25 ones, was 1.7e-4 off, and takes long. */
const LONGEST = 1024;

/** Over the chunks in `partial`, in one walk or two. */
function joinWalks(view: View, scale: number, op: number): Pass[] {
  if (view.length <= LONGEST) return [walk(view, 1, scale, { OP: op }, { x: 'partial' })];
  const chunks = chunksOf(view.length);
  return [
    walk(view, chunks, 1, { OP: op }, { x: 'partial', out: 'joined' }),
    walk({ ...view, length: chunks }, 1, scale, { OP: op }, { x: 'joined' }),
  ];
}

const joinedScratch = ({ outer, length, inner }: View): Record<string, number> =>
  length <= LONGEST ? {} : { joined: 4 * outer * chunksOf(length) * inner };

/** [outer, length, 1] is [outer, length / 4, 4] for the first of two walks. */
const viewed = ({ outer, length, inner }: View): View =>
  inner === 1 ? { outer, length: length / 4, inner: 1 } : { outer, length, inner: inner / 4 };

/** The first walk on vec4, and what is left of it. */
function split({ outer, length, inner }: View) {
  const view = viewed({ outer, length, inner });
  const chunks = chunksOf(view.length);
  return { view, chunks, rest: inner === 1 ? { outer, length: 4 * chunks, inner } : { outer, length: chunks, inner } };
}

/** Invocations that keep a large GPU busy. */
const BUSY = 131_072;

/** One workgroup per chunk of a column, or of four beside each other, of [outer, length, inner]; leaves [outer, chunks, inner]. */
export function treeWalk(
  { outer, length, inner }: View,
  chunks: number,
  scale: number,
  constants: Constants,
  bind: Record<string, string>,
): Pass {
  const four = inner % 4 === 0;
  const view = { outer, length, inner: four ? inner / 4 : inner };
  const columns = outer * chunks * view.inner;
  return {
    source: wgsl(import.meta.url, 'reduce-tree.wgsl'),
    constants: { ...constants, ...(four && VEC4) },
    bind,
    params: { ...view, columns, chunks, chunkLength: Math.ceil(length / chunks), scale },
    workgroups: foldWorkgroups(columns),
  };
}

/**
 * What is left of a first walk for GPUs, joined: by trees, or where columns are many and chunks few by one invocation for a
 * column, since most of a workgroup would have nothing to add.
 */
export function joinChunks(view: View, scale: number, op: number, bind: Record<string, string>): Pass {
  const { outer, length, inner } = view;
  if (length > 64 || outer * inner < 1024) return treeWalk(view, 1, scale, { OP: op }, bind);
  return inner % 4 === 0
    ? walk({ ...view, inner: inner / 4 }, 1, scale, { OP: op, ...VEC4 }, bind)
    : walk(view, 1, scale, { OP: op }, bind);
}

/** Chunks of the first walk for GPUs: rows in pieces for whole workgroups, columns as few as keep the GPU busy. */
function treeChunks({ outer, length, inner }: View): number {
  if (inner === 1) return Math.ceil(length / 16_384);
  const columns = outer * (inner % 4 === 0 ? inner / 4 : inner);
  const wanted = Math.min(Math.ceil(BUSY / columns), Math.ceil(length / 16));
  return Math.ceil(length / Math.ceil(length / wanted));
}

export const reduceKernel = defineKernel({
  name: 'reduce',
  computes: 'out[o, i] = scale · ⊕ over l of map(x[o, l, i], y[o, l, i])',
  bindings: { x: 'read', y: 'read', out: 'write' },
  params: { op: 'u32', map: 'u32', outer: 'u32', length: 'u32', inner: 'u32', scale: 'f32' },
  cost: ({ map, outer, length, inner }) => ({
    flops: outer * length * inner,
    bytes: 4 * outer * inner * (length * (map === 0 ? 1 : 2) + 1),
  }),
  variants: [
    {
      name: 'naive',
      adds: 'one output per invocation',
      passes: ({ op, map, outer, length, inner, scale }) => [
        walk({ outer, length, inner }, 1, scale, { OP: op, MAP: map }, {}),
      ],
    },
    {
      name: 'columns',
      adds: 'four neighbouring columns per invocation',
      supports: ({ inner }) => inner % 4 === 0,
      passes: ({ op, map, outer, length, inner, scale }) => [
        walk({ outer, length, inner: inner / 4 }, 1, scale, { OP: op, MAP: map, ...VEC4 }, {}),
      ],
    },
    {
      name: 'split',
      adds: 'long columns in √length chunks, then over the chunks: more invocations, smaller rounding errors',
      supports: ({ length }) => length > 64,
      scratch: ({ outer, length, inner }) => {
        const chunks = chunksOf(length);
        return { partial: 4 * outer * chunks * inner, ...joinedScratch({ outer, length: chunks, inner }) };
      },
      passes: ({ op, map, outer, length, inner, scale }) => {
        const chunks = chunksOf(length);
        return [
          walk({ outer, length, inner }, chunks, 1, { OP: op, MAP: map }, { out: 'partial' }),
          ...joinWalks({ outer, length: chunks, inner }, scale, op),
        ];
      },
    },
    {
      name: 'split-vec4',
      adds: 'the first walk on vec4, along the columns or, for rows, along the length',
      supports: ({ outer, length, inner }) =>
        (inner % 4 === 0 && (length > 512 || (length > 64 && outer * inner < 16_384))) ||
        (inner === 1 && length % 4 === 0 && length > 256),
      scratch: ({ outer, length, inner }) => {
        const { chunks, rest } = split({ outer, length, inner });
        return { partial: 4 * outer * chunks * (inner === 1 ? 4 : inner), ...joinedScratch(rest) };
      },
      passes: ({ op, map, outer, length, inner, scale }) => {
        const { view, chunks, rest } = split({ outer, length, inner });
        return [
          walk(view, chunks, 1, { OP: op, MAP: map, ...VEC4 }, { out: 'partial' }),
          ...joinWalks(rest, scale, op),
        ];
      },
    },
    {
      name: 'lanes',
      adds: 'a column per 8 lanes of a CPU subgroup, joined by shuffles in one pass: no dispatch for a handful of partial sums',
      supports: (_params, traits) => hasLanes(traits),
      suits: ({ outer, length, inner }) => suitsLanes({ outer, length, inner }),
      passes: ({ op, map, outer, length, inner, scale }) => [
        laneWalk({ outer, length, inner }, scale, { OP: op, MAP: map }),
      ],
    },
    {
      name: 'tree',
      adds: 'GPUs: enough chunks to fill the device, rows and many chunks joined by trees in workgroup memory',
      supports: ({ length }) => length > 64,
      suits: (_params, { family }) => family === 'tiled',
      scratch: (p) => ({ partial: 4 * p.outer * treeChunks(p) * p.inner }),
      passes: ({ op, map, outer, length, inner, scale }) => {
        const view = { outer, length, inner };
        const chunks = treeChunks(view);
        const all = { OP: op, MAP: map };
        const one = chunks === 1;
        const bind: Record<string, string> = one ? {} : { out: 'partial' };
        const rest = joinChunks({ outer, length: chunks, inner }, scale, op, { x: 'partial' });
        const first =
          inner === 1
            ? treeWalk(view, chunks, one ? scale : 1, all, bind)
            : inner % 4 === 0
              ? walk({ ...view, inner: inner / 4 }, chunks, one ? scale : 1, { ...all, ...VEC4 }, bind)
              : walk(view, chunks, one ? scale : 1, all, bind);
        return one ? [first] : [first, rest];
      },
    },
  ],
});

export const expandKernel = defineKernel({
  name: 'expand',
  computes: 'out[o, l, i] = scale · x[o, i]',
  bindings: { x: 'read', out: 'write' },
  params: { outer: 'u32', length: 'u32', inner: 'u32', scale: 'f32' },
  cost: ({ outer, length, inner }) => ({ flops: outer * length * inner, bytes: 4 * outer * (length + 1) * inner }),
  variants: [
    {
      name: 'naive',
      adds: 'one element per invocation',
      passes: ({ outer, length, inner }) => [expansion(outer, length, inner, 1, {})],
    },
    {
      name: 'columns',
      adds: 'one vec4 of columns per invocation, loaded once for several steps along the length',
      supports: ({ inner }) => inner % 4 === 0,
      passes: ({ outer, length, inner }) => [expansion(outer, length, inner / 4, 16, { ...VEC4, Source: 'vec4f' })],
    },
    {
      name: 'rows',
      adds: 'one vec4 along a row of equal values per invocation',
      supports: ({ length, inner }) => inner === 1 && length % 4 === 0,
      passes: ({ outer, length }) => [expansion(outer, length / 4, 1, 1, VEC4)],
    },
  ],
});

function expansion(outer: number, length: number, inner: number, chunkLength: number, constants: Constants): Pass {
  const chunks = Math.ceil(length / chunkLength);
  const columns = outer * chunks * inner;
  return {
    source: wgsl(import.meta.url, 'expand.wgsl'),
    constants,
    params: { columns, length, inner, chunks, chunkLength },
    workgroups: workgroupsFor(columns, 64),
  };
}
