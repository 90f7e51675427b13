import { covered, coverFor, oneEach } from '../common/elements.ts';
import { VEC4 } from '../common/value.ts';
import { type Constants, defineKernel, type Pass, wgsl } from '../kernel.ts';

const stridedParams = {
  size: 'u32',
  d1: 'u32',
  d2: 'u32',
  d3: 'u32',
  xOffset: 'u32',
  x0: 'u32',
  x1: 'u32',
  x2: 'u32',
  x3: 'u32',
  outOffset: 'u32',
  o0: 'u32',
  o1: 'u32',
  o2: 'u32',
  o3: 'u32',
} as const;
type Strided = Readonly<Record<keyof typeof stridedParams, number>>;

const copyPass = (p: Strided, width: number, constants: Constants, cover = oneEach): Pass => {
  const scaled = Object.fromEntries(
    (['d3', 'xOffset', 'x0', 'x1', 'x2', 'outOffset', 'o0', 'o1', 'o2'] as const).map((k) => [k, p[k] / width]),
  );
  const values = p.size / width;
  const pass = { source: wgsl(import.meta.url, 'strided-copy.wgsl'), constants, params: { values, ...scaled } };
  return covered(pass, cover(values));
};

interface Digit {
  readonly d: number;
  readonly x: number;
  readonly o: number;
}

/** The digits by their part: `a` is x's run, `b` out's, the others stand around them. */
type Turned = Readonly<Record<'a' | 'b' | 'outer' | 'inner', Digit>>;

/** Undefined where x has no run beside out's. */
function turned(p: Strided): Turned | undefined {
  const digits: Digit[] = [
    { d: p.size / (p.d1 * p.d2 * p.d3), x: p.x0, o: p.o0 },
    { d: p.d1, x: p.x1, o: p.o1 },
    { d: p.d2, x: p.x2, o: p.o2 },
  ];
  const b = { d: p.d3, x: p.x3, o: p.o3 };
  const a = digits.find(({ d, x }) => x === 1 && d > 1);
  if (!a || b.o !== 1) return undefined;
  const [outer, inner] = digits.filter((digit) => digit !== a);
  return { a, b, outer, inner };
}

/** Where blocks of 4 × 4 are whole and stand at vec4: rows by rows, everything else in steps of four. */
function blocksFit(p: Strided): boolean {
  const parts = turned(p);
  if (!parts) return false;
  const { a, b, outer, inner } = parts;
  const steps = [p.xOffset, p.outOffset, a.d, b.d, b.x, a.o];
  const around = [outer, inner].filter(({ d }) => d > 1).flatMap(({ x, o }) => [x, o]);
  return [...steps, ...around].every((n) => n % 4 === 0) && outer.d * inner.d <= 65_535;
}

function transposedPass(p: Strided): Pass {
  const { a, b, outer, inner } = turned(p) as Turned;
  // A digit that stays 0 may have any stride.
  const step = ({ d }: Digit, stride: number): number => (d > 1 ? stride / 4 : 0);
  return {
    source: wgsl(import.meta.url, 'transposed-copy.wgsl'),
    params: {
      ...{ blocksA: a.d / 4, blocksB: b.d / 4, inner: inner.d },
      ...{ xOffset: p.xOffset / 4, xB: b.x / 4, xOuter: step(outer, outer.x), xInner: step(inner, inner.x) },
      ...{ outOffset: p.outOffset / 4, outA: a.o / 4, outOuter: step(outer, outer.o), outInner: step(inner, inner.o) },
    },
    workgroups: [Math.ceil(b.d / 32), Math.ceil(a.d / 32), outer.d * inner.d],
  };
}

/** `out` counts as wholly written: an op whose copies leave gaps fills them before. */
export const stridedCopyKernel = defineKernel({
  name: 'stridedCopy',
  computes: 'out[outOffset + Σ i·o] = x[xOffset + Σ i·x]',
  bindings: { x: 'read', out: 'write' },
  params: stridedParams,
  cost: ({ size }) => ({ flops: 0, bytes: 8 * size }),
  variants: [
    { name: 'naive', adds: 'one element per invocation', passes: (p) => [copyPass(p, 1, { Value: 'u32' })] },
    {
      name: 'vec4',
      adds: 'runs of four neighbours as one vec4',
      supports: (p) =>
        p.x3 === 1 &&
        p.o3 === 1 &&
        [p.d3, p.xOffset, p.x0, p.x1, p.x2, p.outOffset, p.o0, p.o1, p.o2].every((v) => v % 4 === 0),
      passes: (p, _tile, traits) => [copyPass(p, 4, { ...VEC4, Value: 'vec4u' }, coverFor(traits))],
    },
    {
      name: 'transposed',
      adds: 'where neighbours in one array are rows of the other: blocks of 4 × 4 in vec4, turned in registers',
      supports: blocksFit,
      passes: (p) => [transposedPass(p)],
    },
  ],
});
