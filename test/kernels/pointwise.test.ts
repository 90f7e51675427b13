import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as k from '../../engine/node.ts';
import { binaryKernel } from '../../kernels/elementwise/binary.ts';
import { unaryBackwardKernel, unaryKernel } from '../../kernels/elementwise/unary.ts';
import { stridedCopyKernel } from '../../kernels/layout/strided-copy.ts';
import { differenceGradientKernel } from '../../kernels/loss/difference.ts';
import {
  crossEntropyBackwardKernel,
  crossEntropyKernel,
  softmaxBackwardKernel,
  softmaxKernel,
} from '../../kernels/loss/loss.ts';
import {
  adaptiveAvgPoolKernels,
  avgPoolKernels,
  maxPoolBackwardKernel,
  maxPoolKernel,
} from '../../kernels/pool/pool.ts';
import { expandKernel, reduceKernel } from '../../kernels/reduce/reduce.ts';
import { seGatedKernel } from '../../kernels/se/se.ts';
import { expectClose } from '../expect-close.ts';
import { samples } from '../gradcheck.ts';

let device: k.Device;
beforeAll(async () => {
  device = await k.openDevice();
});
afterAll(() => device.close());

const kernels = [
  binaryKernel,
  unaryKernel,
  unaryBackwardKernel,
  stridedCopyKernel,
  differenceGradientKernel,
  softmaxKernel,
  softmaxBackwardKernel,
  crossEntropyKernel,
  crossEntropyBackwardKernel,
  maxPoolKernel,
  maxPoolBackwardKernel,
  avgPoolKernels.forward,
  avgPoolKernels.backward,
  adaptiveAvgPoolKernels.forward,
  adaptiveAvgPoolKernels.backward,
  reduceKernel,
  expandKernel,
  seGatedKernel,
];
const rungs = new Set(kernels.flatMap(({ variants }) => variants.map(({ name }) => name)));

interface Case {
  readonly name: string;
  readonly shapes: readonly (readonly number[])[];
  readonly op: (...inputs: k.Tensor[]) => k.Tensor;
}

