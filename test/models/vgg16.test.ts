import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Device, Generator, noGrad, openDevice, tensor } from '../../engine/node.ts';
import {
  classifierConfig,
  createModel,
  createObjective,
  createOptimizer,
  Network,
  trainStep,
  vgg16Features,
  vgg16Plan,
  vgg16Pools,
} from '../../models/index.ts';
import { expectClose } from '../expect-close.ts';
import { readReferenceFile } from '../reference.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.close());

const { tensors, metadata } = readReferenceFile('models/vgg16');
const { model: _, ...options } = metadata.config as Record<string, number>;
const config = classifierConfig('vgg16', options);
const state = new Map(
  [...tensors].filter(([name]) => name.startsWith('initial.')).map(([name, value]) => [name.slice(8), value]),
);
const input = tensors.get('input');
const images = () => tensor(Float32Array.from(input?.data ?? []), input?.shape);

it('gives PyTorch its logits from torchvision keys', async () => {
  const network = new Network(vgg16Plan(config), new Generator(0)).eval();
  network.loadStateDict(state);
  const logits = noGrad(() => network.forward(images()));
  expectClose(await logits.floats(), tensors.get('logits')?.data ?? [], { rtol: 1e-4, atol: 1e-6, label: 'logits' });
  network.dispose();
});

it.each(vgg16Pools)('gives PyTorch its features up to %s', async (pool) => {
  const network = new Network(vgg16Features(pool, config), new Generator(0)).eval();
  network.loadStateDict(state, { strict: false });
  const features = noGrad(() => network.forward(images()));
  const expected = tensors.get(pool);
  expect(features.shape).toEqual(expected?.shape);
  expectClose(await features.floats(), expected?.data ?? [], { rtol: 1e-5, atol: 1e-5, label: pool });
  network.dispose();
});

it('drops while training alone', async () => {
  const network = new Network(vgg16Plan(config), new Generator(0));
  network.loadStateDict(state);
  const run = async () => String(await noGrad(() => network.forward(images())).floats());
  expect(await run()).not.toBe(await run());
  network.eval();
  expect(await run()).toBe(await run());
  network.dispose();
});

it('stands frozen in front of VFESO-DLSE, its keys behind extractor.', async () => {
  const model = createModel('vfeso-dlse', { width: 1 / 16, imageSize: 128 });
  const keys = [...model.namedState()].map(([name]) => name);
  expect(keys).toContain('extractor.features.21.weight');
  expect(keys).toContain('tail.conv3.weight');
  expect([...model.namedParameters()].some(([name]) => name.startsWith('extractor.'))).toBe(false);
  model.dispose();
});

it('trains with its first blocks frozen', async () => {
  const options = { width: 1 / 16, imageSize: 32, classes: 3, dropout: 0, freezeUpTo: 'pool3' } as const;
  const model = createModel('vgg16', options, 3);
  const objective = createObjective(model);
  const optimizer = createOptimizer(model, objective, { lr: 0.01, eps: 1e-8, weightDecay: 0 });
  const before = await model.stateDict();
  const batch = {
    images: tensor(new Generator(1).normal(6 * 32 * 32 * 3), [6, 32, 32, 3]),
    labels: tensor(Int32Array.of(0, 1, 2, 0, 1, 2)),
  };
  const step = trainStep({ model, objective, optimizer, batches: [() => batch] });
  const losses: number[] = [];
  for (let i = 0; i < 5; i++) losses.push(await (await step.run()).loss.item());
  expect(losses[4]).toBeLessThan(losses[0]);
  for (const [name, { data }] of await model.stateDict()) {
    const frozen = /^features\.(0|2|5|7|10|12|14)\./.test(name);
    const kept = data.every((value, i) => value === before.get(name)?.data[i]);
    expect(kept, name).toBe(frozen);
  }
  step.dispose();
  model.dispose();
});
