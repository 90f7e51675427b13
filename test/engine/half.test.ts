import { expect, it } from 'vitest';
import { floatToHalf, halfToFloat } from '../../engine/half.ts';

it('every half survives the way to a number and back', () => {
  for (let bits = 0; bits < 0x10000; bits++) {
    const value = halfToFloat(bits);
    if (Number.isNaN(value)) expect(Number.isNaN(halfToFloat(floatToHalf(value)))).toBe(true);
    else expect(floatToHalf(value)).toBe(bits);
  }
});

it.each([
  [1 + 2 ** -11, 1],
  [1 + 3 * 2 ** -11, 1 + 2 ** -9],
  [1 + 2 ** -11 + 2 ** -20, 1 + 2 ** -10],
  [65_519, 65_504],
  [65_520, Infinity],
  [-1e9, -Infinity],
  [2 ** -25, 0],
  [1.5 * 2 ** -25, 2 ** -24],
  [-(2 ** -30), -0],
])('%f rounds to %f', (value, expected) => {
  expect(halfToFloat(floatToHalf(value))).toBe(expected);
});
