import { momentumSgdKernels, sgdKernels } from '../../kernels/optim/optim.ts';
import { ConfigError } from '../errors.ts';
import type { Parameter } from '../nn/parameter.ts';
import type { Tensor } from '../tensor.ts';
import { Optimizer, type OptimizerOptions, type Update } from './optimizer.ts';

export interface SgdOptions extends OptimizerOptions {
  /** Default 0. The buffer starts at the first gradient, undampened, as in PyTorch. */
  readonly momentum?: number;
}

/**
 * Stochastic gradient descent with momentum and coupled L2. Up to five tensors share a dispatch, seven without
 * momentum, as many as the adapter binds buffers for; `GROUP=0` gives each its own, with the same bits.
 */
export class SGD extends Optimizer {
  readonly momentum: number;
  readonly #velocity: readonly Tensor[];

  constructor(parameters: Iterable<readonly [string, Parameter]>, options: SgdOptions) {
    super(parameters, options);
    this.momentum = options.momentum ?? 0;
    if (!(this.momentum >= 0)) {
      throw new ConfigError(`SGD: momentum ${this.momentum}.`, { remedy: 'Needed: momentum ≥ 0.' });
    }
    this.#velocity = this.momentum > 0 ? this.zerosLike('sgd velocity') : [];
  }

  protected state(): Readonly<Record<string, readonly Tensor[]>> {
    return { momentum_buffer: this.#velocity };
  }

  protected update(updates: readonly Update[]): void {
    const rate = this.perStep(() => this.lr);
    const plain = ({ parameter, gradient }: Update) => ({ gradient: gradient.storage, parameter: parameter.storage });
    if (this.momentum === 0) this.inGroups(updates, sgdKernels, plain, { rate });
    else {
      const buffers = (update: Update) => ({ ...plain(update), velocity: this.#velocity[update.index].storage });
      this.inGroups(updates, momentumSgdKernels, buffers, { rate, momentum: this.momentum });
    }
  }
}
