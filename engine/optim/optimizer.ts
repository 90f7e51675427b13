import { grouped } from '../../kernels/common/grouped.ts';
import type { Kernel } from '../../kernels/kernel.ts';
import { CheckpointError, ConfigError } from '../errors.ts';
import type { StateDict } from '../nn/module.ts';
import type { Parameter } from '../nn/parameter.ts';
import { fillInto, zeros } from '../ops/fill.ts';
import { platform } from '../platform.ts';
import { HostScalar, type ParamValue } from '../runtime/commands.ts';
import type { Storage } from '../runtime/memory.ts';
import { noGrad } from '../tape.ts';
import { formatShape, type Tensor } from '../tensor.ts';
import { stiefelRetract, stiefelTangent } from './stiefel.ts';

export interface OptimizerOptions {
  /** Learning rate; `optimizer.lr` may be set between steps, also of a replayed program. */
  readonly lr: number;
  /** Coupled L2: the gradient of weightDecay / 2 · ‖p‖² is added to the gradient. Default 0. */
  readonly weightDecay?: number;
  /** Which parameters decay. Default: those of role 'weight' (no bias, norm, BiMap or centre). */
  readonly decays?: (parameter: Parameter) => boolean;
}

/** A parameter with its gradient, as the update sees it. */
export interface Update {
  readonly index: number;
  readonly parameter: Parameter;
  readonly gradient: Tensor;
  readonly decay: number;
}

/**
 * What Adam and SGD share. Create it outside the step: its state lives across steps. Parameters without a gradient are
 * left alone, as in PyTorch. Those of role 'stiefel' take the tangent of their gradient and are brought back to
 * orthonormal columns by a sign-fixed QR.
 */
export abstract class Optimizer {
  lr: number;
  /** Steps taken. */
  steps = 0;
  readonly parameters: readonly Parameter[];
  readonly names: readonly string[];
  readonly #weightDecay: number;
  readonly #decays: (parameter: Parameter) => boolean;
  /** Gradients that live across steps, to accumulate into. */
  readonly #prepared = new Set<Parameter>();

  /** Parameters with their names (`model.namedParameters()`); the names are the keys of the state. */
  constructor(parameters: Iterable<readonly [string, Parameter]>, options: OptimizerOptions) {
    const entries = [...parameters];
    const { lr, weightDecay = 0 } = options;
    if (!entries.every(Array.isArray)) {
      throw new ConfigError('An optimiser needs parameters with their names; parameters alone were given.', {
        remedy: 'Pass model.namedParameters(), where PyTorch takes model.parameters().',
      });
    }
    if (!(lr >= 0 && weightDecay >= 0)) {
      throw new ConfigError(`An optimiser with lr ${lr} and weightDecay ${weightDecay}.`, {
        remedy: 'Needed: lr ≥ 0 and weightDecay ≥ 0.',
      });
    }
    this.names = entries.map(([name]) => name);
    this.parameters = entries.map(([, parameter]) => parameter);
    this.lr = lr;
    this.#weightDecay = weightDecay;
    this.#decays = options.decays ?? ((parameter) => parameter.role === 'weight');
  }

  /** Applies the updates; `gradient` is final but for the decay. */
  protected abstract update(updates: readonly Update[]): void;

  /** The state tensors by kind, each in the order of the parameters. */
  protected abstract state(): Readonly<Record<string, readonly Tensor[]>>;

  /** Moves every parameter that has a gradient. Part of the step: call it eagerly or inside a program. */
  step(): void {
    noGrad(() => {
      const updates: Update[] = [];
      for (const [index, parameter] of this.parameters.entries()) {
        if (!parameter.grad) continue;
        const stiefel = parameter.role === 'stiefel';
        updates.push({
          index,
          parameter,
          gradient: stiefel ? stiefelTangent(parameter, parameter.grad) : parameter.grad,
          decay: this.#decays(parameter) ? this.#weightDecay : 0,
        });
      }
      const device = this.parameters[0]?.device;
      device?.effect(() => {
        this.steps++;
      });
      this.update(updates);
      for (const { parameter } of updates) if (parameter.role === 'stiefel') stiefelRetract(parameter);
    });
  }

