import { adamKernels } from '../../kernels/optim/optim.ts';
import { ConfigError } from '../errors.ts';
import type { Parameter } from '../nn/parameter.ts';
import type { Tensor } from '../tensor.ts';
import { Optimizer, type OptimizerOptions, type Update } from './optimizer.ts';

export interface AdamOptions extends OptimizerOptions {
  /** Decay of the two moments. Default [0.9, 0.999]. */
  readonly betas?: readonly [number, number];
  /** Default 1e-8; CovPoolFER and facenet use 0.1. */
  readonly eps?: number;
  /**
   * Where eps is added: to the bias-corrected root (PyTorch) or to the uncorrected one (TensorFlow 1). With eps = 0.1
   * the two train differently. Default 'pytorch'.
   */
  readonly epsPlacement?: 'pytorch' | 'tensorflow';
}

/**
 * Adam (Kingma & Ba 2015) with coupled L2. Up to four tensors share a dispatch, as many as the adapter binds buffers
 * for; `GROUP=0` gives each its own, with the same bits. Moments are corrected by the optimiser's steps: for a parameter that
 * is thawed later, PyTorch counts its own.
 */
export class Adam extends Optimizer {
  readonly betas: readonly [number, number];
  readonly eps: number;
  readonly epsPlacement: 'pytorch' | 'tensorflow';
  readonly #m: readonly Tensor[];
  readonly #v: readonly Tensor[];

  constructor(parameters: Iterable<readonly [string, Parameter]>, options: AdamOptions) {
    super(parameters, options);
    const { betas = [0.9, 0.999], eps = 1e-8, epsPlacement = 'pytorch' } = options;
    if (!betas.every((b) => b >= 0 && b < 1) || !(eps > 0)) {
      throw new ConfigError(`Adam: betas ${betas.join(', ')}, eps ${eps}.`, {
        remedy: 'Needed: 0 ≤ β < 1 and eps > 0.',
      });
    }
    this.betas = betas;
    this.eps = eps;
    this.epsPlacement = epsPlacement;
    this.#m = this.zerosLike('adam first moment');
    this.#v = this.zerosLike('adam second moment');
  }

  protected state(): Readonly<Record<string, readonly Tensor[]>> {
    return { exp_avg: this.#m, exp_avg_sq: this.#v };
  }

  protected update(updates: readonly Update[]): void {
    const [beta1, beta2] = this.betas;
    const root = (): number => Math.sqrt(1 - beta2 ** this.steps);
    const scalars = {
      rate: this.perStep(() => (this.lr * root()) / (1 - beta1 ** this.steps)),
      eps: this.perStep(() => (this.epsPlacement === 'pytorch' ? this.eps * root() : this.eps)),
      beta1,
      beta2,
    };
    this.inGroups(updates, adamKernels, (update) => this.#buffers(update), scalars);
  }

  #buffers({ index, parameter, gradient }: Update) {
    return {
      gradient: gradient.storage,
      parameter: parameter.storage,
      m: this.#m[index].storage,
      v: this.#v[index].storage,
    };
  }
}
