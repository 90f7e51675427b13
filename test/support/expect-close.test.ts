import { expect, it } from 'vitest';
import { expectClose } from '../expect-close.ts';

const fails = (run: () => void) => expect(run);

it('passes equal and close values and returns the share of the tolerance used', () => {
  expect(expectClose([1, 2, Infinity], new Float32Array([1, 2, Infinity]))).toBe(0);
  expect(expectClose([1.5], [1], { atol: 1, rtol: 0 })).toBe(0.5);
  expect(expectClose([102], [100], { atol: 0, rtol: 0.04 })).toBeCloseTo(0.5, 12);
});

it('names the worst index, both values, both errors and the share', () => {
  fails(() => expectClose([1, 2, 4], [1, 2.5, 2], { atol: 0.1, rtol: 0, label: 'bias' })).toThrow(
    /bias: 2 of 3 values outside.*\n.*index 2: actual 4, expected 2\n.*absolute error 2\.000e\+0, relative 1\.000e\+0, 2000 %/,
  );
});

it('never lets NaN, a wrong infinity or another length pass', () => {
  const loose = { atol: Infinity, rtol: 1 };
  fails(() => expectClose([NaN], [1], loose)).toThrow('index 0');
  fails(() => expectClose([1], [NaN], loose)).toThrow('index 0');
  fails(() => expectClose([NaN], [NaN], loose)).toThrow('index 0');
  fails(() => expectClose([Infinity], [1], loose)).toThrow('index 0');
  fails(() => expectClose([Infinity], [-Infinity], loose)).toThrow('index 0');
  fails(() => expectClose([1, 2], [1], loose)).toThrow('2 values found, 1 expected');
  fails(() => expectClose([1 + 1e-12], [1], { atol: 0, rtol: 0 })).toThrow('index 0');
});
