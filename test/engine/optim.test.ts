import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  Adam,
  backward,
  ConfigError,
  constantThenLinear,
  type Device,
  linearSchedule,
  matmul,
  openDevice,
  Parameter,
  program,
  SGD,
  stepSchedule,
  sum,
  type Tensor,
  tensor,
} from '../../engine/node.ts';
import { expectClose } from '../expect-close.ts';
import { samples } from '../gradcheck.ts';
import { type ReferenceCase, referenceCases } from '../reference.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.close());

async function replay(one: ReferenceCase): Promise<void> {
  const start = one.inputs.get('parameter');
  const grads = one.inputs.get('grads');
  const expected = one.outputs.get('');
  if (!start || !grads || !expected) throw new Error(`${one.name} is incomplete`);
  const a = one.attributes as {
    lr: number[];
    betas?: [number, number];
    eps?: number;
    form?: 'pytorch' | 'tensorflow';
    momentum?: number;
    weightDecay?: number;
    inner?: string;
  };
  const parameter = new Parameter(Float32Array.from(start.data), start.shape, {
    role: one.op === 'stiefel' ? 'stiefel' : 'weight',
  });
  const parameters: [string, Parameter][] = [['p', parameter]];
  const common = { lr: a.lr[0], weightDecay: a.weightDecay ?? 0 };
  const optimizer =
    one.op === 'adam' || a.inner === 'adam'
      ? new Adam(parameters, { ...common, betas: a.betas, eps: a.eps, epsPlacement: a.form })
      : new SGD(parameters, { ...common, momentum: a.momentum });
  const gradient = tensor(new Float32Array(parameter.size), start.shape);
  const step = program(() => {
    parameter.grad = gradient;
    optimizer.step();
  });
  for (const [i, lr] of a.lr.entries()) {
    optimizer.lr = lr;
    gradient.write(grads.data.subarray(i * parameter.size, (i + 1) * parameter.size));
    await step.run();
    const target = expected.data.subarray(i * parameter.size, (i + 1) * parameter.size);
    // Float32 moments: a few roundings of the update per step; QR adds its own.
    expectClose(await parameter.floats(), target, {
      atol: one.op === 'stiefel' ? 5e-6 : 1e-6,
      rtol: 3e-6,
      label: `${one.name} step ${i + 1}`,
    });
  }
  parameter.grad = undefined;
  step.dispose();
  optimizer.dispose();
  parameter.dispose();
}

describe('optimisers against float64', () => {
  it.each(['adam', 'sgd', 'stiefel'])('%s', async (op) => {
    const cases = referenceCases('optim', op);
    expect(cases.length).toBeGreaterThan(2);
    for (const one of cases) await replay(one);
  });
});

describe('SGD', () => {
  it.each([0, 0.9])(
    'with momentum %d updates several tensors in a dispatch with the bits of one each',
    async (momentum) => {
      const run = async (group: string | undefined): Promise<Float32Array[]> => {
        if (group) process.env.GROUP = group;
        const parameters = [[3, 5], [7], [64, 9], [1], [33], [2, 2, 3], [130, 401], [4], [129]].map(
          (shape, i): [string, Parameter] => {
            const n = shape.reduce((a, b) => a * b, 1);
            const p = new Parameter(samples(n, i), shape, { role: i % 2 ? 'bias' : 'weight' });
            p.grad = tensor(samples(n, i + 50), shape);
            return [`p${i}`, p];
          },
        );
        const optimizer = new SGD(parameters, { lr: 0.01, weightDecay: 0.1, momentum });
        for (let i = 0; i < 3; i++) optimizer.step();
        delete process.env.GROUP;
        return Promise.all(parameters.map(([, p]) => p.floats()));
      };
      expect(device.traits.maxStorageBuffers).toBeGreaterThanOrEqual(15);
      expect(await run(undefined)).toEqual(await run('0'));
    },
  );
});

