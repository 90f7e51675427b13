import { describe, expect, it } from 'vitest';
import { compareSamples, mannWhitney } from '../../bench/compare.ts';
import { interleaved, median } from '../../bench/measure.ts';

const around = (centre: number, spread: number, n = 12): number[] =>
  Array.from({ length: n }, (_, i) => centre * (1 + spread * Math.sin(1 + 7 * i)));

describe('compare', () => {
  it('calls a difference only what noise does not explain', () => {
    expect(compareSamples('x', around(10, 0.02), around(7, 0.02))).toMatchObject({
      verdict: 'faster',
      ratio: expect.closeTo(0.7, 2),
    });
    expect(compareSamples('x', around(10, 0.02), around(13, 0.02)).verdict).toBe('slower');
    expect(compareSamples('x', around(10, 0.3), around(10.5, 0.3)).verdict).toBe('same');
    expect(compareSamples('x', around(10, 0.001), around(10.2, 0.001)).verdict).toBe('same'); // sure, but under 5 %
  });

  it('does not take a machine that slowed down for a change of the work', () => {
    const slowMachine = around(20, 0.02);
    expect(compareSamples('x', around(10, 0.02), slowMachine, 2).verdict).toBe('same');
    expect(compareSamples('x', around(10, 0.02), slowMachine, 1.1).verdict).toBe('slower');
    expect(compareSamples('x', slowMachine, around(10, 0.02), 0.5).verdict).toBe('same');
    expect(compareSamples('x', around(10, 0.02), around(30, 0.02), 0.6).verdict).toBe('slower');
  });

  it('gives the p-value of the normal approximation', () => {
    // U = 0 of 25: z = 12.5 / sqrt(25 · 11 / 12) = 2.611, p = 0.0090.
    expect(mannWhitney([1, 2, 3, 4, 5], [6, 7, 8, 9, 10])).toBeCloseTo(0.00902, 4);
    expect(mannWhitney([1, 2, 3], [1, 2, 3])).toBeCloseTo(1, 6);
  });
});

describe('interleaved', () => {
  const contender = (name: string, order: string[], ms?: number) => ({
    name,
    run: async () => {
      order.push(name);
      return ms === undefined ? undefined : { ownMilliseconds: ms };
    },
  });

  it('runs the contenders in turn, a warm-up and then the rounds, each turn after it has settled', async () => {
    const order: string[] = [];
    const settle = async () => void order.push('-');
    const [a, b] = await interleaved([contender('a', order), contender('b', order, 7)], {
      ...{ rounds: 3, turnMs: 0, settle },
    });
    expect(order.join('')).toBe(`ab${'-a-b'.repeat(3)}`);
    expect(a.samples).toHaveLength(3);
    expect(b.samples).toEqual([7, 7, 7]); // it times itself
    expect(median([3, 1, 2])).toBe(2);
  });

  it('lets a slow contender drop out after the least rounds, and the others go on', async () => {
    const order: string[] = [];
    const slow = {
      name: 'slow',
      run: async () => {
        await new Promise((resolve) => setTimeout(resolve, 12));
        order.push('s');
      },
    };
    const settle = async () => undefined;
    const options = { rounds: 4, leastRounds: 2, budgetMs: 10, turnMs: 0, warm: true, settle };
    await interleaved([contender('a', order), slow], options);
    expect(order.join('')).toBe('asasaa');
  });

  it('does not count the first run of a short work, and runs a long one once', async () => {
    const order: string[] = [];
    const settle = async () => undefined;
    const [a] = await interleaved([contender('a', order)], { rounds: 2, turnMs: 1, warm: true, settle });
    expect(a.samples).toHaveLength(order.length - 2);
    // Short is up to ten turns.
    const middle: string[] = [];
    const [m] = await interleaved([contender('m', middle, 9)], { rounds: 2, turnMs: 1, warm: true, settle });
    expect(m.samples).toHaveLength(middle.length - 2);
    const runs: string[] = [];
    const long = await interleaved([contender('b', runs, 11)], { rounds: 2, turnMs: 1, warm: true, settle });
    expect(long[0].samples).toEqual([11, 11]);
    expect(runs).toHaveLength(2);
  });
});
