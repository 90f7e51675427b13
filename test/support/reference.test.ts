import { describe, expect, it } from 'vitest';
import { referenceCases } from '../reference.ts';

describe.each(['gemm', 'pointwise', 'spectral', 'optim'])('reference file ops/%s', (family) => {
  const cases = referenceCases(family);

  it('gives every case inputs and a result', () => {
    for (const { name, inputs, outputs } of cases) {
      expect(inputs.size, name).toBeGreaterThan(0);
      expect(outputs.size, name).toBeGreaterThan(0);
    }
  });

  it('gives every differentiable case a gradient of the shape of its input', () => {
    for (const { name, inputs, gradOutputs, grads } of cases) {
      if (gradOutputs.size > 0) expect(grads.size, name).toBeGreaterThan(0);
      for (const [input, grad] of grads) expect(grad.shape, `${name} ${input}`).toEqual(inputs.get(input)?.shape);
    }
  });

  it('holds finite numbers only', () => {
    for (const one of cases) {
      for (const map of [one.inputs, one.outputs, one.gradOutputs, one.grads, one.tangents]) {
        for (const [key, { data }] of map) expect(data.every(Number.isFinite), `${one.name} ${key}`).toBe(true);
      }
    }
  });
});