describe('Adam', () => {
  const shapes = [[3, 5], [7], [64, 8], [1], [130, 401], [2, 2, 3]];
  const build = () => {
    const parameters = shapes.map((shape, i): [string, Parameter] => {
      const n = shape.reduce((a, b) => a * b, 1);
      const p = new Parameter(samples(n, i), shape, { role: i % 2 ? 'bias' : 'weight' });
      p.grad = tensor(samples(n, i + 50), shape);
      return [`p${i}`, p];
    });
    return { parameters, optimizer: new Adam(parameters, { lr: 0.01, weightDecay: 0.1 }) };
  };

  it('updates four tensors in a dispatch with the bits of one each', async () => {
    const run = async (group: string | undefined): Promise<Float32Array[]> => {
      if (group) process.env.GROUP = group;
      const { parameters, optimizer } = build();
      for (let i = 0; i < 3; i++) optimizer.step();
      delete process.env.GROUP;
      return Promise.all(parameters.map(([, p]) => p.floats()));
    };
    expect(device.traits.maxStorageBuffers).toBeGreaterThanOrEqual(16);
    expect(await run(undefined)).toEqual(await run('0'));
  });

  it('goes on from its saved state, bit for bit', async () => {
    const a = build();
    const b = build();
    for (let i = 0; i < 4; i++) a.optimizer.step();
    for (let i = 0; i < 2; i++) b.optimizer.step();
    const state = await b.optimizer.stateDict();
    const c = build();
    for (const [i, [, p]] of c.parameters.entries()) p.write(await b.parameters[i][1].floats());
    c.optimizer.loadStateDict(state);
    for (let i = 0; i < 2; i++) c.optimizer.step();
    for (const [i, [, p]] of c.parameters.entries())
      expect(await p.floats()).toEqual(await a.parameters[i][1].floats());
    state.delete('exp_avg.p3');
    expect(() => c.optimizer.loadStateDict(state)).toThrow(/exp_avg\.p3 is missing; \[1\] is needed/);
  });

  it('accumulates over micro-batches what the whole batch gives', async () => {
    const x = samples(12 * 6);
    const run = async (parts: number): Promise<Float32Array> => {
      const w = new Parameter(samples(6 * 4, 3), [6, 4]);
      const optimizer = new SGD([['w', w]], { lr: 0.1 });
      optimizer.prepareGradients();
      const rows = 12 / parts;
      const batch = tensor(x.slice(0, rows * 6), [rows, 6]);
      const micro = program(() => backward(sum(matmul(batch, w))));
      const step = program(() => {
        optimizer.step();
        optimizer.zeroGrad();
      });
      for (let round = 0; round < 2; round++) {
        for (let i = 0; i < parts; i++) {
          batch.write(x.subarray(i * rows * 6, (i + 1) * rows * 6));
          await micro.run();
        }
        await step.run();
      }
      expect([...(await (w.grad as Tensor).floats())].every((v) => v === 0)).toBe(true);
      return w.floats();
    };
    expectClose(await run(4), await run(1), { atol: 1e-6, rtol: 1e-6 });
  });

  it('refuses senseless options', () => {
    expect(() => new Adam([], { lr: 1, betas: [1, 0.9] })).toThrow(/betas 1, 0\.9/);
    expect(() => new Adam([], { lr: Number.NaN })).toThrow(/lr NaN/);
    expect(() => new SGD([], { lr: -1 })).toThrow(/lr -1/);
    expect(() => new SGD([], { lr: 1, weightDecay: -1 })).toThrow(/weightDecay -1/);
    expect(() => new SGD([], { lr: 1, momentum: -1 })).toThrow(/momentum -1/);
    const parameters = [new Parameter(samples(4), [4])];
    // @ts-expect-error what PyTorch takes
    expect(() => new SGD(parameters, { lr: 1 })).toThrow(ConfigError);
  });
});

describe('schedules', () => {
  it('are the published ones', () => {
    const linear = linearSchedule(0.005, 0.0001, 699);
    expect([linear(0), linear(699), linear(900)]).toEqual([
      0.005,
      expect.closeTo(0.0001, 12),
      expect.closeTo(0.0001, 12),
    ]);
    const covpool = stepSchedule([
      [0, 0.005],
      [80, 0.002],
      [150, 0.001],
    ]);
    expect([0, 79, 80, 149, 150, 400].map(covpool)).toEqual([0.005, 0.005, 0.002, 0.002, 0.001, 0.001]);
    const gan = constantThenLinear(2e-4, 100, 100);
    expect([gan(0), gan(99), gan(199)]).toEqual([2e-4, 2e-4, expect.closeTo(2e-4 / 101, 12)]);
  });
});
