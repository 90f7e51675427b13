import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Device, Generator, openDevice, ScalarLog, type Tensor, tensor } from '../../engine/node.ts';
import {
  type ClassifierName,
  createModel,
  createObjective,
  createOptimizer,
  type ObjectiveOptions,
  trainStep,
} from '../../models/index.ts';
import { expectClose } from '../expect-close.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.close());

const options = { width: 1 / 16, imageSize: 24 };

function pictures(batch: number, first = 0): { images: Tensor; labels: Tensor } {
  const pixels = 24 * 24 * 3;
  const all = new Generator(9).normal(8 * pixels);
  const labels = Int32Array.from({ length: batch }, (_, i) => (first + i) % 3);
  return {
    images: tensor(all.slice(first * pixels, (first + batch) * pixels), [batch, 24, 24, 3]),
    labels: tensor(labels),
  };
}

interface Setup {
  readonly name?: ClassifierName;
  readonly passes?: number;
  readonly eager?: boolean;
  readonly objective?: ObjectiveOptions;
  readonly steps?: number;
}

/** Trains a few steps; the weights, centres and losses after them. */
async function train({ name = 'so-dlse', passes = 1, eager = false, objective: loss, steps = 3 }: Setup = {}) {
  const model = createModel(name, options, 4);
  const objective = createObjective(model, { seed: 5, ...loss });
  const optimizer = createOptimizer(model, objective);
  const parts = Array.from({ length: passes }, (_, i) => pictures(8 / passes, (8 / passes) * i));
  const log = new ScalarLog(['loss', 'crossEntropy', 'distance', 'correct']);
  const step = trainStep({ model, objective, optimizer, batches: parts.map((part) => () => part), log, eager });
  for (let i = 0; i < steps; i++) {
    optimizer.lr = 0.005 / (i + 1);
    await step.run();
  }
  const state = new Map([...(await model.stateDict()), ...(await objective.stateDict())]);
  const rows = await log.take();
  step.dispose();
  model.dispose();
  return { state, rows };
}

describe('a training step', () => {
  it('gives the same bits as a program and operation by operation', async () => {
    const [replayed, eager] = [await train(), await train({ eager: true })];
    expect(replayed.rows).toEqual(eager.rows);
    for (const [name, { data }] of replayed.state) expect(data, name).toEqual(eager.state.get(name)?.data);
  });

  it('gives the same bits from the same seeds', async () => {
    const [first, second] = [await train(), await train()];
    for (const [name, { data }] of first.state) expect(data, name).toEqual(second.state.get(name)?.data);
  });

  it('logs every step, and the loss falls', async () => {
    const { rows } = await train({ steps: 12 });
    expect(rows).toHaveLength(12);
    expect(rows[11].crossEntropy).toBeLessThan(rows[0].crossEntropy);
    for (const { loss, crossEntropy, distance, correct } of rows) {
      expectClose([loss], [crossEntropy + 0.01 * distance], { label: 'cross-entropy + λ·distance' });
      expect([0, 1, 2, 3, 4, 5, 6, 7, 8]).toContain(correct);
    }
  });

  it.each(['batchMean', 'sum', 'elementMean'] as const)(
    'in four passes equals one pass where no layer looks at the batch (dlp, %s)',
    async (reduction) => {
      const objective = { reduction, lambda: 0.02, lambda1: 3 };
      const whole = await train({ name: 'dlp', objective });
      const parts = await train({ name: 'dlp', passes: 4, objective });
      for (const [name, { data }] of whole.state) {
        const most = data.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
        expectClose(parts.state.get(name)?.data ?? [], data, { rtol: 0, atol: 2e-6 * most, label: name });
      }
      for (const [i, row] of whole.rows.entries()) {
        expectClose(Object.values(parts.rows[i]), Object.values(row), { rtol: 1e-5, label: `figures of step ${i}` });
      }
    },
  );

  it('moves the centres by the optimizer when asked to', async () => {
    const [average, adam, still] = [
      await train({ steps: 1 }),
      await train({ steps: 1, objective: { centres: 'adam' } }),
      await train({ steps: 1, objective: { alpha: 0 } }),
    ];
    const start = new Generator(5).normal(24, 0, 0.01);
    const moved = (run: typeof average) =>
      run.state.get('centres')?.data.some((value, i) => Math.abs(value - start[i]) > 1e-6) ?? false;
    expect([moved(average), moved(adam), moved(still)]).toEqual([true, true, false]);
    expect(adam.state.get('centres')?.data).not.toEqual(average.state.get('centres')?.data);
  });
});
