import { ceil4, repitch } from '../common/repitch.ts';
import type { DeviceTraits, Pass } from '../kernel.ts';

/** nn: left [m, k], right [k, n]; nt: right [n, k]; tn: left [k, m]. */
export type Form = 'nn' | 'nt' | 'tn';

type Params = Readonly<Record<string, number>>;

export const formOf = (p: Params): Form => (p.transposeLeft ? 'tn' : p.transposeRight ? 'nt' : 'nn');

interface Sizes {
  readonly rows: number;
  readonly columns: number;
  readonly toRows: number;
  readonly toColumns: number;
}

const isPadded = (s: Sizes): boolean => s.rows !== s.toRows || s.columns !== s.toColumns;

/** Matrices that an operand really has: a shared one counts once. */
export const matrices = (p: Params, side: 'left' | 'right'): number =>
  1 + (p.batch / p.inner - 1) * p[`${side}Outer`] + (p.inner - 1) * p[`${side}Inner`];

function sizesOf(p: Params): { left: Sizes; right: Sizes; out: Sizes } {
  const form = formOf(p);
  const [k, m, n] = [ceil4(p.k), ceil4(p.m), ceil4(p.n)];
  return {
    left:
      form === 'tn'
        ? { rows: p.k, columns: p.m, toRows: k, toColumns: m }
        : { rows: p.m, columns: p.k, toRows: p.m, toColumns: k },
    right:
      form === 'nt'
        ? { rows: p.n, columns: p.k, toRows: p.n, toColumns: k }
        : { rows: p.k, columns: p.n, toRows: k, toColumns: n },
    out: { rows: p.batch * p.m, columns: n, toRows: p.batch * p.m, toColumns: p.n },
  };
}

/** Scratch for operands whose rows are not whole vec4; none where they are. */
export function paddingScratch(p: Params): Record<string, number> {
  const { left, right, out } = sizesOf(p);
  const bytes = (count: number, s: Sizes): number => 4 * count * s.toRows * s.toColumns;
  return {
    ...(isPadded(left) && { leftPadded: bytes(matrices(p, 'left'), left) }),
    ...(isPadded(right) && { rightPadded: bytes(matrices(p, 'right'), right) }),
    ...(isPadded(out) && { outPadded: 4 * out.rows * out.columns }),
  };
}

/** The passes that pad before a product and cut after it. */
export function paddingPasses(p: Params, traits: DeviceTraits): { before: Pass[]; after: Pass[] } {
  const { left, right, out } = sizesOf(p);
  const before: Pass[] = [];
  if (isPadded(left)) before.push(repitch('left', 'leftPadded', { matrices: matrices(p, 'left'), ...left }, traits));
  if (isPadded(right)) {
    before.push(repitch('right', 'rightPadded', { matrices: matrices(p, 'right'), ...right }, traits));
  }
  return { before, after: isPadded(out) ? [repitch('outPadded', 'out', { matrices: 1, ...out }, traits)] : [] };
}

/** The names, pitches and strides (in vec4) that hold between them. */
export function padded(p: Params): {
  bind: { left: string; right: string; out: string };
  params: Record<string, number>;
} {
  const { left, right, out } = sizesOf(p);
  const size = (s: Sizes): number => (s.toRows * s.toColumns) / 4;
  return {
    bind: {
      left: isPadded(left) ? 'leftPadded' : 'left',
      right: isPadded(right) ? 'rightPadded' : 'right',
      out: isPadded(out) ? 'outPadded' : 'out',
    },
    params: {
      k: ceil4(p.k),
      leftPitch: left.toColumns / 4,
      rightPitch: right.toColumns / 4,
      outPitch: out.columns / 4,
      leftOuter: p.leftOuter * size(left),
      leftInner: p.leftInner * size(left),
      rightOuter: p.rightOuter * size(right),
      rightInner: p.rightInner * size(right),
    },
  };
}
