import { groupedKernel } from '../common/grouped.ts';
import { defineKernel, wgsl, workgroupsFor } from '../kernel.ts';

export const adamKernel = defineKernel({
  name: 'adam',
  computes: 'm, v ← moments of gradient + decay · p;  p ← p − rate · m / (√v + eps)',
  bindings: { gradient: 'read', parameter: 'update', m: 'update', v: 'update' },
  params: { size: 'u32', rate: 'f32', eps: 'f32', beta1: 'f32', beta2: 'f32', decay: 'f32' },
  cost: ({ size }) => ({ flops: 14 * size, bytes: 28 * size }),
  variants: [
    {
      name: 'vec4',
      adds: 'one vec4 per invocation',
      passes: ({ size }) => [{ source: wgsl(import.meta.url, 'adam.wgsl'), workgroups: workgroupsFor(size, 256) }],
    },
  ],
});

export const sgdKernel = defineKernel({
  name: 'sgd',
  computes: 'b ← momentum · b + gradient + decay · p;  p ← p − rate · b',
  bindings: { gradient: 'read', parameter: 'update', velocity: 'update' },
  params: { size: 'u32', rate: 'f32', momentum: 'f32', decay: 'f32' },
  cost: ({ size }) => ({ flops: 6 * size, bytes: 20 * size }),
  variants: [
    {
      name: 'vec4',
      adds: 'one vec4 per invocation',
      passes: ({ size }) => [{ source: wgsl(import.meta.url, 'sgd.wgsl'), workgroups: workgroupsFor(size, 256) }],
    },
  ],
});

/** Tensors that one dispatch of `adam4` updates: four storage buffers each. */
export const ADAM_GROUP = 4;

/** adam.wgsl's formula. */
export const adam4Kernel = groupedKernel({
  name: 'adam4',
  computes: 'adam for four tensors',
  base: import.meta.url,
  count: ADAM_GROUP,
  bindings: { gradient: 'read', parameter: 'update', m: 'update', v: 'update' },
  each: ['decay'],
  shared: ['rate', 'eps', 'beta1', 'beta2'],
  body: (k) => `let p = parameter${k}[i];
    let g = gradient${k}[i] + params.decay${k} * p;
    let mi = params.beta1 * m${k}[i] + (1.0 - params.beta1) * g;
    let vi = params.beta2 * v${k}[i] + (1.0 - params.beta2) * g * g;
    m${k}[i] = mi;
    v${k}[i] = vi;
    parameter${k}[i] = p - params.rate * mi / (sqrt(vi) + params.eps);`,
  cost: { flops: 14, bytes: 28 },
});

/** Tensors that one dispatch of `sgd5` updates: three storage buffers each. */
export const SGD_GROUP = 5;

/** sgd.wgsl's formula. */
export const sgd5Kernel = groupedKernel({
  name: 'sgd5',
  computes: 'sgd for five tensors',
  base: import.meta.url,
  count: SGD_GROUP,
  bindings: { gradient: 'read', parameter: 'update', velocity: 'update' },
  each: ['decay'],
  shared: ['rate', 'momentum'],
  body: (k) => `let p = parameter${k}[i];
    let b = params.momentum * velocity${k}[i] + gradient${k}[i] + params.decay${k} * p;
    velocity${k}[i] = b;
    parameter${k}[i] = p - params.rate * b;`,
  cost: { flops: 6, bytes: 20 },
});
