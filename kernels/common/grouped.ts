import { type Access, foldWorkgroups, generated, type Kernel, type ParamType, type Pass } from '../kernel.ts';
import { type Cover, inWalks, oneEach } from './elements.ts';

/** An elementwise kernel that works on several tensors in one dispatch. */
interface Grouped {
  readonly name: string;
  readonly computes: string;
  /** `import.meta.url` of the declaration. */
  readonly base: string;
  readonly count: number;
  /** Buffers that every tensor has; tensor k's are bound as `<name>k`. Together at most 16. */
  readonly bindings: Readonly<Record<string, Access>>;
  /** Numbers that every tensor has, besides `sizek`: `<name>k`. */
  readonly each?: readonly string[];
  /** Numbers of them all. With the others at most 16. */
  readonly shared?: readonly string[];
  /** WGSL that computes vec4 `i` of tensor k. */
  readonly body: (k: number) => string;
  /** Per element. */
  readonly cost: { readonly flops: number; readonly bytes: number };
}

/** `{ name0: …, name1: … }` for a grouped call: what `of` says of each tensor. */
export function grouped<T, V>(items: readonly T[], of: (item: T) => Readonly<Record<string, V>>): Record<string, V> {
  const entries = items.flatMap((item, k) => Object.entries(of(item)).map(([name, value]) => [`${name}${k}`, value]));
  return Object.fromEntries(entries);
}

/** Declares it. Small tensors cost a dispatch, not their bytes. */
export function groupedKernel({
  name,
  computes,
  base,
  count,
  bindings,
  each = [],
  shared = [],
  body,
  cost,
}: Grouped): Kernel {
  const tensors = Array.from({ length: count }, (_, k) => k);
  const numbered = <V>(names: Readonly<Record<string, V>>): Record<string, V> => grouped(tensors, () => names);
  const floats = (names: readonly string[]): Record<string, ParamType> =>
    Object.fromEntries(names.map((n) => [n, 'f32']));
  const params: Record<string, ParamType> = {
    ...numbered<ParamType>({ size: 'u32' }),
    ...numbered(floats(each)),
    ...floats(shared),
  };
  const total = (p: Readonly<Record<string, number>>): number => tensors.reduce((sum, k) => sum + p[`size${k}`], 0);
  const text = (): string => `// ${name}, ${count} tensors: ${computes}.
// An invocation takes \`walk\` vec4 of one tensor, LANES apart; workgroups in the order of the tensors; tails lie in the buffers' padding.
requires immediate_address_space;

const LANES = 64u;

struct Params { ${Object.entries({ ...params, walk: 'u32' })
    .map(([field, type]) => `${field}: ${type}`)
    .join(', ')} }
var<immediate> params: Params;

${Object.entries(numbered(bindings))
  .map(
    ([buffer, access], i) =>
      `@group(0) @binding(${i}) var<storage, ${access === 'read' ? 'read' : 'read_write'}> ${buffer}: array<vec4f>;`,
  )
  .join('\n')}

@compute @workgroup_size(LANES)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  let each = LANES * params.walk;
  var group = wid.y * count.x + wid.x;
${tensors
  .map(
    (k) => `  let values${k} = (params.size${k} + 3u) / 4u;
  let groups${k} = (values${k} + each - 1u) / each;
  if (group < groups${k}) {
    let end = min((group + 1u) * each, values${k});
    for (var i = group * each + lane; i < end; i += LANES) {
    ${body(k)}
    }
    return;
  }
  group -= groups${k};`,
  )
  .join('\n')}
}
`;
  const pass = (p: Readonly<Record<string, number>>, cover: Cover): Pass => {
    const { constants, params: walked } = cover(Math.ceil(total(p) / 4));
    const each = 4 * constants.LANES * walked.walk;
    return {
      source: generated(base, `${name}-${count}`, text),
      constants,
      params: walked,
      workgroups: foldWorkgroups(tensors.reduce((n, k) => n + Math.ceil(p[`size${k}`] / each), 0)),
    };
  };
  return {
    name,
    computes,
    bindings: numbered(bindings),
    params,
    cost: (p) => ({ flops: cost.flops * total(p), bytes: cost.bytes * total(p) }),
    variants: [
      {
        name: 'vec4',
        adds: 'vec4, and one dispatch for several tensors: small ones cost a dispatch, not their bytes',
        passes: (p) => [pass(p, oneEach)],
      },
      {
        name: 'walks',
        adds: 'a CPU subgroup walks over many neighbours (elements.ts)',
        suits: (_p, { family }) => family === 'lanes',
        passes: (p) => [pass(p, inWalks)],
      },
    ],
  };
}
