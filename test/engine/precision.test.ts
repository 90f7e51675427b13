import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  biMap,
  type Device,
  getFloat32MatmulPrecision,
  type MatmulPrecision,
  matmul,
  openDevice,
  program,
  setFloat32MatmulPrecision,
  type Tensor,
  tensor,
} from '../../engine/node.ts';
import type { Kernel } from '../../kernels/kernel.ts';
import { matmulKernel } from '../../kernels/matmul/matmul.ts';
import { samples } from '../gradcheck.ts';

const SIZE = 256;
const device: Device = await openDevice();
const sizes = { batch: 1, m: SIZE, n: SIZE, k: SIZE, transposeLeft: 0, transposeRight: 0, half: 1 };
/** Sizes small enough for a test are not worth rounding, so each rung that does so is forced in turn. */
const rungs = device.tuner
  .supported(matmulKernel as unknown as Kernel, sizes)
  .map(({ name }) => name)
  .filter((name) => name.endsWith('-half'));
afterAll(() => device.close());
afterEach(() => setFloat32MatmulPrecision('highest'));

const operand = (seed: number, scale = 1): Float32Array => samples(SIZE * SIZE, seed).map((v) => v * scale);
const square = (values: Float32Array): Tensor => tensor(values, [SIZE, SIZE]);

/** The product of a row and a column in float64, and the sum of the magnitudes of its terms. */
function exactly(a: Float32Array, b: Float32Array, row: number, column: number): { sum: number; magnitude: number } {
  let sum = 0;
  let magnitude = 0;
  for (let k = 0; k < SIZE; k++) {
    const term = a[row * SIZE + k] * b[k * SIZE + column];
    sum += term;
    magnitude += Math.abs(term);
  }
  return { sum, magnitude };
}

/** The largest error of any element, as a share of the sum of the magnitudes of its terms. */
async function errorOf(precision: MatmulPrecision, a: Float32Array, b: Float32Array): Promise<number> {
  setFloat32MatmulPrecision(precision);
  const found = await matmul(square(a), square(b)).floats();
  let worst = 0;
  for (let i = 0; i < found.length; i++) {
    const { sum, magnitude } = exactly(a, b, Math.floor(i / SIZE), i % SIZE);
    const error = Math.abs(found[i] - sum) / magnitude;
    if (Number.isNaN(error)) return error;
    worst = Math.max(worst, error);
  }
  return worst;
}

describe.each(rungs.length > 0 ? rungs : [undefined])('setFloat32MatmulPrecision, products by %s', (rung) => {
  beforeAll(() => device.tuner.force('*', rung));
  afterAll(() => device.tuner.force('*', undefined));

  it('is highest unless told otherwise, and refuses other words', () => {
    expect(getFloat32MatmulPrecision()).toBe('highest');
    expect(() => setFloat32MatmulPrecision('low' as MatmulPrecision)).toThrow(/"low" is not a precision/);
    expect(getFloat32MatmulPrecision()).toBe('highest');
  });

  it('bounds the error against float64', async () => {
    const [a, b] = [operand(1), operand(2)];
    // One rounding of 2⁻²⁴ per product and addition, in the worst case.
    expect(await errorOf('highest', a, b)).toBeLessThan(SIZE * 2 ** -24);
    // Two operands, each rounded by at most 2⁻¹¹ of itself.
    const medium = await errorOf('medium', a, b);
    expect(medium).toBeLessThan(2 ** -10 + 2 ** -22 + SIZE * 2 ** -24);
    if (rung) expect(medium).toBeGreaterThan(2 ** -16); // halves were used
  });

  it('high is f32: the same bits as highest', async () => {
    const [a, b] = [square(operand(1)), square(operand(2))];
    const highest = await matmul(a, b).floats();
    setFloat32MatmulPrecision('high');
    expect(await matmul(a, b).floats()).toEqual(highest);
  });

  it.each([
    [1e6, 1e6],
    [1e30, 1e-30],
    [1e-20, 1e-12],
    [1e-30, 1e36],
    [3e38, 1e-3],
  ])('operands around %d and %d, far outside the range of halves, lose no more', async (left, right) => {
    const error = await errorOf('medium', operand(1, left), operand(2, right));
    expect(error).toBeLessThan(2 ** -10 + 2 ** -22 + SIZE * 2 ** -24);
  });

  it('a wide spread within one operand loses only what is below 2⁻³⁹ of its largest value', async () => {
    const a = operand(1);
    a[0] = 1e9; // row 0; the others have values around 1, 30 powers of two below
    setFloat32MatmulPrecision('medium');
    const b = operand(2);
    const found = await matmul(square(a), square(b)).floats();
    for (let i = SIZE; i < found.length; i++) {
      const { sum, magnitude } = exactly(a, b, Math.floor(i / SIZE), i % SIZE);
      // Halves below 2⁻¹⁴ lie 2⁻²⁴ apart: an absolute error of 2⁻²⁵ · 1e9 / 2¹⁴ at most for each value of row i.
      expect(Math.abs(found[i] - sum)).toBeLessThan(2 ** -10 * magnitude + SIZE * 2 ** -25 * (1e9 / 2 ** 14));
    }
  });

  it('an infinity or a NaN stays where f32 has it', async () => {
    for (const bad of [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN]) {
      const a = operand(1);
      a[5 * SIZE + 7] = bad;
      const [left, right] = [square(a), square(operand(2))];
      const highest = await matmul(left, right).floats();
      setFloat32MatmulPrecision('medium');
      const medium = await matmul(left, right).floats();
      setFloat32MatmulPrecision('highest');
      const kind = (v: number): number | boolean => (Number.isFinite(v) ? true : v);
      expect(Array.from(medium, kind)).toEqual(Array.from(highest, kind));
      expect(Number.isFinite(medium[5 * SIZE])).toBe(false);
    }
  });

  it('zeros stay zeros', async () => {
    setFloat32MatmulPrecision('medium');
    const zero = await matmul(square(new Float32Array(SIZE * SIZE)), square(operand(1))).floats();
    expect(zero.every((v) => v === 0)).toBe(true);
  });

  it('a program keeps the precision it was traced with', async () => {
    const [a, b] = [square(operand(1)), square(operand(2))];
    const highest = await matmul(a, b).floats();
    setFloat32MatmulPrecision('medium');
    const medium = await matmul(a, b).floats();
    const traced = program(() => matmul(a, b));
    expect(await (await traced.run()).floats()).toEqual(medium);
    setFloat32MatmulPrecision('highest');
    expect(await (await traced.run()).floats()).toEqual(medium);
    traced.dispose();
    expect(await matmul(a, b).floats()).toEqual(highest);
    if (rung) expect(medium).not.toEqual(highest);
  });

  it('an operation keeps the precision it was recorded with, whenever it runs', async () => {
    const [a, b] = [square(operand(1)), square(operand(2))];
    const highest = matmul(a, b);
    setFloat32MatmulPrecision('medium');
    const medium = matmul(a, b);
    setFloat32MatmulPrecision('highest');
    const again = matmul(a, b);
    expect(await highest.floats()).toEqual(await again.floats());
    if (rung) expect(await medium.floats()).not.toEqual(await again.floats());
  });

  it('leaves the spectral layers in f32', async () => {
    const matrices = tensor(samples(2 * SIZE * SIZE, 1), [2, SIZE, SIZE]);
    const weight = tensor(samples(SIZE * 128, 2), [SIZE, 128]);
    const highest = await biMap(matrices, weight).floats();
    setFloat32MatmulPrecision('medium');
    expect(await biMap(matrices, weight).floats()).toEqual(highest);
  });
});
