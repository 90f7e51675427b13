import { hasLanes } from '../common/lanes.ts';
import { activationPass, isSlopeOnly } from '../elementwise/activation.ts';
import { generated, type Pass, type Variant } from '../kernel.ts';
import { formOf } from './padding.ts';
import { outerText, tallText, WIDE_ROWS, type Width, wideText } from './thin-texts.ts';

/** The small side: its sums, or its operand, should fit registers, spilled or not. */
const MOST = 16;

type Params = Readonly<Record<string, number>>;

interface Plan {
  readonly kind: 'tall' | 'outer' | 'wide';
  readonly few: number;
  readonly width: Width;
}

const widthOf = (line: number): Width => (line % 4 === 0 ? 4 : 1);

/** Which side is the small one: with the left operand transposed m or n, else n or k. */
function planOf({ m, n, k, transposeLeft }: Params): Plan {
  if (transposeLeft) return { kind: 'outer', few: Math.min(m, n), width: widthOf(Math.max(m, n)) };
  return k <= n ? { kind: 'wide', few: k, width: widthOf(n) } : { kind: 'tall', few: n, width: widthOf(k) };
}

/** Of tall products: equal work for two cores, and each load of the right operand used for as many rows as registers allow. */
function bestRows({ m, n }: Params): number {
  const equal = [32, 16].find((rows) => {
    const workgroups = Math.ceil(m / rows);
    return rows * n <= 384 && (workgroups >= 8 || workgroups % 2 === 0);
  });
  return equal ?? 8;
}

export const thinMatmul: Variant = {
  name: 'thin',
  adds: `m, n or k of at most ${MOST} (a classifier's last layer) in registers, nothing padded: 64 × 10, 1568 deep, in 1 pass, 0.13 ms instead of 3, 0.28`,
  family: 'lanes',
  supports: (p, traits) =>
    hasLanes(traits) &&
    p.batch === 1 &&
    !(p.transposeLeft && p.transposeRight) &&
    planOf(p).few <= MOST &&
    Math.max(p.m, p.n) <= 8 * 65_535,
  // Sixteen fill half a tile of `lanes`, without padding: as fast, or not quite.
  suits: (p) => planOf(p).few < MOST && p.m * p.n * p.k >= 4096,
  tiles: (p) => {
    if (planOf(p).kind !== 'tall') return [{}];
    const best = bestRows(p);
    return [best, ...[8, 16, 32].filter((rows) => rows !== best)].map((rows) => ({ rows }));
  },
  passes: (p, tile, traits) => {
    const slopeOnly = isSlopeOnly(p.activation);
    const product = { ...productOf(p, Number(tile.rows)), params: { slope: slopeOnly ? p.slope : 1 } };
    return slopeOnly ? [product] : [product, activationPass(p.activation, p.m * p.n, traits)];
  },
};

function productOf(p: Params, rows: number): Pass {
  const { kind, few, width } = planOf(p);
  const form = formOf(p);
  const source = (of: string, text: () => string) =>
    generated(import.meta.url, `matmul/thin-${kind}-${of}-${few}-${width}`, text);
  const perWorkgroup = 8 * width;
  switch (kind) {
    case 'tall':
      return {
        source: source(`${form}-${rows}`, () => tallText(few, width, form, rows)),
        workgroups: [Math.ceil(p.m / rows)],
      };
    case 'outer': {
      const side = p.n <= p.m ? 'right' : 'left';
      return {
        source: source(side, () => outerText(few, width, side)),
        workgroups: [Math.ceil(Math.max(p.m, p.n) / perWorkgroup)],
      };
    }
    case 'wide':
      return {
        source: source(form, () => wideText(few, width, form)),
        workgroups: [Math.ceil(p.n / perWorkgroup), Math.ceil(p.m / WIDE_ROWS)],
      };
  }
}