  /**
   * Creates gradients of zeros that live across steps, for accumulation: `backward()` adds to them, in this and in
   * other programs, until `zeroGrad()`. Call it outside the step.
   */
  prepareGradients(): void {
    for (const parameter of this.parameters) {
      if (this.#prepared.has(parameter)) continue;
      parameter.grad = zeros(parameter.shape, { device: parameter.device, label: 'accumulated gradient' }).keep();
      this.#prepared.add(parameter);
    }
  }

  /** Prepared gradients become zeros again; others are dropped. */
  zeroGrad(): void {
    for (const parameter of this.parameters) {
      if (!parameter.grad) continue;
      if (this.#prepared.has(parameter)) fillInto(parameter.grad, 0);
      else {
        parameter.grad.dispose();
        parameter.grad = undefined;
      }
    }
  }

  /** Runs `kernels[n − 1]` for n updates at a time: as many as there are kernels for and as the adapter binds buffers for. */
  protected inGroups(
    updates: readonly Update[],
    kernels: readonly Kernel[],
    buffers: (update: Update) => Readonly<Record<string, Storage>>,
    scalars: Readonly<Record<string, ParamValue>>,
  ): void {
    if (updates.length === 0) return;
    const { device } = updates[0].parameter;
    const fitting = Math.floor(device.traits.maxStorageBuffers / Object.keys(kernels[0].bindings).length);
    const size = platform().env('GROUP') === '0' ? 1 : Math.min(kernels.length, fitting);
    for (let at = 0; at < updates.length; at += size) {
      const group = updates.slice(at, at + size);
      const numbers = grouped(group, ({ parameter, decay }) => ({ size: parameter.size, decay }));
      device.run(kernels[group.length - 1], grouped(group, buffers), { ...numbers, ...scalars });
    }
  }

  /** A value that the host computes anew at every step. */
  protected perStep(read: () => number): HostScalar {
    return new HostScalar(read);
  }

  /** Moments in the engine's order, and the number of steps. */
  async stateDict(): Promise<StateDict> {
    const out: StateDict = new Map();
    for (const [kind, tensors] of Object.entries(this.state())) {
      for (const [i, tensor] of tensors.entries()) {
        out.set(`${kind}.${this.names[i]}`, { shape: tensor.shape, data: await tensor.floats() });
      }
    }
    out.set('steps', { shape: [1], data: Float32Array.of(this.steps) });
    return out;
  }

  /** Takes back what `stateDict()` gave; refuses a state of other parameters. */
  loadStateDict(state: ReadonlyMap<string, { readonly shape: readonly number[]; readonly data: Float32Array }>): void {
    const own = new Map<string, Tensor>();
    for (const [kind, tensors] of Object.entries(this.state())) {
      for (const [i, tensor] of tensors.entries()) own.set(`${kind}.${this.names[i]}`, tensor);
    }
    for (const [name, tensor] of own) {
      const found = state.get(name);
      if (!found || formatShape(found.shape) !== formatShape(tensor.shape)) {
        throw new CheckpointError(
          `The optimiser's ${name} is ${found ? formatShape(found.shape) : 'missing'}; ${formatShape(tensor.shape)} is needed.`,
          { remedy: 'Resume with the model and options that the run was started with.' },
        );
      }
    }
    for (const [name, tensor] of own) tensor.write(state.get(name)?.data ?? []);
    this.steps = state.get('steps')?.data[0] ?? 0;
  }

  dispose(): void {
    for (const tensors of Object.values(this.state())) for (const tensor of tensors) tensor.dispose();
    for (const parameter of this.#prepared) {
      parameter.grad?.dispose();
      parameter.grad = undefined;
    }
  }

  /** Zeros like every parameter. */
  protected zerosLike(label: string): Tensor[] {
    return this.parameters.map((p) => zeros(p.shape, { device: p.device, label }).keep());
  }
}
