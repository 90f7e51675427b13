import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { add, type Device, openDevice, program, ScalarLog, tensor } from '../../engine/node.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.close());

describe('ScalarLog', () => {
  it('keeps what each step recorded, past its own end, without a read in between', async () => {
    const log = new ScalarLog(['loss', 'twice'], { capacity: 8 });
    const loss = tensor([0]);
    const step = program(() => log.record({ loss, twice: add(loss, loss) }));
    const seen: number[] = [];
    for (let i = 0; i < 20; i++) {
      loss.write([i]);
      await step.run();
      if (i % 6 === 5) for (const row of await log.take()) seen.push(row.loss, row.twice);
    }
    for (const row of await log.take()) seen.push(row.loss, row.twice);
    expect(seen).toEqual(Array.from({ length: 20 }, (_, i) => [i, 2 * i]).flat());
    for (let i = 0; i < 9; i++) await step.run();
    await expect(log.take()).rejects.toThrow(/9 steps were recorded .* it holds 8/);
  });

  it('refuses more scalars than a row holds, and tensors of several elements', () => {
    expect(() => new ScalarLog(['a', 'b', 'c', 'd', 'e', 'f', 'g'])).toThrow(/holds 1 to 6/);
    expect(() => new ScalarLog(['a']).record({ a: tensor([1, 2]) })).toThrow(/not one number/);
  });
});
