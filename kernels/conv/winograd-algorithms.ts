/**
 * Winograd's minimal filtering F(m × m, 3 × 3) (Lavin & Gray 2016, arXiv 1509.09308): Y = Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A for m × m
 * outputs from n × n inputs, n = m + 2: n² products in place of 9 m². It is bilinear in g and d, so its adjoints give the
 * gradients by the same matrices: for the filter, Gᵀ[(Bᵀ d B) ⊙ (A ∂Y Aᵀ)]G.
 */
interface Algorithm {
  /** Bᵀ, n × n. */
  readonly input: Matrix;
  /** Aᵀ, m × n. */
  readonly output: Matrix;
  /** G, n × 3. */
  readonly filter: Matrix;
}

export type Matrix = readonly (readonly number[])[];

/** m: outputs per side of a tile. */
export const TILE_SIDES = [2, 4, 5, 6, 7] as const;
export type TileSide = (typeof TILE_SIDES)[number];

const bothSigns = (...points: number[]): number[] => [0, ...points.flatMap((p) => [p, -p])];

/**
 * Where the polynomials are evaluated: n points, or one less and infinity. They decide the rounding error: these have the
 * least for outputs and filter gradients together, by search among fractions (F(4) at the usual 0, ±1, ±2 errs nearly
 * four times as much; F(7) at its best points with infinity a half more).
 */
const points: Readonly<Record<TileSide, readonly number[]>> = {
  2: bothSigns(1),
  4: bothSigns(2 / 3, 3 / 2),
  5: bothSigns(3 / 5, 7 / 6, 3),
  6: bothSigns(1 / 2, 1, 2),
  7: bothSigns(1 / 2, 9 / 10, 7 / 5, 4),
};

/** Coefficients of Π (x − root), lowest first. */
function monic(roots: readonly number[]): number[] {
  let p = [1];
  for (const root of roots) p = range(p.length + 1).map((i) => (p[i - 1] ?? 0) - root * (p[i] ?? 0));
  return p;
}

/**
 * Toom and Cook's construction: a product of polynomials from its values at the points; that at infinity is its leading
 * coefficient.
 */
function toomCook(m: TileSide): Algorithm {
  const at = points[m];
  const infinity = at.length < m + 2;
  const powers = (p: number, count: number): number[] => range(count).map((i) => p ** i);
  const leading = (count: number): number[] => range(count).map((i) => (i === count - 1 ? 1 : 0));
  const others = at.map((p) => at.filter((q) => q !== p));
  return {
    input: infinity ? [...others.map((roots) => [...monic(roots), 0]), monic(at)] : others.map(monic),
    output: transpose([...at.map((p) => powers(p, m)), ...(infinity ? [leading(m)] : [])]),
    filter: [
      ...at.map((p, j) => {
        const scale = others[j].reduce((product, q) => product * (p - q), 1);
        return powers(p, 3).map((c) => c / scale);
      }),
      ...(infinity ? [leading(3)] : []),
    ],
  };
}

export const transpose = (a: Matrix): Matrix => a[0].map((_, k) => a.map((row) => row[k]));
export const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
export const lines = (n: number, text: (i: number) => string): string => range(n).map(text).join('\n');
const number = (value: number): string => (Number.isInteger(value) ? `${value}.0` : `${value}`);

export const algorithms: Readonly<Record<TileSide, Algorithm>> = {
  2: toomCook(2),
  4: toomCook(4),
  5: toomCook(5),
  6: toomCook(6),
  7: toomCook(7),
};

/** Σ row[k] · name_k, zeros left out. */
export const combination = (row: readonly number[], name: string): string =>
  row.flatMap((c, k) => (c === 0 ? [] : c === 1 ? `${name}${k}` : `${number(c)} * ${name}${k}`)).join(' + ');

/** values[index], by comparisons: an indexed array would live in memory. */
export const pick = (values: readonly number[], index: string): string =>
  values.reduce((text, v, k) => (v === 0 ? text : `select(${text}, ${number(v)}, ${index} == ${k}u)`), '0.0');
