import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Device, openDevice, stiefelRetract, stiefelTangent, tensor, zeros } from '../../engine/node.ts';
import { expectClose } from '../expect-close.ts';
import { samples } from '../gradcheck.ts';
import { referenceCases } from '../reference.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.close());

/** Householder QR in float64, the diagonal of R made positive. */
function qr(matrix: ArrayLike<number>, rows: number, columns: number): Float64Array {
  const r = Float64Array.from(matrix);
  const q = new Float64Array(rows * columns);
  for (let i = 0; i < columns; i++) q[i * columns + i] = 1;
  const reflectors: { v: Float64Array; norm: number }[] = [];
  for (let j = 0; j < columns; j++) {
    const v = new Float64Array(rows);
    let length = 0;
    for (let i = j; i < rows; i++) length += r[i * columns + j] ** 2;
    const alpha = -Math.sign(r[j * columns + j] || 1) * Math.sqrt(length);
    for (let i = j; i < rows; i++) v[i] = r[i * columns + j] - (i === j ? alpha : 0);
    const norm = v.reduce((s, x) => s + x * x, 0);
    reflectors.push({ v, norm });
    for (let c = j; c < columns; c++) {
      let dot = 0;
      for (let i = j; i < rows; i++) dot += v[i] * r[i * columns + c];
      for (let i = j; i < rows; i++) r[i * columns + c] -= ((2 * dot) / norm) * v[i];
    }
  }
  for (const { v, norm } of reflectors.reverse()) {
    for (let c = 0; c < columns; c++) {
      let dot = 0;
      for (let i = 0; i < rows; i++) dot += v[i] * q[i * columns + c];
      for (let i = 0; i < rows; i++) q[i * columns + c] -= ((2 * dot) / norm) * v[i];
    }
  }
  for (let j = 0; j < columns; j++) {
    if (r[j * columns + j] < 0) for (let i = 0; i < rows; i++) q[i * columns + j] *= -1;
  }
  return q;
}

describe('stiefelRetract', () => {
  it.each([
    [1, 1],
    [4, 4],
    [7, 5],
    [65, 33],
    [256, 128],
    [128, 64],
    [512, 256],
  ])('gives the sign-fixed Q of a %i × %i matrix', async (rows, columns) => {
    const values = samples(rows * columns, 3);
    const weight = tensor(values, [rows, columns]);
    stiefelRetract(weight);
    const found = await weight.floats();
    let worst = 0;
    for (let a = 0; a < columns; a++) {
      for (let b = 0; b <= a; b++) {
        let dot = a === b ? -1 : 0;
        for (let i = 0; i < rows; i++) dot += found[i * columns + a] * found[i * columns + b];
        worst = Math.max(worst, Math.abs(dot));
      }
    }
    expect(worst).toBeLessThan(1e-6);
    // A random square matrix is ill-conditioned, and its last column with it.
    const atol = rows === columns ? 1e-5 : 2e-6;
    expectClose(found, qr(values, rows, columns), { rtol: 0, atol, label: `Q of ${rows} × ${columns}` });
  });

  it('takes nearly dependent columns, and says nothing of it', async () => {
    const [rows, columns] = [96, 64];
    const values = samples(rows * columns, 5);
    // The second half repeats the first but for a thousandth.
    for (let r = 0; r < rows; r++)
      for (let c = 0; c < 32; c++)
        values[r * columns + 32 + c] = values[r * columns + c] + values[r * columns + 32 + c] / 1e3;
    const weight = tensor(values, [rows, columns]);
    stiefelRetract(weight);
    const found = await weight.floats();
    expectClose(found, qr(values, rows, columns), { rtol: 0, atol: 2e-3, label: 'Q' });
    for (let a = 0; a < columns; a++) {
      for (let b = 0; b <= a; b++) {
        let dot = a === b ? -1 : 0;
        for (let i = 0; i < rows; i++) dot += found[i * columns + a] * found[i * columns + b];
        expect(Math.abs(dot)).toBeLessThan(1e-6);
      }
    }
  });

  it.each(referenceCases('optim', 'signFixedQr').map((one) => [one.name, one] as const))('%s', async (_, one) => {
    const x = one.inputs.get('x');
    const expected = one.outputs.get('');
    if (!x || !expected) throw new Error('an incomplete reference');
    const weight = tensor(Float32Array.from(x.data), x.shape);
    stiefelRetract(weight);
    expectClose(await weight.floats(), expected.data, { rtol: 0, atol: 2e-6, label: one.name });
  });

  it('keeps an orthonormal weight and its signs, and refuses a wide one', async () => {
    const weight = tensor([0, -1, 1, 0, 0, 0], [3, 2]);
    stiefelRetract(weight);
    expect([...(await weight.floats())].map((x) => x + 0)).toEqual([0, -1, 1, 0, 0, 0]);
    expect(() => stiefelRetract(zeros([2, 3]))).toThrow(/rows ≥ columns/);
  });
});

describe('stiefelTangent', () => {
  it('removes what would change WᵀW', async () => {
    const [rows, columns] = [20, 6];
    const weight = tensor(samples(rows * columns, 5), [rows, columns]);
    stiefelRetract(weight);
    const tangent = await stiefelTangent(weight, tensor(samples(rows * columns, 8), [rows, columns])).floats();
    const w = await weight.floats();
    for (let a = 0; a < columns; a++) {
      for (let b = 0; b <= a; b++) {
        let change = 0;
        for (let i = 0; i < rows; i++) {
          change += w[i * columns + a] * tangent[i * columns + b] + tangent[i * columns + a] * w[i * columns + b];
        }
        expect(Math.abs(change)).toBeLessThan(1e-6);
      }
    }
  });
});
