import { afterAll, beforeAll, expect, it } from 'vitest';
import { cat, type Device, openDevice, permute, ShapeError, slice, tensor } from '../../engine/node.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.close());

it('copies whole numbers bit by bit: as floats they would be tiny and might become 0', async () => {
  const a = tensor(Int32Array.of(1, -2, 3, 4, 5, 6), [2, 3]);
  const joined = cat([a, a], 0);
  expect(joined.dtype).toBe('i32');
  expect(await joined.data()).toEqual(Int32Array.of(1, -2, 3, 4, 5, 6, 1, -2, 3, 4, 5, 6));
  expect(await permute(a, [1, 0]).data()).toEqual(Int32Array.of(1, 4, -2, 5, 3, 6));
  expect(await slice(a, 1, 1, 3).data()).toEqual(Int32Array.of(-2, 3, 5, 6));
  const u = tensor(Uint32Array.of(7, 2 ** 31 + 5));
  expect(await cat([u, u], 0).data()).toEqual(Uint32Array.of(7, 2 ** 31 + 5, 7, 2 ** 31 + 5));
});

it('does not mix types, nor copy bytes', () => {
  expect(() => cat([tensor([1, 2]), tensor(Int32Array.of(1))], 0)).toThrow(ShapeError);
  expect(() => slice(tensor(Uint8Array.of(1, 2, 3, 4)), 0, 1, 2)).toThrow(/Only four-byte types/);
});
