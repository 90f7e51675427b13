import { sgdKernel } from '../../kernels/optim/optim.ts';
import type { Parameter } from '../nn/parameter.ts';
import type { Tensor } from '../tensor.ts';
import { Optimizer, type OptimizerOptions, type Update } from './optimizer.ts';

export interface SgdOptions extends OptimizerOptions {
  /** Default 0. The buffer starts at the first gradient, undampened, as in PyTorch. */
  readonly momentum?: number;
}

/** Stochastic gradient descent with momentum and coupled L2. */
export class SGD extends Optimizer {
  readonly momentum: number;
  readonly #velocity: readonly Tensor[];

  constructor(parameters: Iterable<readonly [string, Parameter]>, options: SgdOptions) {
    super(parameters, options);
    this.momentum = options.momentum ?? 0;
    this.#velocity = this.zerosLike('sgd velocity');
  }

  protected state(): Readonly<Record<string, readonly Tensor[]>> {
    return { momentum_buffer: this.#velocity };
  }

  protected update(updates: readonly Update[]): void {
    for (const { index, parameter, gradient, decay } of updates) {
      parameter.device.run(
        sgdKernel,
        { gradient: gradient.storage, parameter: parameter.storage, velocity: this.#velocity[index].storage },
        { size: parameter.size, rate: this.perStep(() => this.lr), momentum: this.momentum, decay },
      );
    }
  }
}
