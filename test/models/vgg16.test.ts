import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Device, Generator, noGrad, openDevice, tensor } from '../../engine/node.ts';
import { createModel, Network, vgg16Config, vgg16Features, vgg16Plan, vgg16Pools } from '../../models/index.ts';
import { expectClose } from '../expect-close.ts';
import { readReferenceFile } from '../reference.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.close());

const { tensors, metadata } = readReferenceFile('models/vgg16');
const { model: _, ...options } = metadata.config as Record<string, number>;
const config = vgg16Config(options);
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
