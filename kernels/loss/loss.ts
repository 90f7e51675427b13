import { covered, oneEach, vec4Rungs } from '../common/elements.ts';
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

const file = (name: string) => wgsl(import.meta.url, name);

/** Rungs with a workgroup per row: shorter rows leave it idle, and CPUs have enough to do with a row per invocation. */
const forTeams = (length: number, { family }: DeviceTraits): boolean => family === 'tiled' && length >= 128;

const ROW_RUNGS = {
  naive: 'one row per invocation',
  vec4: 'one row per invocation, four elements at a time',
  team: 'one row per workgroup, for GPUs',
};

/** The rungs of a kernel over rows: the first two by one text, teams by another; `after` what follows in all of them. */
function rowRungs<P extends string>(
  texts: { readonly rows: string; readonly team: string },
  sizes: (p: Readonly<Record<P, number>>) => { readonly rows: number; readonly length: number },
  constants: (p: Readonly<Record<P, number>>) => Constants,
  more: Pick<Variant<P>, 'scratch'> & { readonly after?: (p: Readonly<Record<P, number>>) => Pass } = {},
): Variant<P>[] {
  const { scratch, after } = more;
  return Object.entries(ROW_RUNGS).map(([name, adds]): Variant<P> => {
    const [isVec4, isTeam] = [name === 'vec4', name === 'team'];
    return {
      name,
      adds,
      ...(isVec4 && { supports: (p) => sizes(p).length % 4 === 0 }),
      ...(isTeam && { family: 'tiled', suits: (p, traits) => forTeams(sizes(p).length, traits) }),
      ...(scratch && { scratch }),
      passes: (p) => [
        {
          source: file(isTeam ? texts.team : texts.rows),
          constants: { ...constants(p), ...(isVec4 && VEC4) },
          workgroups: isTeam ? foldWorkgroups(sizes(p).rows) : workgroupsFor(sizes(p).rows, 64),
        },
        ...(after ? [after(p)] : []),
      ],
    };
  });
}

const rowParams = { rows: 'u32', length: 'u32', logarithm: 'u32' } as const;
type RowParam = keyof typeof rowParams;

const softmaxRungs = (rows: string, team: string): Variant<RowParam>[] =>
  rowRungs(
    { rows, team },
    (p) => p,
    ({ logarithm }) => ({ LOGARITHM: logarithm === 1 }),
  );

export const softmaxKernel = defineKernel({
  name: 'softmax',
  computes: 'out = e^x / Σ e^x, or its logarithm, per row',
  bindings: { x: 'read', out: 'write' },
  params: rowParams,
  cost: ({ rows, length }) => ({ flops: 3 * rows * length, bytes: 8 * rows * length }),
  variants: softmaxRungs('softmax.wgsl', 'softmax-team.wgsl'),
});

export const softmaxBackwardKernel = defineKernel({
  name: 'softmaxBackward',
  computes: 'out = y · (g − Σ g y), or g − e^y · Σ g',
  bindings: { gradient: 'read', y: 'read', out: 'write' },
  params: rowParams,
  cost: ({ rows, length }) => ({ flops: 4 * rows * length, bytes: 12 * rows * length }),
  variants: softmaxRungs('softmax-backward.wgsl', 'softmax-backward-team.wgsl'),
});

const entropyParams = { rows: 'u32', classes: 'u32', ignored: 'u32', soft: 'u32', mean: 'u32' } as const;

export const crossEntropyKernel = defineKernel({
  name: 'crossEntropy',
  computes: 'out = Σ or mean over rows of −Σ t log softmax(logits)',
  bindings: { logits: 'read', labels: 'read', targets: 'read', logSum: 'write', scale: 'write', out: 'write' },
  params: entropyParams,
  cost: ({ rows, classes }) => ({ flops: 3 * rows * classes, bytes: 4 * rows * classes }),
  // One workgroup joins the rows.
  variants: rowRungs<keyof typeof entropyParams>(
    { rows: 'cross-entropy-rows.wgsl', team: 'cross-entropy-rows-team.wgsl' },
    ({ rows, classes }) => ({ rows, length: classes }),
    ({ soft }) => ({ SOFT: soft === 1 }),
    {
      scratch: ({ rows }) => ({ losses: 4 * rows, weights: 4 * rows }),
      after: ({ mean }) => ({
        source: file('cross-entropy-total.wgsl'),
        constants: { MEAN: mean === 1 },
        workgroups: [1],
      }),
    },
  ),
});

export const crossEntropyBackwardKernel = defineKernel({
  name: 'crossEntropyBackward',
  computes: 'out = gradient · scale · (softmax(logits) · Σ t − t)',
  bindings: {
    gradient: 'read',
    logits: 'read',
    labels: 'read',
    targets: 'read',
    logSum: 'read',
    scale: 'read',
    out: 'write',
  },
  params: { rows: 'u32', classes: 'u32', ignored: 'u32', soft: 'u32' },
  cost: ({ rows, classes }) => ({ flops: 3 * rows * classes, bytes: 8 * rows * classes }),
  variants: [
    {
      name: 'naive',
      adds: 'one element per invocation',
      passes: ({ rows, classes, soft }) => [
        covered(
          { source: file('cross-entropy-backward.wgsl'), constants: { SOFT: soft === 1 } },
          oneEach(rows * classes),
        ),
      ],
    },
    ...vec4Rungs<'rows' | 'classes' | 'ignored' | 'soft'>(
      ({ soft }) => ({
        source: file('cross-entropy-backward-vec4.wgsl'),
        constants: { SOFT: soft === 1, ...VEC4 },
      }),
      ({ rows, classes }) => (rows * classes) / 4,
      { adds: 'four elements of a row per invocation', supports: ({ classes }) => classes % 4 === 0 },
    ),
  ],
});
