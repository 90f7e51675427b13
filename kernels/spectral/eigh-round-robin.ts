import { type DeviceTraits, foldWorkgroups, type Variant, wgsl } from '../kernel.ts';

/** One pipeline serves 16 sizes. */
const capacityOf = (n: number): number => Math.ceil(n / 16) * 16;

/**
 * Invocations of a workgroup. There is one matrix to a multiprocessor where a batch is as large as a GPU: columns of more
 * than 64 rows want more invocations to wait for memory together.
 */
const sizeOf = (n: number, { maxInvocations }: DeviceTraits): number =>
  capacityOf(n) > 64 && maxInvocations >= 512 ? 512 : 256;

/** Odd in units of 8: teams of 8 that read neighbouring columns meet other memory banks. */
const strideOf = (n: number): number => capacityOf(n) + 8;

/** Invocations a pair: as many as the workgroup has for its n / 2 pairs, at most 32. */
const teamOf = (n: number, size: number): number => {
  let team = 1;
  while (team < 32 && team * capacityOf(n) <= size) team *= 2;
  return team;
};

/** Beside the columns: sums of all invocations, an inverse length per column, a flag. */
const fits = (n: number, traits: DeviceTraits): boolean =>
  4 * capacityOf(n) * (strideOf(n) + 1) + 16 * sizeOf(n, traits) + 16 <= traits.maxWorkgroupStorage;

export const roundRobinVariant: Variant<'batch' | 'n'> = {
  name: 'round-robin',
  adds: 'a workgroup per matrix; all columns meet in disjoint pairs, round after round',
  supports: ({ n }, traits) => n <= 512 && traits.maxInvocations >= 256,
  scratch: ({ batch, n }) => ({ high: 4 * batch * n * strideOf(n), low: 4 * batch * n * strideOf(n) }),
  passes: ({ batch, n }, _tile, traits) => {
    const shared = fits(n, traits);
    const size = sizeOf(n, traits);
    return [
      {
        source: wgsl(import.meta.url, 'eigh-round-robin.wgsl'),
        constants: {
          CAPACITY: capacityOf(n),
          SHARED: shared,
          STRIDE: strideOf(n),
          TILE: shared ? capacityOf(n) * strideOf(n) : 1,
          SIZE: size,
          TEAM: teamOf(n, size),
        },
        params: { zero: 0 },
        workgroups: foldWorkgroups(batch),
      },
    ];
  },
};
