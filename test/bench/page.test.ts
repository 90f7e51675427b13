import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { verdicts } from '../../bench/goals.ts';
import type { LadderRow } from '../../bench/ladder.ts';
import { renderPage } from '../../bench/page/index.ts';
import { flopsOf } from '../../bench/peers/contenders.ts';
import { besideF32 } from '../../bench/precision.ts';
import { joinRuns, kindOf, type PeerRow, type Results } from '../../bench/results.ts';
import { notMeasured, switches } from '../../bench/switches/list.ts';
import { relativeError } from '../../bench/switches/measure.ts';

const software = {
  vendor: 'mesa',
  architecture: 'software',
  device: 'llvmpipe',
  description: 'llvmpipe',
  software: true,
  features: [],
};
const peer = (comparison: string, engine: string, ...samples: number[]): PeerRow => ({
  comparison,
  engine,
  median: samples[samples.length >> 1],
  samples,
});
const results: Results = {
  command: 'npm run bench',
  date: '2026-01-01',
  commit: 'abc',
  adapter: software,
  machine: { cpu: 'cpu', cores: 2, system: 'linux', node: '20' },
  ceilings: { gflops: 100, gbps: 10, gbpsBy: 'a copy', copyGbps: 20 },
  turns: { turns: 30, unquiet: 0, meanWaitMs: 25, longestWaitMs: 120, foreign: 0.02, measured: true },
  ladder: [],
  steps: [],
  switches: [],
  precision: [],
  peers: [
    peer('matmul 1024³', 'kindergrad', 19, 20, 25),
    peer('matmul 1024³', 'jax-js 1', 200),
    { comparison: 'VGG16 to pool4', engine: 'jax-js 1', samples: [], failure: 'no such kernel' },
  ],
};
const rung: LadderRow = {
  title: 'matmul 4096³',
  kernel: 'matmul',
  variant: 'tiled',
  median: 2,
  min: 2,
  samples: [2],
  yardstick: 1,
  first: 3,
  gflops: 70,
  gbps: 1,
  ceiling: 0.7,
  error: 0,
  chosen: true,
};
const gpu: Results = { ...results, adapter: { ...software, description: 'a GPU', software: false }, ladder: [rung] };
const verdict = (from: Results, name: string) => verdicts(from).find(({ goal }) => goal.name.includes(name));

describe('page', () => {
  it('never calls a software adapter a GPU, and counts operations', () => {
    expect(kindOf(software)).toMatch(/no GPU number/);
    const page = renderPage(results);
    expect(page).toContain('software Vulkan on the CPU, no GPU number');
    expect(page).toContain('software adapter');
    expect(page).toContain('| matmul 1024³ | 20.0 (19.0–25.0) ms, 107.4 GFLOP/s | 200 ms, 10.7 GFLOP/s |');
    expect(page).toContain('| matmul 1024³ | 107 % | 10.00× |');
    expect(page).toContain('- jax-js 1: VGG16 to pool4: no such kernel');
    expect(flopsOf('conv 64@56 forward + input gradient')).toBe(2 * flopsOf('conv 64@56 forward'));
  });

  it('says how the turns began, and when they cannot be trusted', () => {
    expect(renderPage(results)).toContain(
      '30 turns, 25 ms of waiting each on average, 120 ms at most; all began quiet.',
    );
    const noisy = { ...results, turns: { ...results.turns, unquiet: 3, foreign: 0.4 } };
    expect(renderPage(noisy)).toContain('**3 (10 %) began although it was not quiet yet**');
    expect(renderPage(noisy)).toContain('40 % of the machine’s CPU time meanwhile, **too much for short works');
    expect(renderPage(noisy)).toContain('no verdict below is final');
    expect(renderPage(results)).not.toContain('final');
    expect(renderPage({ ...results, turns: { ...results.turns, measured: false } })).toContain('after a fixed pause');
  });

  it('shows switches, halves and the host’s costs', () => {
    const row = {
      offSamples: [30],
      onSamples: [20],
      offMedian: 30,
      onMedian: 20,
      error: 2e-6,
      offDispatches: 9,
      onDispatches: 7,
      offTemporaries: 3 * 2 ** 20,
      onTemporaries: 2 ** 20,
    };
    const page = renderPage({
      ...results,
      switches: [
        { ...row, off: 'REUSE=0', work: 'a step', times: 'run', sameBits: true },
        { ...row, off: 'WINOGRAD=0', work: 'a step', times: 'run', sameBits: false },
        { ...row, off: 'FUSE_POOL=0', work: 'a step', times: 'run', sameBits: false, error: 0 },
      ],
      precision: besideF32(
        [rung, { ...rung, variant: 'half', median: 1, gflops: 140, error: 1e-3, chosen: false }],
        new Set(['half']),
      ),
      host: {
        calls: [{ name: 'setBindGroup', least: 0.64, median: 0.67 }],
        reads: [{ bytes: 2 ** 24, fresh: 12.5, reused: 3.125 }],
      },
    });
    expect(page).toContain('| `REUSE=0` | a step | 30.0 | 20.0 | 1.50× | 9 → 7 | 3 MiB → 1 MiB | yes |');
    expect(page).toContain('| `WINOGRAD=0` | a step | 30.0 | 20.0 | 1.50× | 9 → 7 | 3 MiB → 1 MiB | no: 2e-6 |');
    expect(page).toContain(
      '| `FUSE_POOL=0` | a step | 30.0 | 20.0 | 1.50× | 9 → 7 | 3 MiB → 1 MiB | the first loss only |',
    );
    expect(page).toContain('| tiled | 2.0 ms, 70.0 GFLOP/s | half | 1.0 ms, 140.0 GFLOP/s | 2.00× | 0e+0 | 1e-3 |');
    expect(page).toContain('| setBindGroup | 0.64 µs | 0.67 µs |');
    expect(page).toContain('| 16 MiB | 12.5 ms, 1.25 GiB/s | 3.1 ms, 5.00 GiB/s |');
  });

  it('joins pieces, weighing their turns', () => {
    const other = { ...results, turns: { ...results.turns, turns: 10, unquiet: 2, meanWaitMs: 65 } };
    expect(joinRuns([results, other])).toMatchObject({
      command: 'npm run bench`, `npm run bench',
      turns: { turns: 40, unquiet: 2, meanWaitMs: 35, measured: true },
      peers: [...results.peers, ...results.peers],
    });
  });
});

