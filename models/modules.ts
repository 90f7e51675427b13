/** Layers that only the models need; convolution, FC and batch norm are the engine's. */
import {
  dropout,
  flatten,
  type Initializer,
  Linear,
  Module,
  maxPool2d,
  type Generator as RandomGenerator,
  relu,
  seBlock,
  type Tensor,
} from '../engine/index.ts';
import { squeezed } from './layers.ts';

/** Squeeze and excitation (Hu et al. 2018), both FCs with bias. State: fc1.weight, fc1.bias, fc2.weight, fc2.bias. */
export class SEBlock extends Module {
  readonly fc1: Linear;
  readonly fc2: Linear;

  constructor(
    channels: number,
    reduction: number,
    options: { init: Initializer; biasInit: Initializer; generator: RandomGenerator },
  ) {
    super();
    const hidden = squeezed(channels, reduction);
    this.fc1 = new Linear(channels, hidden, options);
    this.fc2 = new Linear(hidden, channels, options);
  }

  forward(x: Tensor): Tensor {
    const { fc1, fc2 } = this;
    return seBlock(x, fc1.weight, fc2.weight, { bias1: fc1.bias, bias2: fc2.bias });
  }
}

/** 2 × 2 maximum with stride 2. */
export class MaxPool2d extends Module {
  readonly kernelSize = 2;

  forward(x: Tensor): Tensor {
    return maxPool2d(x, { kernelSize: this.kernelSize });
  }
}

export class Relu extends Module {
  forward(x: Tensor): Tensor {
    return relu(x);
  }
}

export class Flatten extends Module {
  forward(x: Tensor): Tensor {
    return flatten(x);
  }
}

/** Drops a share p of the values while training. */
export class Dropout extends Module {
  readonly #p: number;
  readonly #generator: RandomGenerator;

  constructor(p: number, generator: RandomGenerator) {
    super();
    this.#p = p;
    this.#generator = generator;
  }

  forward(x: Tensor): Tensor {
    return dropout(x, { p: this.#p, training: this.training, generator: this.#generator });
  }
}
