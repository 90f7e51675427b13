import { lines, range } from './lane-tile.ts';
import type { Form } from './padding.ts';

/**
 * Texts of the products with a small side, which is written into them: no tile of 32 columns for 10. One subgroup of 8
 * lanes holds part of a long side in its lanes, with all sums of the small one in registers; the numbers of the other
 * operand are loaded once, into all lanes, and come by broadcast (0.5 ns against 7 for a load). With k in the lanes instead,
 * each would load its own: more loads for the same sums, whose instructions leave the cache (64 × 10, 4096 deep: 0.43 ms
 * instead of 0.23). Operands are read as they lie: what makes no whole vec4 along a line often does across lines.
 */

/** Numbers that a lane loads at once: four where lines are whole vec4. */
export type Width = 1 | 4;

/** Element `flat` of the numbers that lie one after the other in the vectors `name`0, `name`1, … */
const element = (name: string, width: Width, flat: number): string =>
  width === 4 ? `${name}${flat >> 2}[${flat & 3}]` : `${name}${flat}`;

/** A vector with `text(i)` as component i. */
const vector = (width: Width, text: (i: number) => string): string =>
  width === 4 ? `vec4f(${[0, 1, 2, 3].map(text).join(', ')})` : text(0);

/** Element `flat` of the numbers of which lane l loaded every eighth, from the l-th, into t0, t1, … */
const fromLane = (flat: number): string => `subgroupBroadcast(t${flat >> 3}, ${flat & 7}u)`;

/** k of a walk, a multiple of the steps: sums of four, 256 at most one after the other. */
const WALK = 1024;

/** Sums `names` over k in walks: what `body` adds up for `step` k to c<name>, and the walks' sums to sum<name>. */
const walks = (names: readonly string[], type: string, step: number, width: Width, body: string): string => {
  const each = (indent: string, text: (name: string) => string): string =>
    lines(names.length, indent, (i) => text(names[i]));
  return `${each('  ', (name) => `var sum${name} = ${type}(0.0);`)}
  for (var begin = 0u; begin < depth; begin += ${WALK / width}u) {
    let end = min(begin + ${WALK / width}u, depth);
${each('    ', (name) => `var c${name} = ${type}(0.0);`)}
    for (var k = begin; k < end; k += ${step / width}u) {
${body}
    }
${each('    ', (name) => `sum${name} += c${name};`)}
  }`;
};

const kernel = (
  comment: string,
  vectorWidth: Width,
  sums: string,
  bindings: readonly [left: Width, right: Width, bias: Width, out: Width],
  body: string,
): string => {
  const names = ['left', 'right', 'bias', 'out'];
  return `// matmul, ${comment}
requires immediate_address_space;
enable subgroups;

alias Vector = ${vectorWidth === 4 ? 'vec4f' : 'f32'};

struct Params { m: u32, n: u32, k: u32, slope: f32 }
var<immediate> params: Params;

${lines(4, '', (i) => `@group(0) @binding(${i}) var<storage, ${i < 3 ? 'read' : 'read_write'}> ${names[i]}: array<${bindings[i] === 4 ? 'vec4f' : 'f32'}>;`)}

fn activated(x: ${sums}) -> ${sums} { return select(params.slope * x, x, x > ${sums}(0.0)); }

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(local_invocation_index) lane: u32) {
${body}
}
`;
};

/** k of a step where rows are in the lanes. */
const DEPTH = 8;

/** n small: rows in the lanes. Whole lines of right [k, n] are whole vec4 where k is a multiple of 4, whatever n is. */
export function tallText(n: number, width: Width, form: Form, rows: number): string {
  const groups = range(rows / 8);
  const perLine = DEPTH / width;
  const rightLoad = (t: number): string => {
    const chunk = `${8 * t}u + lane`;
    if (form === 'nt') {
      const at = `k + (${chunk}) % ${perLine}u`;
      return `select(Vector(0.0), right[min((${chunk}) / ${perLine}u, ${n - 1}u) * depth + min(${at}, depth - 1u)], ${at} < depth)`;
    }
    const at = `k * ${n}u + ${chunk}`;
    return `select(Vector(0.0), right[min(${at}, depth * ${n}u - 1u)], ${at} < depth * ${n}u)`;
  };
  const factor = (i: number, j: number): string => {
    const flat = form === 'nt' ? j * DEPTH + i : i * n + j;
    const chunk = Math.floor(flat / width);
    return `subgroupBroadcast(t${chunk >> 3}${width === 4 ? `[${flat % 4}]` : ''}, ${chunk & 7}u)`;
  };
  const multiplyAdds = range(DEPTH / 4).flatMap((fours) =>
    range(n).map((j) => {
      const factors = range(4).map((i) => factor(4 * fours + i, j));
      const sums = groups.map((g) => {
        const terms = range(4).map((i) => `s[${i}] * ${element(`a${g}_`, width, 4 * fours + i)}`);
        return `c${g}_${j} += ${terms.join(' + ')};`;
      });
      return `      { let s = vec4f(${factors.join(', ')}); ${sums.join(' ')} }`;
    }),
  );
  const leftLoads = groups.map((g) =>
    lines(
      perLine,
      '      ',
      (i) => `let a${g}_${i} = select(Vector(0.0), left[left${g} + min(k + ${i}u, depth - 1u)], k + ${i}u < depth);`,
    ),
  );
  const stores = groups.map(
    (g) => `  if (row${g} < params.m) {
${lines(n, '    ', (j) => `out[row${g} * ${n}u + ${j}u] = activated(sum${g}_${j} + bias[${j}]);`)}
  }`,
  );
  return kernel(
    `${form}, ${n} columns: out = f(left · right + bias), ${rows} rows, in the lanes; the right operand comes by broadcast.`,
    width,
    'f32',
    [width, width, 1, 1],
    `  let depth = params.k / ${width}u;
${groups
  .map(
    (g) => `  let row${g} = wid.x * ${rows}u + ${8 * g}u + lane;
  let left${g} = min(row${g}, params.m - 1u) * depth;`,
  )
  .join('\n')}
${walks(
  groups.flatMap((g) => range(n).map((j) => `${g}_${j}`)),
  'f32',
  DEPTH,
  width,
  `${lines(Math.ceil((DEPTH * n) / width / 8), '      ', (t) => `let t${t} = ${rightLoad(t)};`)}
${leftLoads.join('\n')}
${multiplyAdds.join('\n')}`,
)}
${stores.join('\n')}`,
  );
}