/** Multiples of four and not, longer than one chunk (or one step of a walk) and not, single elements. */
const cases: Case[] = [
  ...[[1], [7], [4, 8], [3, 5, 130], [41, 977]].flatMap((shape): Case[] => [
    { name: `tanh ${shape}`, shapes: [shape], op: k.tanh },
    { name: `leakyRelu ${shape}`, shapes: [shape], op: (x) => k.leakyRelu(x, 0.2) },
    { name: `mul ${shape}`, shapes: [shape, shape], op: k.mul },
    { name: `mseLoss ${shape}`, shapes: [shape, shape], op: (x, y) => k.mseLoss(x, y) },
    { name: `l1Loss ${shape}`, shapes: [shape, shape], op: (x, y) => k.l1Loss(x, y) },
  ]),
  {
    name: 'mul gate',
    shapes: [
      [2, 3, 5, 8],
      [2, 1, 1, 8],
    ],
    op: k.mul,
  },
  {
    name: 'sub both ways',
    shapes: [
      [4, 1, 8],
      [1, 5, 8],
    ],
    op: k.sub,
  },
  {
    name: 'mul last',
    shapes: [
      [3, 5, 4],
      [3, 5, 1],
    ],
    op: k.mul,
  },
  { name: 'add scalar tensor', shapes: [[3, 8], []], op: k.add },
  { name: 'add channels', shapes: [[2, 3, 5, 8], [8]], op: k.add },
  { name: 'add channels of many', shapes: [[2, 31, 57, 12], [12]], op: k.add },
  { name: 'slice of many', shapes: [[3, 41, 57, 12]], op: (x) => k.slice(x, 1, 3, 38) },
  {
    name: 'div rows',
    shapes: [
      [6, 5],
      [6, 1],
    ],
    op: (x, y) => k.div(x, k.add(k.square(y), 1)),
  },
  ...[
    [3, 4, 5],
    [2, 70, 8],
    [1, 2000, 4],
    [1, 2000, 3],
    [5, 1028, 1],
    [1, 999, 1],
    [2, 20_000, 1],
    [3, 70, 512],
    [1, 70_000, 8],
    [2, 100, 601],
    [2, 1100, 36],
  ].flatMap((shape): Case[] => [
    { name: `sum ${shape}`, shapes: [shape], op: (x) => k.sum(x, 1) },
    { name: `mean all ${shape}`, shapes: [shape], op: (x) => k.mean(x) },
    { name: `amax ${shape}`, shapes: [shape], op: (x) => k.amax(x, 1) },
    { name: `sum outer ${shape}`, shapes: [shape], op: (x) => k.sum(x, [0, 2]) },
  ]),
  ...[
    [8, 12],
    [3, 8, 16],
    [2, 36, 68],
    [1, 260, 4],
  ].flatMap((shape): Case[] => [
    { name: `transpose ${shape}`, shapes: [shape], op: (x) => k.transpose(x, -1, -2) },
    { name: `transpose of a part ${shape}`, shapes: [shape], op: (x) => k.transpose(k.slice(x, 0, 0, 1), -1, 0) },
  ]),
  { name: 'transpose [5, 8]', shapes: [[5, 8]], op: (x) => k.transpose(x, 0, 1) },
  { name: 'permute to channels first', shapes: [[2, 6, 8, 12]], op: (x) => k.permute(x, [0, 3, 1, 2]) },
  { name: 'permute to channels last', shapes: [[2, 12, 4, 7]], op: (x) => k.permute(x, [0, 2, 3, 1]) },
  { name: 'permute, runs apart', shapes: [[4, 3, 2, 8]], op: (x) => k.permute(x, [3, 2, 1, 0]) },
  ...[
    [3, 3],
    [5, 8],
    [4, 130],
    [2, 600],
  ].flatMap(([rows, classes]): Case[] => {
    const labels = Uint32Array.from({ length: rows }, (_, i) => (i * 7) % classes);
    const hard = (x: k.Tensor, ignoreIndex?: number) => k.crossEntropy(x, k.tensor(labels), { ignoreIndex });
    return [
      { name: `softmax ${rows},${classes}`, shapes: [[rows, classes]], op: (x) => k.softmax(x) },
      { name: `logSoftmax ${rows},${classes}`, shapes: [[rows, classes]], op: (x) => k.logSoftmax(x) },
      { name: `crossEntropy ${rows},${classes}`, shapes: [[rows, classes]], op: (x) => hard(x) },
      {
        name: `crossEntropy, a row ignored ${rows},${classes}`,
        shapes: [[rows, classes]],
        op: (x) => hard(x, labels[1]),
      },
      {
        name: `crossEntropy, soft ${rows},${classes}`,
        shapes: [[rows, classes]],
        op: (x) => k.crossEntropy(x, k.tensor(samples(rows * classes, 5), [rows, classes]), { reduction: 'sum' }),
      },
    ];
  }),
  ...[3, 4, 12].flatMap((c): Case[] => [
    { name: `maxPool2d even ${c}`, shapes: [[2, 6, 8, c]], op: (x) => k.maxPool2d(x, { kernelSize: 2 }) },
    { name: `maxPool2d odd ${c}`, shapes: [[2, 7, 35, c]], op: (x) => k.maxPool2d(x, { kernelSize: 2 }) },
    { name: `maxPool2d 3×2 ${c}`, shapes: [[1, 8, 9, c]], op: (x) => k.maxPool2d(x, { kernelSize: [3, 2] }) },
    {
      name: `maxPool2d ceil ${c}`,
      shapes: [[2, 5, 7, c]],
      op: (x) => k.maxPool2d(x, { kernelSize: 2, ceilMode: true }),
    },
    {
      name: `maxPool2d overlapping ${c}`,
      shapes: [[2, 7, 6, c]],
      op: (x) => k.maxPool2d(x, { kernelSize: 3, stride: 2, padding: 1 }),
    },
    { name: `avgPool2d ${c}`, shapes: [[2, 7, 6, c]], op: (x) => k.avgPool2d(x, { kernelSize: 3, stride: 2 }) },
    { name: `adaptiveAvgPool2d ${c}`, shapes: [[2, 7, 6, c]], op: (x) => k.adaptiveAvgPool2d(x, [3, 4]) },
    { name: `globalAvgPool2d ${c}`, shapes: [[2, 13, 11, c]], op: k.globalAvgPool2d },
    { name: `permute ${c}`, shapes: [[2, 3, 5, c]], op: (x) => k.permute(x, [1, 0, 2, 3]) },
    { name: `slice ${c}`, shapes: [[2, 6, c]], op: (x) => k.slice(x, 1, 2, 5) },
    {
      name: `cat ${c}`,
      shapes: [
        [2, 6, c],
        [2, 3, c],
      ],
      op: (x, y) => k.cat([x, y], 1),
    },
    {
      name: `seBlock ${c}`,
      shapes: [
        [2, 5, 7, c],
        [c, 2],
        [2, c],
      ],
      op: (x, a, b) => k.seBlock(x, a, b),
    },
  ]),
];

/** The op's output and gradients with every kernel on the rung `name` that has it. */
async function run({ shapes, op }: Case, name: string): Promise<Float32Array[]> {
  device.tuner.force('*', name);
  const leaves = shapes.map((shape, i) => k.tensor(samples(k.sizeOf(shape), i + 1), shape, { requiresGrad: true }));
  const y = op(...leaves);
  k.backward(y, k.tensor(samples(y.size, 9), y.shape));
  const found = await Promise.all([y, ...leaves.map((leaf) => leaf.grad as k.Tensor)].map((t) => t.floats()));
  device.tuner.force('*', undefined);
  return found;
}

it('turns blocks where a transpose has whole ones at vec4, and nowhere else', () => {
  const transpose = (rows: number, columns: number, xOffset = 0): string =>
    device.tuner.rungs(stridedCopyKernel, {
      ...{ size: rows * columns, d1: 1, d2: columns, d3: rows, xOffset, x0: 0, x1: 0, x2: 1, x3: columns },
      ...{ outOffset: 0, o0: 0, o1: 0, o2: rows, o3: 1 },
    }).untuned.variant.name;
  expect([transpose(8, 12), transpose(260, 4)]).toEqual(['transposed', 'transposed']);
  expect([transpose(6, 12), transpose(8, 7), transpose(8, 12, 2)]).toEqual(['naive', 'naive', 'naive']);
});

describe('every rung agrees with the naive one', () => {
  for (const one of cases) {
    it(one.name, async () => {
      const naive = await run(one, 'naive');
      // A sum of n numbers below 1 carries a rounding error of up to n · 2⁻²⁴.
      const atol = 2e-5 + k.sizeOf(one.shapes[0]) * 2 ** -24;
      for (const rung of rungs) {
        if (rung === 'naive') continue;
        const found = await run(one, rung);
        for (const [i, values] of found.entries()) {
          expectClose(values, naive[i], { atol, label: `${rung} ${i === 0 ? 'output' : `gradient ${i}`}` });
        }
      }
    });
  }
});
