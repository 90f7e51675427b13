import { createHash } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  add,
  type Device,
  exp,
  Generator,
  mul,
  openDevice,
  type ProgramPlan,
  program,
  sigmoid,
  tanh,
  tensor,
} from '../../engine/node.ts';
import { inPlaceText } from '../../engine/runtime/shader.ts';
import { createModel, createObjective, createOptimizer, trainStep } from '../../models/index.ts';
import { expectSame } from '../expect-close.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.close());
afterEach(() => vi.unstubAllEnvs());

/** Two steps of so-dlse at half width: losses and weights to the bit, and the plan. */
async function train(eager = false) {
  const generator = new Generator(7);
  const model = createModel('so-dlse', { imageSize: 100, width: 0.5 }, 1);
  const objective = createObjective(model);
  const optimizer = createOptimizer(model, objective, { lr: 0.005 });
  const images = tensor(generator.normal(20 * 100 * 100 * 3), [20, 100, 100, 3]);
  const labels = tensor(
    Int32Array.from({ length: 20 }, (_, i) => i % 3),
    [20],
  );
  const program = trainStep({ model, objective, optimizer, batches: [() => ({ images, labels })], eager });
  const found: unknown[] = [];
  for (let i = 0; i < 2; i++) found.push(await (await program.run()).loss.item());
  const weights = createHash('sha256');
  for (const { data } of (await model.network.stateDict()).values()) weights.update(data);
  found.push(weights.digest('hex'));
  const { plan } = program;
  for (const part of [program, optimizer, objective, model, images, labels]) part.dispose();
  return { found, plan: plan as ProgramPlan };
}

describe('what saves memory in a program', () => {
  let usual: Awaited<ReturnType<typeof train>>;
  beforeAll(async () => {
    usual = await train();
  });

  it.each(['POSTPONE', 'IN_PLACE', 'RECOMPUTE'])('changes no bit, and takes less than %s=0', async (name) => {
    vi.stubEnv(name, '0');
    const without = await train();
    expect(usual.found).toEqual(without.found);
    expect(usual.plan.temporaryBytes).toBeLessThan(0.98 * without.plan.temporaryBytes);
  });

  it('gives the bits of the eager step', async () => {
    expect(usual.found).toEqual((await train(true)).found);
  });

  it('needs little beside what the operations keep for the backward pass', () => {
    expect(usual.plan.temporaryBytes).toBeLessThan(1.1 * usual.plan.savedBytes);
  });
});

it('ends, where two values could be computed again in turn for ever', async () => {
  const x = tensor(new Generator(3).normal(1 << 19), [1 << 19]);
  const f = () => mul(sigmoid(mul(x, 3)), add(tanh(exp(mul(x, 0.5))), mul(x, 2)));
  const step = program(f);
  const eager = await program(f, { eager: true }).run();
  expectSame(await (await step.run()).floats(), await eager.floats(), device.traits);
});

describe('inPlaceText', () => {
  const text = `@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> g: array<f32>;
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;
fn main() { dx[1] = x[1] * g[1]; }`;

  it('leaves one binding, read and written', () => {
    expect(inPlaceText(text, 'dx', 'x')).toBe(`@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@group(0) @binding(1) var<storage, read> g: array<f32>;

fn main() { x[1] = x[1] * g[1]; }`);
  });

  it('refuses a text without them', () => {
    expect(() => inPlaceText(text, 'dx', 'y')).toThrow(/No bindings dx and y/);
  });
});
