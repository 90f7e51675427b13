import { afterAll, describe, expect, it } from 'vitest';
import { backward, conv2d, type Device, openDevice, type Tensor, tensor } from '../../engine/node.ts';
import { hasLanes } from '../../kernels/common/lanes.ts';
import { conv2dKernel } from '../../kernels/conv/conv2d.ts';
import { conv2dInputGradientKernel } from '../../kernels/conv/conv2d-input-gradient.ts';
import { conv2dWeightGradientKernel } from '../../kernels/conv/conv2d-weight-gradient.ts';
import { algorithms, TILE_SIDES, type TileSide } from '../../kernels/conv/winograd-algorithms.ts';
import type { Constants, DeviceTraits } from '../../kernels/kernel.ts';
import { samples } from '../gradcheck.ts';

const device: Device = await openDevice();
afterAll(() => device.close());

const kernels = [conv2dKernel, conv2dInputGradientKernel, conv2dWeightGradientKernel];

interface Case {
  readonly name: string;
  readonly batch: number;
  readonly h: number;
  readonly w: number;
  readonly cin: number;
  readonly cout: number;
  readonly padding: readonly [number, number];
  /** A rung that it is not for. */
  readonly without?: string;
}

const cases: Case[] = [
  { name: 'whole tiles', batch: 2, h: 8, w: 12, cin: 32, cout: 64, padding: [1, 1] },
  { name: 'tiles over the edges, padding 0 and 2', batch: 3, h: 7, w: 9, cin: 36, cout: 28, padding: [0, 2] },
  { name: 'one pixel', batch: 1, h: 1, w: 1, cin: 4, cout: 4, padding: [1, 1] },
  { name: 'smaller than a tile', batch: 5, h: 3, w: 2, cin: 8, cout: 100, padding: [1, 1] },
  // 2025 tiles of 4 × 4; a chunk of up to 32 channels takes 1820
  {
    name: 'several chunks',
    ...{ batch: 1, h: 178, w: 179, cin: 4, cout: 8, padding: [1, 1] },
    without: 'winograd-tiled',
  },
  // 169 tiles of 4 × 4; a chunk takes 128
  { name: 'several chunks of few', batch: 1, h: 50, w: 51, cin: 4, cout: 8, padding: [1, 1] },
  { name: 'a panel of tiles and eight more', batch: 1, h: 20, w: 32, cin: 12, cout: 36, padding: [1, 1] },
  { name: 'deep', batch: 1, h: 12, w: 12, cin: 256, cout: 64, padding: [1, 1] },
  { name: 'deeper', batch: 1, h: 14, w: 14, cin: 512, cout: 32, padding: [1, 1], without: 'winograd-tiled' },
];

/** Output and gradients in float64, straight from the definition. */
function truth({ batch, h, w, cin, cout, padding }: Case, x: Float32Array, g: Float32Array, dy: Float32Array) {
  const [oh, ow] = [h + 2 * padding[0] - 2, w + 2 * padding[1] - 2];
  const y = new Float64Array(batch * oh * ow * cout);
  const dx = new Float64Array(x.length);
  const dg = new Float64Array(g.length);
  for (let n = 0; n < batch; n++)
    for (let oy = 0; oy < oh; oy++)
      for (let ox = 0; ox < ow; ox++) {
        const at = ((n * oh + oy) * ow + ox) * cout;
        for (let tap = 0; tap < 9; tap++) {
          const [iy, ix] = [oy + Math.floor(tap / 3) - padding[0], ox + (tap % 3) - padding[1]];
          if (iy < 0 || ix < 0 || iy >= h || ix >= w) continue;
          const from = ((n * h + iy) * w + ix) * cin;
          for (let ci = 0; ci < cin; ci++) {
            const weights = (tap * cin + ci) * cout;
            const value = x[from + ci];
            let gradient = 0;
            for (let co = 0; co < cout; co++) {
              y[at + co] += value * g[weights + co];
              gradient += dy[at + co] * g[weights + co];
              dg[weights + co] += value * dy[at + co];
            }
            dx[from + ci] += gradient;
          }
        }
      }
  return [y, dx, dg];
}

