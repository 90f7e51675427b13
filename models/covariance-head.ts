import {
  biMap,
  covarianceLogEig,
  flatten,
  Module,
  Parameter,
  type Generator as RandomGenerator,
  reshape,
  type Tensor,
} from '../engine/index.ts';
import type { CovarianceHeadLayer } from './layers.ts';
import { orthonormalColumns } from './orthonormal.ts';

/** A BiMap weight [rows, columns] with orthonormal columns, which the optimiser keeps so. */
class BiMap extends Module {
  readonly weight: Parameter;

  constructor(rows: number, columns: number, generator: RandomGenerator) {
    super();
    const values = orthonormalColumns(generator.normal(rows * columns), rows, columns);
    this.weight = new Parameter(values, [rows, columns], { role: 'stiefel', label: 'BiMap weight' });
  }

  forward(matrix: Tensor): Tensor {
    return biMap(matrix, this.weight);
  }
}

/**
 * Second-order head (Acharya et al. 2018): covariance of the channels over the positions, BiMap and ReEig per width,
 * LogEig, and the matrix as a vector. [batch, height, width, channels] → [batch, d²]. The last ReEig and LogEig share one
 * eigendecomposition.
 */
export class CovarianceHead extends Module {
  readonly biMaps: readonly BiMap[];
  readonly #layer: CovarianceHeadLayer;

  constructor(channels: number, layer: CovarianceHeadLayer, generator: RandomGenerator) {
    super();
    const sizes = [channels, ...layer.widths];
    this.biMaps = layer.widths.map((columns, i) => new BiMap(sizes[i], columns, generator));
    this.#layer = layer;
  }

  override *children(): Generator<[string, Module]> {
    for (const [i, layer] of this.biMaps.entries()) yield [`bimap${i + 1}`, layer];
  }

  forward(x: Tensor): Tensor {
    const [batch, height, width, channels] = x.shape;
    const { regulariser: eps, floor, ceiling, path } = this.#layer;
    const weights = this.biMaps.map((layer) => layer.weight);
    const positions = reshape(x, [batch, height * width, channels]);
    return flatten(covarianceLogEig(positions, weights, { eps, floor, ceiling, path }));
  }
}
