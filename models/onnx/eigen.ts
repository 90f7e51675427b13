/**
 * A spectral function of a batch of symmetric matrices in standard ONNX operators, which have no eigendecomposition:
 * cyclic Jacobi in round-robin order as the body of a Loop. Each round rotates d/2 disjoint pairs at once; a fixed
 * permutation brings the next pairs together. Afterwards one Newton-Schulz step restores orthogonality and Rayleigh
 * quotients give the eigenvalues, so that 32-bit rounding of the rotations does not add up.
 */
import { GraphBuilder } from './graph.ts';

/** Sweeps of d − 1 rounds; 6 to 9 reach 32-bit accuracy for sizes up to 128, whatever the spectrum. */
const sweeps = 9;

/** Which slot moves to each slot for the next round; slots 2i and 2i + 1 are a pair, all pairs meet in d − 1 rounds. */
function nextRound(d: number): number[] {
  const slotOf = (place: number): number => (place < d / 2 ? 2 * place : 2 * (d - 1 - place) + 1);
  const from: number[] = [];
  for (let place = 0; place < d; place++) {
    from[slotOf(place)] = slotOf(place === 0 ? 0 : place === 1 ? d - 1 : place - 1);
  }
  return from;
}

/** [x0, x1] of a pair to [x0 − s(x1 + τx0), x1 + s(x0 − τx1)] along axis 1 of x [batch, d, columns]; τ = s/(1+c). */
function rotateRows(g: GraphBuilder, x: string, d: number, columns: number, s: string, tau: string): string {
  const [p = '', q = ''] = g.nodes('Split', [g.reshape(x, [0, d / 2, 2, columns])], 2, { axis: 2 });
  const newP = g.sub(p, g.mul(s, g.add(q, g.mul(tau, p))));
  const newQ = g.add(q, g.mul(s, g.sub(p, g.mul(tau, q))));
  return g.reshape(g.node('Concat', [newP, newQ], { axis: 2 }), [0, d, columns]);
}

/** One round as the Loop's body: state [batch, d, 2d] is the matrix beside the transposed eigenvectors. */
function roundBody(name: string, d: number): Uint8Array {
  const g = new GraphBuilder(name);
  g.input(`${name}/number`, 'int64', []);
  const condition = g.input(`${name}/condition`, 'bool', []);
  const state = g.input(`${name}/state`, 'float', ['batch', d, 2 * d]);
  const flat = g.reshape(state, [0, 2 * d * d]);
  const entry = (row: number, column: number): string => {
    const index = Array.from({ length: d / 2 }, (_, i) => (2 * i + row) * 2 * d + 2 * i + column);
    return g.node('Gather', [flat, g.integers(index)], { axis: 1 });
  };
  // t = tan of the smaller angle that zeroes the off-diagonal entry; 0 where it is already 0
  const twiceOff = g.mul(entry(0, 1), g.floats([2]));
  const gap = g.sub(entry(1, 1), entry(0, 0));
  const length = g.node('Sqrt', [g.add(g.mul(gap, gap), g.mul(twiceOff, twiceOff))]);
  const sign = g.node('Where', [g.node('GreaterOrEqual', [gap, g.floats([0])]), g.floats([1]), g.floats([-1])]);
  const t = g.div(g.mul(sign, twiceOff), g.add(g.add(g.node('Abs', [gap]), length), g.floats([1e-30])));
  const c = g.node('Reciprocal', [g.node('Sqrt', [g.add(g.mul(t, t), g.floats([1]))])]);
  const s = g.mul(t, c);
  const tau = g.div(s, g.add(c, g.floats([1])));
  const [s4 = '', tau4 = ''] = [s, tau].map((angle) => g.reshape(angle, [0, d / 2, 1, 1]));
  const rows = rotateRows(g, state, d, 2 * d, s4, tau4);
  const [half = '', vectors = ''] = g.nodes('Split', [rows], 2, { axis: 2 });
  const matrix = rotateRows(g, g.transpose(half, [0, 2, 1]), d, d, s4, tau4);
  const order = g.integers(nextRound(d));
  const columns = g.node('Gather', [matrix, order], { axis: 2 });
  const next = g.node('Gather', [g.node('Concat', [columns, vectors], { axis: 2 }), order], { axis: 1 });
  g.output(`${name}/conditionOut`, condition, 'bool', []);
  g.output(`${name}/stateOut`, next, 'float', ['batch', d, 2 * d]);
  return g.build();
}

/** `f(A)` for A [batch, d, d]; `f` turns the name of the eigenvalues [batch, d, 1] into the name of their images. */
export function spectralFunction(
  g: GraphBuilder,
  name: string,
  a: string,
  d: number,
  f: (values: string) => string,
): string {
  if (d === 1) return f(a);
  const even = d + (d % 2);
  // An odd size gets one more row, whose eigenvalue 1 touches nothing else.
  const corner = new Float32Array(even * even);
  corner[even * even - 1] = 1;
  const matrix =
    even === d ? a : g.add(g.node('Pad', [a, g.integers([0, 0, 0, 0, 1, 1])]), g.floats(corner, [even, even]));
  const identity = Float32Array.from({ length: even * even }, (_, i) => (i % (even + 1) === 0 ? 1 : 0));
  const start = g.add(g.mul(matrix, g.floats([0])), g.floats(identity, [even, even]));
  const state = g.node(
    'Loop',
    [g.integers([sweeps * (even - 1)], []), '', g.node('Concat', [matrix, start], { axis: 2 })],
    { body: { graph: roundBody(`${name}/round`, even) } },
  );
  const [, rotated = ''] = g.nodes('Split', [state], 2, { axis: 2 });
  const gram = g.matmul(rotated, g.transpose(rotated, [0, 2, 1]));
  const u = g.sub(g.mul(rotated, g.floats([1.5])), g.mul(g.matmul(gram, rotated), g.floats([0.5])));
  const values = g.node('ReduceSum', [g.mul(g.matmul(u, matrix), u), g.integers([2])], { keepdims: 1 });
  const result = g.matmul(g.transpose(u, [0, 2, 1]), g.mul(f(values), u));
  if (even === d) return result;
  return g.node('Slice', [result, g.integers([0, 0]), g.integers([d, d]), g.integers([1, 2])]);
}
