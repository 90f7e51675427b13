import { groupedKernel } from '../common/grouped.ts';
import type { Kernel } from '../kernel.ts';

/** One kernel for every number of tensors that may share a dispatch, from 1 on. */
const upTo = (most: number, kernel: (count: number) => Kernel): readonly Kernel[] =>
  Array.from({ length: most }, (_, i) => kernel(i + 1));

/** For one to four tensors, of four storage buffers each. */
export const adamKernels = upTo(4, (count) =>
  groupedKernel({
    name: 'adam',
    computes: 'm, v ← moments of gradient + decay · p;  p ← p − rate · m / (√v + eps)',
    base: import.meta.url,
    count,
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
  }),
);

/** SGD with momentum for one to five tensors, of three storage buffers each. */
export const momentumSgdKernels = upTo(5, (count) =>
  groupedKernel({
    name: 'momentumSgd',
    computes: 'b ← momentum · b + gradient + decay · p;  p ← p − rate · b',
    base: import.meta.url,
    count,
    bindings: { gradient: 'read', parameter: 'update', velocity: 'update' },
    each: ['decay'],
    shared: ['rate', 'momentum'],
    body: (k) => `let p = parameter${k}[i];
    let b = params.momentum * velocity${k}[i] + gradient${k}[i] + params.decay${k} * p;
    velocity${k}[i] = b;
    parameter${k}[i] = p - params.rate * b;`,
    cost: { flops: 6, bytes: 20 },
  }),
);

/** SGD without momentum for one to seven tensors: two storage buffers and two numbers each. */
export const sgdKernels = upTo(7, (count) =>
  groupedKernel({
    name: 'sgd',
    computes: 'p ← p − rate · (gradient + decay · p)',
    base: import.meta.url,
    count,
    bindings: { gradient: 'read', parameter: 'update' },
    each: ['decay'],
    shared: ['rate'],
    body: (k) => `let p = parameter${k}[i];
    parameter${k}[i] = p - params.rate * (gradient${k}[i] + params.decay${k} * p);`,
    cost: { flops: 4, bytes: 12 },
  }),
);
