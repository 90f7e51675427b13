import { expect, test } from 'vitest';
import { learningRate, resolveTrainConfig, type TrainOptions } from '../../pipeline/train/config.ts';

const facts = { version: '0.0.0', classes: ['happy', 'normal', 'sad'] };
const resolve = (options: TrainOptions & { model?: string } = {}) =>
  resolveTrainConfig({ model: 'so-dlse', data: 'faces', ...options }, facts);

test('the paper preset is the paper’s training', () => {
  const config = resolve({ preset: 'paper' });
  expect(config).toMatchObject({
    epochs: 700,
    batchSize: 128,
    lr: 0.005,
    lrEnd: 0.0001,
    weightDecay: 0.05,
    schedule: 'linear',
  });
  expect(config).toMatchObject({
    beta1: 0.9,
    augment: { flip: true, rotation: 10 },
    modelOptions: { imageSize: 100, width: 1 },
  });
  expect(config.modelOptions).toMatchObject({ classes: 3, biMap: [128, 64], fc: [2000, 128] });
});

test('one batch is learnt by heart without augmentation, unless it is asked for', () => {
  const still = { flip: false, rotation: 0, margin: 1 };
  expect(resolve({ overfitOneBatch: true }).augment).toEqual(still);
  expect(resolve({ overfitOneBatch: true, augment: { flip: true } }).augment).toEqual({ ...still, flip: true });
  expect(resolve({ overfitOneBatch: false }).augment).toMatchObject({ flip: true, rotation: 10 });
});

test('the distance term belongs to the models that have it', () => {
  expect(resolve().loss.lambda1).toBe(10);
  expect(resolve({ model: 'baseline' }).loss.lambda1).toBe(0);
  expect(resolve({ model: 'baseline', loss: { lambda1: 2 } }).loss.lambda1).toBe(2);
  // Centre loss takes a step of 0 to 1, both among them.
  expect(resolve({ loss: { alpha: 1 } }).loss.alpha).toBe(1);
});

test('every model has both presets; what is given wins', () => {
  for (const model of ['dlp', 'baseline', 'so-dl', 'so-dlse', 'vfeso-dlse']) {
    for (const preset of ['smoke', 'paper'] as const) expect(resolve({ model, preset }).model).toBe(model);
  }
  expect(resolve({ epochs: 3, lr: undefined, modelOptions: { width: 0.5 } })).toMatchObject({
    epochs: 3,
    lr: 0.005,
    modelOptions: { width: 0.5 },
  });
  expect(resolve({ batchSize: 64 }).microBatch).toBe(64);
});

test.each<[TrainOptions & { model?: string }, RegExp]>([
  [{ model: 'resnet' }, /no model "resnet"/],
  [{ epochs: 0 }, /epochs/],
  [{ batchSize: 32, microBatch: 12 }, /32 is not a multiple of the micro-batch of 12/],
  [{ testShare: 0.6, valShare: 0.5 }, /leave nothing to train on/],
  [{ modelOptions: { widht: 1 } }, /widht/],
  [{ loss: { lambda: -1 } }, /loss.lambda/],
  [{ loss: { alpha: 1.5 } }, /loss.alpha/],
  [{ schedule: 'covpoolfer-steps', lr: 0.01 }, /covpoolfer-steps has its own.*--lr would do nothing.*linear/s],
  [{ schedule: 'covpoolfer-steps', lr: 0.01, lrEnd: 0.001 }, /--lr and --lr-end/],
])('%j is refused', (options, message) => {
  expect(() => resolve(options)).toThrow(message);
});

test('learning rates', () => {
  const config = resolve({ preset: 'paper' });
  expect(learningRate(config, 0, 75)).toBe(0.005);
  expect(learningRate(config, 700 * 75 - 1, 75)).toBeCloseTo(0.0001, 12);
  expect(learningRate(config, (700 * 75 - 1) / 2, 75)).toBeCloseTo(0.00255, 12);
  const steps = { ...config, schedule: 'covpoolfer-steps' as const };
  expect([0, 79, 80, 150, 250, 699].map((epoch) => learningRate(steps, epoch * 75, 75))).toEqual([
    0.005, 0.005, 0.002, 0.001, 0.0005, 0.0001,
  ]);
});