async function run({ batch, h, w, cin, padding }: Case, x: Float32Array, g: Float32Array, dy: Float32Array) {
  const leaves = [
    tensor(x, [batch, h, w, cin], { requiresGrad: true }),
    tensor(g, [3, 3, cin, g.length / 9 / cin], { requiresGrad: true }),
  ];
  const y = conv2d(leaves[0], leaves[1], undefined, { padding });
  backward(y, tensor(dy, y.shape));
  const results: Float32Array[] = [];
  for (const result of [y, ...leaves.map((leaf) => leaf.grad as Tensor)]) results.push(await result.floats());
  return results;
}

const labels = ['output', 'input gradient', 'weight gradient'];

/** Largest error relative to the largest value. */
const error = (found: Float32Array, expected: Float64Array): number => {
  let [worst, largest] = [0, 0];
  expected.forEach((v, i) => {
    largest = Math.max(largest, Math.abs(v));
    const difference = Math.abs(found[i] - v);
    worst = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : Math.max(worst, difference);
  });
  return worst / largest;
};

/**
 * Of the largest value. Measured: 1.0e-6, 2.8e-6, 5.8e-6, 1.3e-5, 2.7e-5; the most where 256 and 512 channels are summed,
 * and up to half as much again on the tiled rung.
 */
const BOUND = { 2: 2e-6, 4: 4e-6, 5: 8e-6, 6: 2e-5, 7: 4e-5 } as const;

/** The tiled rung's in chunks of 64 KiB, since those of a GPU would take pictures too large for a test. */
const rungs = TILE_SIDES.flatMap((side): { name: string; side: TileSide; tile: Constants }[] => [
  ...(hasLanes(device.traits) ? [{ name: 'winograd', side, tile: { side } }] : []),
  // Not offered there: without sums of four products it errs 4.5e-5.
  ...(side === 7 ? [] : [{ name: 'winograd-tiled', side, tile: { side, bm: 64, bn: 64, micro: 4, chunk: 1 / 16 } }]),
]);

describe('Winograd against float64', () => {
  it.each(TILE_SIDES)('F(%i): its matrices convolve exactly', (m) => {
    const { input, output, filter } = algorithms[m];
    const d = Array.from(samples(m + 2, 4));
    const g = Array.from(samples(3, 5));
    const times = (a: readonly (readonly number[])[], v: readonly number[]) =>
      a.map((row) => row.reduce((sum, c, k) => sum + c * v[k], 0));
    const products = times(filter, g).map((value, k) => value * times(input, d)[k]);
    const found = times(output, products);
    expect(found).toHaveLength(m);
    found.forEach((value, i) => {
      expect(value).toBeCloseTo(g[0] * d[i] + g[1] * d[i + 1] + g[2] * d[i + 2], 12);
    });
  });

  it.each(cases.map((one) => [one.name, one] as const))('%s', async (_name, one) => {
    const { batch, h, w, cin, cout, padding } = one;
    const x = samples(batch * h * w * cin, 1);
    const g = samples(9 * cin * cout, 2);
    const dy = samples(batch * (h + 2 * padding[0] - 2) * (w + 2 * padding[1] - 2) * cout, 3);
    const expected = truth(one, x, g, dy);
    for (const { name, side, tile } of rungs.filter(({ name }) => name !== one.without)) {
      for (const kernel of kernels) device.tuner.force(kernel.name, name, tile);
      const found = await run(one, x, g, dy);
      const again = await run(one, x, g, dy);
      for (const kernel of kernels) device.tuner.force(kernel.name, undefined);
      for (const [i, label] of labels.entries()) {
        const e = error(found[i], expected[i]);
        expect(e, `${name}: ${label}, tiles of ${side} × ${side}`).toBeLessThan(BOUND[side]);
        expect(again[i], `${label} a second time`).toEqual(found[i]);
      }
    }
  });
});

