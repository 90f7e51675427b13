import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readSafetensors, toFloat64 } from '../engine/safetensors.ts';

export interface ReferenceTensor {
  readonly shape: readonly number[];
  /** The stored float32 (or int32) values. */
  readonly data: Float64Array;
}

/** One op applied once, forward and backward, by PyTorch or numpy in float64; see test/reference/family.py. */
export interface ReferenceCase {
  readonly name: string;
  readonly op: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  /** By name: activations NHWC, parameters as PyTorch lays them out. */
  readonly inputs: ReadonlyMap<string, ReferenceTensor>;
  /** The differentiated output under '', others (running statistics, moved centres) by name. */
  readonly outputs: ReadonlyMap<string, ReferenceTensor>;
  /** What was sent into the backward pass, by output; empty where the op has no gradient. */
  readonly gradOutputs: ReadonlyMap<string, ReferenceTensor>;
  /** The gradient of each differentiable input. */
  readonly grads: ReadonlyMap<string, ReferenceTensor>;
  /** Gradients of orthonormal weights projected onto the Stiefel tangent space. */
  readonly tangents: ReadonlyMap<string, ReferenceTensor>;
}

/** All tensors of a reference file under test/reference, with its metadata parsed. */
export function readReferenceFile(path: string): {
  tensors: Map<string, ReferenceTensor>;
  metadata: Record<string, unknown>;
} {
  const file = readSafetensors(readFileSync(join(import.meta.dirname, 'reference', `${path}.safetensors`)));
  const tensors = new Map<string, ReferenceTensor>();
  for (const [name, stored] of file.tensors) tensors.set(name, { shape: stored.shape, data: toFloat64(stored) });
  const metadata: Record<string, unknown> = {};
  for (const [key, text] of Object.entries(file.metadata)) metadata[key] = JSON.parse(text);
  return { tensors, metadata };
}

/** The cases of one family ('gemm', 'pointwise', 'spectral', 'optim'), all or those of one op. */
export function referenceCases(family: string, op?: string): ReferenceCase[] {
  const { tensors, metadata } = readReferenceFile(`ops/${family}`);
  const described = metadata.cases as Record<string, { op: string; attributes: Record<string, unknown> }>;
  const roles = ['inputs', 'outputs', 'gradOutputs', 'grads', 'tangents'] as const;
  const prefixes = {
    input: 'inputs',
    output: 'outputs',
    grad_output: 'gradOutputs',
    grad: 'grads',
    tangent: 'tangents',
  };
  const cases = new Map(
    Object.entries(described).map(([name, about]) => {
      const maps = Object.fromEntries(roles.map((role) => [role, new Map<string, ReferenceTensor>()]));
      return [name, { name, ...about, ...(maps as Record<(typeof roles)[number], Map<string, ReferenceTensor>>) }];
    }),
  );
  for (const [key, tensor] of tensors) {
    const slash = key.lastIndexOf('/');
    const [, prefix = '', name = ''] = /^([a-z_]+)(?:\.(.+))?$/.exec(key.slice(slash + 1)) ?? [];
    const role = prefixes[prefix as keyof typeof prefixes] as (typeof roles)[number] | undefined;
    const owner = cases.get(key.slice(0, slash));
    if (!role || !owner) throw new Error(`ops/${family}: the tensor "${key}" belongs to no case`);
    owner[role].set(name, tensor);
  }
  const wanted = [...cases.values()].filter((one) => op === undefined || one.op === op);
  if (wanted.length === 0) throw new Error(`ops/${family} has no case of the op "${op}"`);
  return wanted;
}
