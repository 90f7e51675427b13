import { type DeviceTraits, type Pass, type Variant, workgroupsFor } from '../kernel.ts';

/** How a pass whose text includes elements.wgsl goes over so many elements. */
export interface Coverage {
  readonly constants: { readonly LANES: number };
  readonly params: { readonly walk: number };
  readonly workgroups: Pass['workgroups'];
}
export type Cover = (elements: number) => Coverage;

const coverage = (elements: number, lanes: number, walk: number): Coverage => ({
  constants: { LANES: lanes },
  params: { walk },
  workgroups: workgroupsFor(elements, lanes * walk),
});

/** One element per invocation: what GPUs want. */
export const oneEach: Cover = (elements) => coverage(elements, 64, 1);

const LANES = 8;
const LONGEST = 64;
/** Enough for the cores of a CPU to end together. */
const WORKGROUPS = 64;

/**
 * A subgroup of 8 walks over up to 64 × 8 neighbours. A workgroup costs llvmpipe 82 ns, each further subgroup 20, and
 * neighbours are in the cache already: a + b of 4M numbers 5.5 → 1.9 ms (9 → 27 GB/s).
 */
export const inWalks: Cover = (elements) =>
  coverage(elements, LANES, Math.max(1, Math.min(LONGEST, Math.ceil(elements / LANES / WORKGROUPS))));

/** What suits the device, for passes that are part of something larger. */
export const coverFor = ({ family }: Pick<DeviceTraits, 'family'>): Cover => (family === 'lanes' ? inWalks : oneEach);

export const covered = (
  { constants, params, ...pass }: Omit<Pass, 'workgroups'>,
  { constants: more, params: walk, workgroups }: Coverage,
): Pass => ({ ...pass, constants: { ...constants, ...more }, params: { ...params, ...walk }, workgroups });

/** The rungs of a kernel in vec4 whose text includes elements.wgsl. */
export const vec4Rungs = <P extends string>(
  pass: (p: Readonly<Record<P, number>>) => Omit<Pass, 'workgroups'>,
  elements: (p: Readonly<Record<P, number>>) => number,
  more: Pick<Variant<P>, 'supports'> & { readonly adds?: string } = {},
): readonly Variant<P>[] => {
  const { adds = 'one vec4 per invocation', ...where } = more;
  const rung = (cover: Cover) => (p: Readonly<Record<P, number>>) => [covered(pass(p), cover(elements(p)))];
  return [
    { name: 'vec4', adds, ...where, passes: rung(oneEach) },
    {
      name: 'walks',
      adds: 'a CPU subgroup walks over many neighbours: fewer workgroups, whole cache lines (lavapipe: 2.7 times as fast)',
      ...where,
      suits: (_p, { family }) => family === 'lanes',
      passes: rung(inWalks),
    },
  ];
};

/** `size` numbers in vec4; the tail lies in the buffers' padding. */
export const bySize = ({ size }: { readonly size: number }): number => Math.ceil(size / 4);