const gpu: DeviceTraits = {
  ...{ family: 'tiled', software: false, subgroups: true, subgroupMinSize: 32, subgroupMaxSize: 32, shaderF16: true },
  ...{ winograd: true, textures: false, maxWorkgroupStorage: 49_152, maxInvocations: 1024, maxStorageBuffers: 16 },
};

describe.each([
  { name: 'winograd', family: 'lanes', few: 28, enough: 32, small: 8, sides: [2, 2, 2, 7, 5, 7] },
  { name: 'winograd-tiled', family: 'tiled', few: 60, enough: 64, small: 8, sides: [2, 2, 4, 4, 4, 4] },
] as const)('the choice of $name', ({ name, family, few, enough, small, sides }) => {
  const traits: DeviceTraits =
    family === 'tiled' ? gpu : { ...gpu, family, software: true, subgroupMinSize: 8, subgroupMaxSize: 8 };
  const shape = { batch: 8, h: 28, w: 28, cin: 128, oh: 28, ow: 28, cout: 128, groups: 1, kh: 3, kw: 3 };
  const params = { ...shape, strideY: 1, strideX: 1, paddingY: 1, paddingX: 1, dilationY: 1, dilationX: 1 };
  const p = { ...params, activation: 0, slope: 1 };
  const rung = (kernel: (typeof kernels)[number]) => kernel.variants.find((v) => v.name === name);

  it.each(kernels.map((kernel) => [kernel.name, kernel] as const))('WINOGRAD=0 forbids it: %s', (_name, kernel) => {
    expect(rung(kernel)?.suits?.(p, traits)).toBe(true);
    expect(rung(kernel)?.supports?.(p, traits)).toBe(true);
    // Nor may the tuner measure it, or take it from an earlier measurement.
    expect(rung(kernel)?.supports?.(p, { ...traits, winograd: false })).toBe(false);
  });

  it('takes neither few channels nor little work, nor another window or stride', () => {
    const suits = (cin: number, cout: number, n: number) =>
      rung(conv2dKernel)?.suits?.({ ...p, cin, cout, h: n, w: n, oh: n, ow: n }, traits);
    expect([suits(enough, 80, 56), suits(few, 80, 56), suits(64, 64, small)]).toEqual([true, false, false]);
    for (const other of [{ kh: 1 }, { strideX: 2 }, { dilationY: 2 }, { groups: 2 }, { paddingY: 3 }, { cin: 126 }]) {
      expect(rung(conv2dKernel)?.supports?.({ ...p, ...other }, traits), JSON.stringify(other)).toBe(false);
    }
  });

  it('takes the tile that costs least, the smallest of like ones', () => {
    const side = (n: number) => rung(conv2dKernel)?.tiles?.({ ...p, h: n, w: n, oh: n, ow: n }, traits)[0]?.side;
    expect([1, 2, 4, 28, 25, 35].map(side)).toEqual(sides);
  });
});

it('what stands between the passes of a large layer on a GPU is bounded', () => {
  const vgg = { batch: 128, h: 224, w: 224, cin: 64, oh: 224, ow: 224, cout: 64, groups: 1, kh: 3, kw: 3 };
  const p = { ...vgg, strideY: 1, strideX: 1, paddingY: 1, paddingX: 1, dilationY: 1, dilationX: 1 };
  for (const kernel of kernels) {
    const rung = kernel.variants.find(({ name }) => name === 'winograd-tiled');
    for (const tile of rung?.tiles?.({ ...p, activation: 0, slope: 1 }, gpu) ?? []) {
      const bytes = Object.values(rung?.scratch?.({ ...p, activation: 0, slope: 1 }, tile) ?? {});
      expect(bytes.reduce((sum, n) => sum + n, 0)).toBeLessThan(256 * 2 ** 20);
      expect(bytes.length).toBeGreaterThan(2);
    }
  }
});