describe('goals', () => {
  it('are reached, missed or not measured', () => {
    expect(verdict(results, 'matmul 1024³: as fast as jax-js')).toMatchObject({ measured: 10, reached: true });
    expect(verdict(results, 'matmul 1024³: as fast as TensorFlow.js')?.reached).toBeUndefined();
    const slow = { ...results, peers: [peer('matmul 1024³', 'kindergrad', 21), peer('matmul 1024³', 'jax-js 1', 200)] };
    expect(verdict(slow, 'matmul 1024³: as fast as jax-js')?.reached).toBe(false);
    const page = renderPage(slow);
    expect(page).toContain('| matmul 1024³: as fast as jax-js | ≥ 10.00× | 9.52× | **no** |');
    expect(page).toMatch(/Not measured in this run: matmul 1024³: as fast as TensorFlow\.js; /);
  });

  it('of a GPU are not judged on a software adapter, nor those of the CPU on a GPU', () => {
    expect(verdict(results, 'share of the ceiling')).toBeUndefined();
    expect(verdict(gpu, 'matmul 4096³, matmul: share')).toMatchObject({ measured: 0.7, reached: true });
    expect(verdict(results, 'conv 256@28 forward: as fast as PyTorch')).toBeDefined();
    expect(verdict(gpu, 'conv 256@28 forward: as fast as PyTorch')).toBeUndefined();
  });

  it.each([
    ['never mean PyTorch with TF32', { 'PyTorch (TF32 on)': 1, 'PyTorch (TF32 off)': 12 }],
    ['mean the faster PyTorch', { 'PyTorch (CPU)': 30, 'PyTorch (CPU, freed memory kept)': 12 }],
    ['mean it in any order', { 'PyTorch (CPU, freed memory kept)': 12, 'PyTorch (CPU)': 30 }],
  ])('%s', (_what, torches) => {
    const work = 'conv 256@28 forward';
    const engines = Object.entries({ kindergrad: 20, ...torches });
    const peers = engines.map(([engine, median]) => peer(work, engine, median));
    const steps = [
      {
        ...{ title: 'so-dlse 100×100', batch: 32, median: 20, memory: { peakBytes: 1 } },
        peers: engines.slice(1).map(([engine, median]) => ({ engine, median })),
      },
    ] as unknown as Results['steps'];
    expect(verdict({ ...results, peers }, `${work}: as fast as PyTorch`)?.measured).toBeCloseTo(0.6, 6);
    expect(verdict({ ...results, steps }, 'so-dlse 100×100 step, batch 32: as fast')?.measured).toBeCloseTo(0.6, 6);
  });
});

describe('switches', () => {
  /** What finds things or prints more, but makes nothing faster. */
  const surroundings = /^(DEBUG|TEST_FULL|DAWN_FLAGS|FFMPEG_BIN|CHROMIUM_BIN|KINDERGRAD_\w+)$/;

  it('has every setting of docs/environment.md that makes something faster, or says why not', () => {
    const text = readFileSync(new URL('../../docs/environment.md', import.meta.url), 'utf8');
    const [set] = text.split('## Read from the system');
    const documented = [...set.matchAll(/^\| `(\w+)` \|/gm)].map(([, name = '']) => name);
    const settings = documented.filter((name) => !surroundings.test(name)).sort();
    const covered = new Set([...switches.map(({ variable }) => variable), ...Object.keys(notMeasured)]);
    expect(settings).toEqual([...covered].sort());
  });

  it('compare results relative to the largest', () => {
    expect(relativeError([1, -4], [1, -3])).toBe(0.25);
    expect(relativeError([0], [0])).toBe(0);
  });
});
