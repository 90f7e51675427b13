import { bySize, covered, inWalks, oneEach } from '../common/elements.ts';
import { VEC4 } from '../common/value.ts';
import { generated, type Pass } from '../kernel.ts';
import { BINARY_OPS } from './binary.ts';
import { UNARY_OPS } from './unary.ts';

/** Kernels whose rungs in vec4 compute each element from those at the same place: the WGSL function, and its operands' bindings. */
const formulas: Readonly<Record<string, readonly string[]>> = {
  unary: ['x'],
  unaryBackward: ['gradient', 'saved'],
  binary: ['a', 'b'],
};

/** An operand of a step: one of the chain's inputs, or what an earlier step made. */
export type ChainOperand = { readonly input: number } | { readonly step: number };

export interface ChainStep {
  readonly kernel: string;
  readonly op: number;
  readonly alpha: number;
  readonly beta: number;
  readonly operands: readonly ChainOperand[];
}

/** With two numbers each for alpha and beta they fit the 64 bytes of immediates. */
export const MOST_STEPS = 6;
/** Beside the output, what WebGPU guarantees for one dispatch. */
export const MOST_INPUTS = 7;

/** The operands' bindings of a kernel that chains, undefined of any other. */
export const chainOperands = (kernel: string, variant: string): readonly string[] | undefined =>
  (variant === 'vec4' || variant === 'walks') && Object.hasOwn(formulas, kernel) ? formulas[kernel] : undefined;

/** Ends with a product, or hands one on. GPUs divide by a product with the reciprocal, and take √x as x · 1/√x. */
const PRODUCTS = {
  binary: ['mul', 'div'],
  unary: ['affine', 'divide', 'reciprocal', 'abs', 'square', 'sqrt', 'pow', 'leakyRelu'],
} as const;

/** Begins with a sum, of which its operand is a part. */
const SUMS = { binary: ['add', 'sub'], unary: ['tanh', 'inverseSqrt'] } as const;

const isOneOf = ({ kernel, op }: ChainStep, names: typeof PRODUCTS | typeof SUMS): boolean =>
  (kernel === 'binary' && (names.binary as readonly string[]).includes(BINARY_OPS[op])) ||
  (kernel === 'unary' && (names.unary as readonly string[]).includes(UNARY_OPS[op]));

/** Whether a compiler may join the two into one rounding (a · b + c), which it could not when each was a kernel of its own. */
export const mayContract = (first: ChainStep, second: ChainStep): boolean =>
  (first.kernel === 'unaryBackward' || isOneOf(first, PRODUCTS)) && isOneOf(second, SUMS);

const hasNumbers = ({ kernel }: ChainStep): boolean => kernel !== 'binary';

const text = (steps: readonly ChainStep[], inputs: number): string => {
  const used = [...new Set(steps.map(({ kernel }) => kernel))];
  const numbers = steps.flatMap((step, i) => (hasNumbers(step) ? [`alpha${i}: f32`, `beta${i}: f32`] : []));
  const range = Array.from({ length: inputs }, (_, i) => i);
  const operand = (o: ChainOperand): string => ('input' in o ? `x${o.input}` : `s${o.step}`);
  const call = (step: ChainStep, i: number): string => {
    const more = hasNumbers(step) ? [`params.alpha${i}`, `params.beta${i}`] : [];
    return `${step.kernel}Of(${[`${step.op}u`, ...step.operands.map(operand), ...more].join(', ')})`;
  };
  const file: Record<string, string> = { unary: 'unary', unaryBackward: 'unary-backward', binary: 'binary' };
  return `// A chain of elementwise operations in one kernel: ${steps.map(({ kernel, op }) => `${kernel} ${op}`).join(', ')}. What a step makes goes to the next
// in a register. One invocation computes one Value; the tail past \`size\` lies in the buffers' padding.
requires immediate_address_space;

// #include "../common/value.wgsl"
${used.some((kernel) => kernel !== 'binary') ? '// #include "../common/accurate-math.wgsl"' : ''}
${used.map((kernel) => `// #include "${file[kernel]}-formula.wgsl"`).join('\n')}

struct Params { ${['size: u32', 'walk: u32', ...numbers].join(', ')} }
var<immediate> params: Params;

${range.map((i) => `@group(0) @binding(${i}) var<storage, read> in${i}: array<Value>;`).join('\n')}
@group(0) @binding(${inputs}) var<storage, read_write> out: array<Value>;

fn elements() -> u32 { return (params.size + WIDTH - 1u) / WIDTH; }

fn element(i: u32) {
${range.map((i) => `  let x${i} = in${i}[i];`).join('\n')}
${steps.map((step, i) => `  let s${i} = ${call(step, i)};`).join('\n')}
  out[i] = s${steps.length - 1};
}

// #include "../common/elements.wgsl"
`;
};

/** Its pass over `size` numbers, as `variant` goes over them, and its own numbers in the order of `Params` after `size` and `walk`. */
export function chainPass(
  steps: readonly ChainStep[],
  inputs: number,
  variant: string,
  size: number,
): { readonly pass: Pass; readonly numbers: readonly number[] } {
  const key = steps.map(({ kernel, op, operands }) => {
    const refs = operands.map((o) => ('input' in o ? `x${o.input}` : `s${o.step}`));
    return `${kernel}${op}(${refs})`;
  });
  const source = generated(import.meta.url, `elementwise/chain ${key.join(' ')}`, () => text(steps, inputs));
  const cover = variant === 'walks' ? inWalks : oneEach;
  return {
    pass: covered({ source, constants: VEC4, params: { size } }, cover(bySize({ size }))),
    numbers: steps.flatMap((step) => (hasNumbers(step) ? [step.alpha, step.beta] : [])),
  };
}
