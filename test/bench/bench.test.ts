import { describe, expect, it } from 'vitest';
import { compareSamples, mannWhitney } from '../../bench/compare.ts';
import { interleaved, median } from '../../bench/measure.ts';
import { renderPage } from '../../bench/page.ts';
import { flopsOf } from '../../bench/peers/contenders.ts';
import { kindOf, type Results } from '../../bench/results.ts';

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
  it('runs the contenders in turn, a warm-up and then the rounds', async () => {
    const order: string[] = [];
    const contender = (name: string) => ({
      name,
      run: async () => {
        order.push(name);
      },
    });
    const [a, b] = await interleaved([contender('a'), contender('b')], { rounds: 3 });
    expect(order.slice(0, 2)).toEqual(['a', 'b']);
    const rounds = order.slice(2).join('').match(/a+b+/g);
    expect(rounds).toHaveLength(3);
    expect(a.samples.length + b.samples.length).toBe(order.length - 2);
    expect(median([3, 1, 2])).toBe(2);
  });
});

describe('page', () => {
  it('never calls a software adapter a GPU, and counts operations', () => {
    const adapter = {
      vendor: 'mesa',
      architecture: 'software',
      device: 'llvmpipe',
      description: 'llvmpipe',
      software: true,
      features: [],
    };
    expect(kindOf(adapter)).toMatch(/no GPU number/);
    const results: Results = {
      command: 'npm run bench',
      date: '2026-01-01',
      commit: 'abc',
      adapter,
      machine: { cpu: 'cpu', cores: 2, system: 'linux', node: '20' },
      ceilings: { gflops: 100, gbps: 10, gbpsBy: 'a copy', copyGbps: 20 },
      ladder: [],
      steps: [],
      peers: [
        { comparison: 'matmul 1024³', engine: 'kindergrad', median: 20, samples: [19, 20, 25] },
        { comparison: 'matmul 1024³', engine: 'other', median: 200, samples: [200] },
        { comparison: 'VGG16 to pool4', engine: 'other', samples: [], failure: 'no such kernel' },
      ],
    };
    const page = renderPage(results);
    expect(page).toContain('software Vulkan on the CPU, no GPU number');
    expect(page).toContain('software adapter');
    expect(page).toContain('| matmul 1024³ | 20.0 (19.0–25.0) ms, 107.4 GFLOP/s | 200 ms, 10.7 GFLOP/s |');
    expect(page).toContain('| matmul 1024³ | 10.00× |');
    expect(page).toContain('- other: VGG16 to pool4: no such kernel');
    expect(flopsOf('conv 64@56 forward + input gradient')).toBe(2 * flopsOf('conv 64@56 forward'));
  });
});
