import { CheckpointError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { formatShape } from '../tensor.ts';
import { Parameter } from './parameter.ts';

/** State at the border: PyTorch's keys, shapes and order. */
export type StateDict = Map<string, { readonly shape: readonly number[]; readonly data: Float32Array }>;

export interface LoadReport {
  /** In the module, not in the state dict. */
  readonly missing: readonly string[];
  /** In the state dict, not in the module. */
  readonly unexpected: readonly string[];
}

/** PyTorch's batch norm counts its batches; ours, whose momentum is fixed, has no use for the number. */
function isBatchCount(name: string, own: ReadonlyMap<string, Parameter>): boolean {
  const count = 'num_batches_tracked';
  return name.endsWith(count) && own.has(`${name.slice(0, -count.length)}running_mean`);
}

/**
 * A tree of layers, PyTorch's way: parameters, running statistics and sub-modules are plain properties (or arrays of
 * modules), and their names are the properties' names.
 */
export abstract class Module {
  /** Whether batch norm uses batch statistics and dropout drops. Set by `train()` and `eval()`. */
  training = true;

  abstract forward(...inputs: Tensor[]): Tensor;

  /** Direct sub-modules, by property name; arrays count as `name.0`, `name.1`, … */
  *children(): Generator<[string, Module]> {
    for (const [name, value] of Object.entries(this)) {
      if (value instanceof Module) yield [name, value];
      else if (Array.isArray(value)) {
        for (const [i, item] of value.entries()) if (item instanceof Module) yield [`${name}.${i}`, item];
      }
    }
  }

  /** This module and all below it, with their dotted paths ('' for this one). */
  *namedModules(prefix = ''): Generator<[string, Module]> {
    yield [prefix, this];
    for (const [name, child] of this.children()) yield* child.namedModules(prefix ? `${prefix}.${name}` : name);
  }

  /** Parameters and running statistics, everything a state dict holds. */
  *namedState(prefix = ''): Generator<[string, Parameter]> {
    for (const [path, module] of this.namedModules(prefix)) {
      for (const [name, value] of Object.entries(module)) {
        if (value instanceof Parameter) yield [path ? `${path}.${name}` : name, value];
      }
    }
  }

  /** What an optimiser trains: `requiresGrad` is set. What layers share comes once, by its first name. */
  *namedParameters(prefix = ''): Generator<[string, Parameter]> {
    const seen = new Set<Parameter>();
    for (const [name, parameter] of this.namedState(prefix)) {
      if (!parameter.requiresGrad || seen.has(parameter)) continue;
      seen.add(parameter);
      yield [name, parameter];
    }
  }

  parameters(): Parameter[] {
    return [...this.namedParameters()].map(([, parameter]) => parameter);
  }

  train(mode = true): this {
    for (const [, module] of this.namedModules()) module.training = mode;
    return this;
  }

  eval(): this {
    return this.train(false);
  }

  /** Freezes (or thaws) all parameters below. */
  requireGrad(mode: boolean): this {
    for (const [, parameter] of this.namedState()) if (parameter.role !== 'statistic') parameter.requiresGrad = mode;
    return this;
  }

  /** Reads all state back from the GPU. */
  async stateDict(): Promise<StateDict> {
    const state: StateDict = new Map();
    for (const [name, parameter] of this.namedState()) {
      state.set(name, { shape: parameter.torchShape, data: await parameter.toTorch() });
    }
    return state;
  }

  /**
   * Overwrites the state. Shapes must agree. `strict` (the default) throws CheckpointError on missing or unexpected
   * keys; otherwise they are reported. Nothing is written unless everything fits. PyTorch's `num_batches_tracked` of a
   * batch norm is passed over.
   */
  loadStateDict(
    state: ReadonlyMap<string, { readonly shape: readonly number[]; readonly data: ArrayLike<number> }>,
    options: { strict?: boolean } = {},
  ): LoadReport {
    const own = new Map(this.namedState());
    const missing = [...own.keys()].filter((name) => !state.has(name));
    const unexpected = [...state.keys()].filter((name) => !own.has(name) && !isBatchCount(name, own));
    const misshapen: string[] = [];
    for (const [name, parameter] of own) {
      const found = state.get(name);
      if (!found) continue;
      if (formatShape(found.shape) !== formatShape(parameter.torchShape)) {
        misshapen.push(`${name} is ${formatShape(found.shape)}, the model has ${formatShape(parameter.torchShape)}`);
      } else if (found.data.length !== parameter.size) {
        misshapen.push(`${name} is ${formatShape(found.shape)} and has ${found.data.length} values`);
      }
    }
    const complaints = [...misshapen];
    if (options.strict ?? true) {
      if (missing.length > 0) complaints.push(`missing: ${missing.join(', ')}`);
      if (unexpected.length > 0) complaints.push(`unexpected: ${unexpected.join(', ')}`);
    }
    if (complaints.length > 0) {
      throw new CheckpointError(`The state does not fit the model:\n  ${complaints.join('\n  ')}`, {
        remedy: 'Build the model with the options it was saved with, or load with { strict: false } to take what fits.',
      });
    }
    for (const [name, parameter] of own) {
      const found = state.get(name);
      if (found) parameter.fromTorch(found.data);
    }
    return { missing, unexpected };
  }

  /** Frees every parameter. */
  dispose(): void {
    for (const [, parameter] of this.namedState()) parameter.dispose();
  }
}

/** Modules in a row; children are named 0, 1, 2, … */
export class Sequential extends Module {
  readonly layers: readonly Module[];

  constructor(layers: readonly Module[]) {
    super();
    this.layers = layers;
  }

  override *children(): Generator<[string, Module]> {
    for (const [i, layer] of this.layers.entries()) yield [String(i), layer];
  }

  forward(x: Tensor): Tensor {
    return this.layers.reduce((value, layer) => layer.forward(value), x);
  }
}
