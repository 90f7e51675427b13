import { defineKernel, generated, wgsl, workgroupsFor } from '../kernel.ts';

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

/** adam.wgsl for four tensors: workgroups [start_k, start_k+1) belong to tensor k. */
function adam4(): string {
  const each = (f: (k: number) => string): string => Array.from({ length: ADAM_GROUP }, (_, k) => f(k)).join('\n');
  return `// Adam for four tensors in one dispatch; the formula and one invocation's share are adam.wgsl's.
requires immediate_address_space;

struct Params {
  size0: u32, size1: u32, size2: u32, size3: u32,
  decay0: f32, decay1: f32, decay2: f32, decay3: f32,
  rate: f32, eps: f32, beta1: f32, beta2: f32,
}
var<immediate> params: Params;

${each(
  (k) => `@group(0) @binding(${4 * k}) var<storage, read> gradient${k}: array<vec4f>;
@group(0) @binding(${4 * k + 1}) var<storage, read_write> parameter${k}: array<vec4f>;
@group(0) @binding(${4 * k + 2}) var<storage, read_write> m${k}: array<vec4f>;
@group(0) @binding(${4 * k + 3}) var<storage, read_write> v${k}: array<vec4f>;`,
)}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) wid: vec3u, @builtin(num_workgroups) count: vec3u, @builtin(local_invocation_index) lane: u32) {
  var group = wid.y * count.x + wid.x;
${each(
  (k) => `  let groups${k} = (params.size${k} + 255u) / 256u;
  if (group < groups${k}) {
    let i = group * 64u + lane;
    if (i * 4u >= params.size${k}) { return; }
    let p = parameter${k}[i];
    let g = gradient${k}[i] + params.decay${k} * p;
    let mi = params.beta1 * m${k}[i] + (1.0 - params.beta1) * g;
    let vi = params.beta2 * v${k}[i] + (1.0 - params.beta2) * g * g;
    m${k}[i] = mi;
    v${k}[i] = vi;
    parameter${k}[i] = p - params.rate * mi / (sqrt(vi) + params.eps);
    return;
  }
  group -= groups${k};`,
)}
}
`;
}

export const adam4Kernel = defineKernel({
  name: 'adam4',
  computes: 'adam for four tensors',
  bindings: {
    gradient0: 'read',
    parameter0: 'update',
    m0: 'update',
    v0: 'update',
    gradient1: 'read',
    parameter1: 'update',
    m1: 'update',
    v1: 'update',
    gradient2: 'read',
    parameter2: 'update',
    m2: 'update',
    v2: 'update',
    gradient3: 'read',
    parameter3: 'update',
    m3: 'update',
    v3: 'update',
  },
  params: {
    size0: 'u32',
    size1: 'u32',
    size2: 'u32',
    size3: 'u32',
    decay0: 'f32',
    decay1: 'f32',
    decay2: 'f32',
    decay3: 'f32',
    rate: 'f32',
    eps: 'f32',
    beta1: 'f32',
    beta2: 'f32',
  },
  cost: ({ size0, size1, size2, size3 }) => ({
    flops: 14 * (size0 + size1 + size2 + size3),
    bytes: 28 * (size0 + size1 + size2 + size3),
  }),
  variants: [
    {
      name: 'vec4',
      adds: 'one dispatch for four tensors: small ones cost a dispatch, not their bytes',
      passes: ({ size0, size1, size2, size3 }) => [
        {
          source: generated(import.meta.url, 'adam4', adam4),
          workgroups: workgroupsFor(
            [size0, size1, size2, size3].reduce((n, size) => n + Math.ceil(size / 256), 0),
            1,
          ),
        },
      ],
    },
  ],
});
