import { grouped } from '../../kernels/common/grouped.ts';
import { SGD_GROUP, sgd5Kernel, sgdKernel } from '../../kernels/optim/optim.ts';
import { ConfigError } from '../errors.ts';
import type { Parameter } from '../nn/parameter.ts';
import type { Tensor } from '../tensor.ts';
import { Optimizer, type OptimizerOptions, type Update } from './optimizer.ts';

export interface SgdOptions extends OptimizerOptions {
  /** Default 0. The buffer starts at the first gradient, undampened, as in PyTorch. */
  readonly momentum?: number;
}

/**
 * Stochastic gradient descent with momentum and coupled L2. Five tensors share a dispatch where the adapter binds fifteen
 * buffers; `GROUP=0` gives each its own, with the same bits.
 */
export class SGD extends Optimizer {
  readonly momentum: number;
  readonly #velocity: readonly Tensor[];

  constructor(parameters: Iterable<readonly [string, Parameter]>, options: SgdOptions) {
    super(parameters, options);
    const { momentum = 0 } = options;
    if (!(momentum >= 0)) throw new ConfigError(`SGD: momentum ${momentum}.`, { remedy: 'Use a number ≥ 0.' });
    this.momentum = momentum;
    this.#velocity = this.zerosLike('sgd velocity');
  }

  protected state(): Readonly<Record<string, readonly Tensor[]>> {
    return { momentum_buffer: this.#velocity };
  }

  protected update(updates: readonly Update[]): void {
    const scalars = { rate: this.perStep(() => this.lr), momentum: this.momentum };
    const buffers = ({ index, parameter, gradient }: Update) => ({
      gradient: gradient.storage,
      parameter: parameter.storage,
      velocity: this.#velocity[index].storage,
    });
    const numbers = ({ parameter, decay }: Update) => ({ size: parameter.size, decay });
    this.inGroups(updates, SGD_GROUP, 3, (group) => {
      const { device } = group[0].parameter;
      if (group.length === 1) device.run(sgdKernel, buffers(group[0]), { ...numbers(group[0]), ...scalars });
      else device.run(sgd5Kernel, grouped(group, buffers), { ...grouped(group, numbers), ...scalars });
    });
  }
}
