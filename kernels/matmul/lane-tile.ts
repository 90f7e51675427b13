/**
 * The register tile of the `lanes` kernels, as text: one subgroup of 8 lanes computes `rows` × 32 elements, lane l holds
 * columns 4l … 4l + 3 in one vec4 accumulator per row. Operands are loaded once into lanes, and each row's factors reach
 * all lanes by a shuffle (0.5 ns against 7 for a load). Accumulators must be named variables: an indexed array would live
 * in memory. Four k per step, accumulators outermost: unrolling more leaves the instruction cache (34 against 66 GFLOP/s).
 */

/** Columns of a tile. */
export const LANE_COLUMNS = 32;

export const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** `text(i)` for i = 0 … n − 1, one per line. */
export const lines = (n: number, indent: string, text: (i: number) => string): string =>
  range(n)
    .map((i) => indent + text(i))
    .join('\n');

/**
 * c + Σ s[i] · b_i, the sum first: of four roundings at the accumulator's size one is left, which halves the error of a long
 * sum, for the same instructions. The order, and so the rounding, is the same in every kernel that uses it.
 */
export const laneMultiplyAdd = `
fn multiplyAdd(c: vec4f, s: vec4f, b0: vec4f, b1: vec4f, b2: vec4f, b3: vec4f) -> vec4f {
  return c + (s.x * b0 + s.y * b1 + s.z * b2 + s.w * b3);
}`;

/** What lane `l` holds, for all lanes. */
type FromLane = (value: string, l: number) => string;

/** Mostly two instructions, and yet the faster where loads fill the loop (weight gradient of 3 channels: 5.1 ms instead of 5.7). */
export const literalLane: FromLane = (value, l) => `subgroupBroadcast(${value}, ${l}u)`;

/**
 * From a lane whose number the compiler does not know: always one instruction, which is what the multiply-adds of a deep
 * loop wait for (Zen 5, Winograd's products: 14.0 ms instead of 15.4).
 */
const namedLane: FromLane = (value, l) => `subgroupShuffle(${value}, lane${l})`;

/** Never more than zero; `wid` is the workgroup's. */
const laneNumbers = `  let lane0 = wid.x >> 31u;
${lines(7, '  ', (i) => `let lane${i + 1} = lane0 + ${i + 1}u;`)}`;

/** They start from zero: from a loaded bias, the loop is compiled to code a fifth slower (41 ms against 34 at 1024³). */
export const laneAccumulators = (rows: number): string => `${laneNumbers}
${lines(rows, '  ', (i) => `var c${i} = vec4f(0.0);`)}`;

/** Left operand a_g: lane l holds row 8g + l, four k in the vec4. Right operand b_0 … b_3: one k each, 4 columns. */
export const laneStepByRow = (rows: number): string =>
  range(rows)
    .map((i) => `c${i} = multiplyAdd(c${i}, ${namedLane(`a${i >> 3}`, i & 7)}, b0, b1, b2, b3);`)
    .join('\n    ');

/**
 * Left operand a_0 … a_3: one k each, lane l holds rows 4l … 4l + 3; a_4 … a_7 hold the next 32 rows. Of 48 rows
 * m_0 and m_1 hold the last 16: lanes 0 to 3 for the first and third k, lanes 4 to 7 for the second and fourth.
 */
export const laneStepByDepth = (rows: number, fromLane = namedLane): string => {
  const whole = rows === 48 ? 32 : rows;
  const factor = (i: number, k: number): string =>
    i < whole
      ? fromLane(`a${(i >> 5) * 4 + k}[${i % 4}]`, (i >> 2) & 7)
      : fromLane(`m${k >> 1}[${i % 4}]`, ((i - whole) >> 2) + 4 * (k & 1));
  return byComponent(rows)
    .map((i) => {
      // Four scalars and no more at a time: with the four columns and the accumulator they just fit the registers.
      const factors = range(4).map((k) => factor(i, k));
      return `c${i} = multiplyAdd(c${i}, vec4f(${factors.join(', ')}), b0, b1, b2, b3);`;
    })
    .join('\n    ');
};

/**
 * Rows whose factors come from the same component of `a` one after the other: row by row, all sixteen components would be
 * in use at once, and be read from memory (Winograd's products of 64 rows, weight gradient of 512@28: 72 ms instead of 57).
 */
const byComponent = (rows: number): number[] => {
  const key = (i: number): number => (i >> 5) * 128 + (i % 4) * 32 + (i & 31);
  return range(rows).sort((i, j) => key(i) - key(j));
};

export const laneStore = (rows: number, plus = ''): string =>
  range(rows)
    .map((i) => `  store(${i}u, c${i}${plus});`)
    .join('\n');

/** Stores where the row's own lane says: `row_g.out`, broadcast, is where row 8g + l begins. */
export const rowStores = (rows: number, plus = ''): string =>
  lines(rows, '  ', (i) => `store(subgroupBroadcast(row${i >> 3}.out, ${i & 7}u), out, c${i}${plus});`);
