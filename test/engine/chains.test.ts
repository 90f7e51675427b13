import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  add,
  backward,
  type Device,
  div,
  exp,
  log,
  maximum,
  mean,
  mul,
  openDevice,
  pow,
  program,
  relu,
  sigmoid,
  sqrt,
  square,
  sub,
  type Tensor,
  tanh,
  tensor,
} from '../../engine/node.ts';
import { BINARY_OPS } from '../../kernels/elementwise/binary.ts';
import { type ChainStep, mayContract } from '../../kernels/elementwise/chain.ts';
import { UNARY_OPS } from '../../kernels/elementwise/unary.ts';
import { expectSame } from '../expect-close.ts';
import { samples } from '../gradcheck.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.close());
afterEach(() => vi.unstubAllEnvs());

/** GELU by its tanh formula: eight elementwise operations. */
const gelu = (x: Tensor): Tensor =>
  mul(mul(x, 0.5), add(tanh(mul(add(x, mul(pow(x, 3), 0.044715)), Math.sqrt(2 / Math.PI))), 1));

interface Case {
  readonly name: string;
  readonly f: (x: Tensor, y: Tensor) => Tensor;
  /** Dispatches in a program, where they do not depend on the shape. */
  readonly dispatches?: number;
}

const cases: Case[] = [
  { name: 'two in a row', f: (x, y) => relu(add(x, y)), dispatches: 1 },
  { name: 'one operand twice', f: (x) => square(sub(x, x)), dispatches: 1 },
  { name: 'every kind', f: (x, y) => sqrt(maximum(exp(div(sigmoid(x), y)), square(y))), dispatches: 2 },
  { name: 'what a later one needs again stays', f: (x, y) => mul(add(x, y), exp(add(x, y))), dispatches: 2 },
  { name: 'broadcasting is not a chain', f: (x, y) => log(exp(add(x, mean(y, [0], true)))) },
];

/** The result of f as a program and operation by operation. */
async function both(f: Case['f'], shape: readonly number[]) {
  const size = shape.reduce((a, b) => a * b);
  const x = tensor(samples(size, 1), shape);
  const y = tensor(
    samples(size, 2).map((v) => v + 2),
    shape,
  );
  const step = program(() => f(x, y));
  const eager = program(() => f(x, y), { eager: true });
  const found = await (await step.run()).floats();
  const dispatches = step.plan?.dispatches;
  const expected = await (await eager.run()).floats();
  return { found, expected, dispatches };
}

describe.each(cases)('$name', ({ f, dispatches }) => {
  it.each([[[1]], [[7, 3]], [[130, 65]]])('%j: what each gives by itself', async (shape) => {
    const result = await both(f, shape);
    expectSame(result.found, result.expected, device.traits);
    if (dispatches) expect(result.dispatches).toBe(dispatches);
  });
});

it('a formula of eight operations takes few dispatches, forward and backward', async () => {
  const build = async () => {
    const x = tensor(samples(5000), [50, 100], { requiresGrad: true });
    const step = program(() => {
      const y = gelu(x);
      backward(mean(y));
      return { y, dx: mul(x.grad as Tensor, 1000) };
    });
    const { y, dx } = await step.run();
    return { values: [await y.floats(), await dx.floats()], dispatches: step.plan?.dispatches ?? 0 };
  };
  const fused = await build();
  vi.stubEnv('CHAINS', '0');
  const apart = await build();
  for (const [i, values] of apart.values.entries()) expectSame(fused.values[i], values, device.traits);
  expect(fused.dispatches).toBeLessThan(apart.dispatches);
});

it('does not grow past what a dispatch may bind', async () => {
  const all = Array.from({ length: 12 }, (_, i) => tensor(samples(33, i + 1), [33]));
  const total = (): Tensor => all.slice(1).reduce((sum, t) => add(sum, t), all[0]);
  const step = program(total);
  const found = await (await step.run()).floats();
  expect(found).toEqual(await (await program(total, { eager: true }).run()).floats());
  expect(step.plan?.dispatches).toBe(2); // eleven sums, six steps at most
});

it.each([
  { family: 'lanes', dispatches: 1 },
  { family: 'tiled', dispatches: 2 },
])('on $family a product and the sum after it take $dispatches', async ({ family, dispatches }) => {
  const { traits } = device;
  Object.assign(device, { traits: { ...traits, family } });
  try {
    expect((await both((x, y) => add(mul(x, y), y), [7, 3])).dispatches).toBe(dispatches);
  } finally {
    Object.assign(device, { traits });
  }
});

it('knows where a compiler could round a product and a sum once', () => {
  const binary = (name: (typeof BINARY_OPS)[number]): ChainStep => ({
    ...{ kernel: 'binary', op: BINARY_OPS.indexOf(name), alpha: 0, beta: 0 },
    operands: [{ input: 0 }, { input: 1 }],
  });
  const unary = (name: (typeof UNARY_OPS)[number]): ChainStep => ({
    ...binary('add'),
    kernel: 'unary',
    op: UNARY_OPS.indexOf(name),
  });
  expect(mayContract(binary('mul'), binary('add'))).toBe(true);
  expect(mayContract(unary('square'), binary('sub'))).toBe(true);
  expect(mayContract(binary('add'), binary('mul'))).toBe(false);
  expect(mayContract(binary('div'), binary('add'))).toBe(true);
  expect(mayContract(unary('reciprocal'), unary('tanh'))).toBe(true);
  expect(mayContract(unary('relu'), binary('add'))).toBe(false);
});