/** Steps of k, or rows, for which the small operand is loaded at once. */
const STEP = 4;

/** left [k, m], right [k, n], the operand `side` of few columns: sums of outer products. */
export function outerText(few: number, width: Width, side: 'left' | 'right'): string {
  const [wide, columns] = side === 'left' ? ['right', 'n'] : ['left', 'm'];
  // The lane's rows of a narrow `out` lie one after the other.
  const narrow = (q: number): string => {
    const sum = vector(width, (e) => {
      const [i, j] = [Math.floor((q * width + e) / few), (q * width + e) % few];
      return `sum${j}${width === 4 ? `[${i}]` : ''} + bias[${j}]`;
    });
    return `out[own * ${few}u + ${q}u] = activated(${sum});`;
  };
  const low = (i: number): string => `out[${i}u * pitch + own] = activated(sum${i} + bias[own]);`;
  return kernel(
    `tn, ${few} ${side === 'left' ? 'rows' : 'columns'}: out = f(left[k, m]ᵀ · right[k, n] + bias), ${8 * width} columns of ${wide} in the lanes; ${side} comes by broadcast.`,
    width,
    'Vector',
    side === 'left' ? [1, width, width, width] : [width, 1, 1, width],
    `  let depth = params.k;
  let pitch = params.${columns} / ${width}u;
  let place = wid.x * 8u + lane;
  let own = min(place, pitch - 1u);
  let size = depth * ${few}u;
${walks(
  range(few).map(String),
  'Vector',
  STEP,
  1,
  `      let first = k * ${few}u + lane;
${lines(Math.ceil((STEP * few) / 8), '      ', (t) => {
  const at = `first + ${8 * t}u`;
  return `let t${t} = select(0.0, ${side}[min(${at}, size - 1u)], ${at} < size);`;
})}
${lines(STEP, '      ', (i) => `let w${i} = select(Vector(0.0), ${wide}[min(k + ${i}u, depth - 1u) * pitch + own], k + ${i}u < depth);`)}
${lines(few, '      ', (j) => {
  const terms = range(STEP).map((i) => `${fromLane(i * few + j)} * w${i}`);
  return `c${j} += ${terms.join(' + ')};`;
})}`,
)}
  if (place >= pitch) { return; }
${lines(few, '  ', side === 'left' ? low : narrow)}`,
  );
}

/** Rows of a workgroup of `wideText`: enough to pay for its part of the right operand, few enough for all cores. */
export const WIDE_ROWS = 32;

/** k small: columns in the lanes. */
export function wideText(k: number, width: Width, form: Form): string {
  const rightLoads =
    form === 'nt'
      ? `${lines(k, '  ', (q) => `let q${q} = right[own * ${k}u + ${q}u];`)}
${lines(k, '  ', (i) => `let b${i} = ${vector(width, (c) => element('q', width, c * k + i))};`)}`
      : lines(k, '  ', (i) => `let b${i} = right[${i}u * pitch + own];`);
  const sum = (r: number): string =>
    range(k)
      .map((i) => `${fromLane(r * k + i)} * b${i}`)
      .join(' + ');
  return kernel(
    `${form}, ${k} deep: out = f(left · right + bias), ${WIDE_ROWS} rows × ${8 * width} columns, in the lanes with all k; left comes by broadcast.`,
    width,
    'Vector',
    [1, width, width, width],
    `  let pitch = params.n / ${width}u;
  let place = wid.x * 8u + lane;
  let own = min(place, pitch - 1u);
  let inside = place < pitch;
${rightLoads}
  let start = bias[own];
  let last = params.m * ${k}u - 1u;
  let end = min((wid.y + 1u) * ${WIDE_ROWS}u, params.m);
  for (var row = wid.y * ${WIDE_ROWS}u; row < end; row += ${STEP}u) {
    let first = row * ${k}u + lane;
${lines(Math.ceil((STEP * k) / 8), '    ', (t) => `let t${t} = left[min(first + ${8 * t}u, last)];`)}
${lines(STEP, '    ', (r) => `let c${r} = ${sum(r)};`)}
${lines(STEP, '    ', (r) => `if (inside && row + ${r}u < end) { out[(row + ${r}u) * pitch + own] = activated(c${r} + start); }`)}
  }`,
  );
}
