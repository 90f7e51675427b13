import { bySize, covered, coverFor } from '../common/elements.ts';
import { type DeviceTraits, type Pass, wgsl } from '../kernel.ts';

/** out[i] = Σ_s partials[s][i], s ascending; `size` is a multiple of 4. The last pass of whatever product was split. */
export const sumPartials = (parts: number, size: number, traits: DeviceTraits): Pass =>
  covered(
    { source: wgsl(import.meta.url, 'sum-partials.wgsl'), params: { parts, size } },
    coverFor(traits)(bySize({ size })),
  );

/** How a sum is split: each part so long, so many of them. */
export interface Parts {
  readonly part: number;
  readonly parts: number;
  /** Where one invocation would add too many, one after the other: how many are left after a first pass. Divides `parts`. */
  readonly between?: number;
}

/** Bytes of the buffers that the passes of `sumParts` and the split product itself go through. */
export const partBytes = ({ parts, between = 0 }: Parts, size: number): Record<string, number> => ({
  ...(parts > 1 && { partials: 4 * parts * size }),
  ...(between > 0 && { partialSums: 4 * between * size }),
});

/** Adds the parts up in `out`, in one pass or two, always in the same order. */
export function sumParts({ parts, between }: Parts, size: number, out: string, traits: DeviceTraits): Pass[] {
  if (parts === 1) return [];
  if (!between) return [{ ...sumPartials(parts, size, traits), bind: { out } }];
  return [
    { ...sumPartials(parts / between, between * size, traits), bind: { out: 'partialSums' } },
    { ...sumPartials(between, size, traits), bind: { partials: 'partialSums', out } },
  ];
}
