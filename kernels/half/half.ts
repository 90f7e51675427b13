/**
 * Products whose operands are rounded to halves (binary16, 11 bits) while sums stay f32: what 'medium' of
 * setFloat32MatmulPrecision allows. Each operand is first scaled by a power of two that brings its largest finite value to
 * 2¹⁴ … 2¹⁵, and the result scaled back: nothing overflows, and values down to 2⁻²⁹ of the largest keep all 11 bits.
 */
import { type Pass, wgsl } from '../kernel.ts';

/** Invocations of the first pass read at least this many numbers each. */
const PER_INVOCATION = 64;
const MOST_PARTIALS = 256;

const partialsOf = (count: number): number =>
  Math.max(1, Math.min(MOST_PARTIALS, Math.ceil(count / (64 * PER_INVOCATION))));

/** An operand as the call binds it: its name there, and how many numbers it holds. */
export interface Operand {
  readonly name: string;
  readonly count: number;
}

/**
 * Products below which a GPU's rungs keep to f32: finding the scales is three more dispatches. A reckoning, not a measurement;
 * the tuner measures.
 */
export const HALF_PRODUCTS = 2 ** 26;

/** Scratch of `scalePasses`. */
export const scaleScratch = (left: Operand, right: Operand): Record<string, number> => ({
  partial: 4 * (partialsOf(left.count) + partialsOf(right.count)),
  scales: 16,
});

/** Fills the scratch buffer `scales` (half-scales.wgsl) from the two operands. */
export function scalePasses(left: Operand, right: Operand): Pass[] {
  const leftPartials = partialsOf(left.count);
  const rightPartials = partialsOf(right.count);
  const range = ({ name, count }: Operand, firstPartial: number, partials: number): Pass => ({
    source: wgsl(import.meta.url, 'half-range.wgsl'),
    bind: { x: name },
    params: { count, firstPartial },
    workgroups: [partials],
  });
  return [
    range(left, 0, leftPartials),
    range(right, leftPartials, rightPartials),
    {
      source: wgsl(import.meta.url, 'half-scales.wgsl'),
      params: { leftPartials, rightPartials },
      workgroups: [1],
    },
  ];
}
