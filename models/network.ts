import {
  BatchNorm,
  Conv2d,
  flattenedLinearLayout,
  type Initializer,
  kaimingNormal,
  Linear,
  Module,
  type Generator as RandomGenerator,
  type Tensor,
  truncatedNormalInit,
  zerosInit,
} from '../engine/index.ts';
import { CovarianceHead } from './covariance-head.ts';
import { type ActivationShape, type Layer, type NetworkPlan, ruleOf } from './layers.ts';
import { Dropout, Flatten, MaxPool2d, Relu, SEBlock } from './modules.ts';

const initialisers: Readonly<Record<NetworkPlan['init'], Initializer>> = {
  truncatedNormal: truncatedNormalInit(0.1),
  he: kaimingNormal,
};

interface BuildContext {
  /** Size of one picture that goes into the layer. */
  readonly input: ActivationShape;
  /** The layer before and what goes into that one. */
  readonly previous: { readonly layer: Layer; readonly input: ActivationShape } | undefined;
  readonly weights: { readonly init: Initializer; readonly biasInit: Initializer; readonly generator: RandomGenerator };
}

type Builders = {
  readonly [K in Layer['kind']]: (layer: Extract<Layer, { kind: K }>, context: BuildContext) => Module;
};

const builders: Builders = {
  conv2d: ({ channels, kernelSize, padding, bias, activation }, { input, weights }) =>
    new Conv2d(input[2], channels, kernelSize, { padding, bias, activation, ...weights }),
  batchNorm: ({ eps, momentum, activation }, { input }) =>
    new BatchNorm(input[input.length - 1], { affine: 'shift', eps, momentum, activation }),
  maxPool2d: () => new MaxPool2d(),
  seBlock: ({ reduction }, { input, weights }) => new SEBlock(input[2], reduction, weights),
  covarianceHead: (layer, { input, weights }) => new CovarianceHead(input[2], layer, weights.generator),
  flatten: () => new Flatten(),
  linear: ({ features, bias, activation }, { input, previous, weights }) => {
    const channelsFirst = previous?.layer.kind === 'flatten' && previous.layer.order === 'chw';
    const [height, width, channels] = previous?.input ?? [];
    const layout = channelsFirst ? flattenedLinearLayout(height, width, channels) : undefined;
    return new Linear(input[0], features, { bias, activation, layout, ...weights });
  },
  relu: () => new Relu(),
  dropout: ({ p }, { weights }) => new Dropout(p, weights.generator),
};

/** A table of layers as modules in a row; their state-dictionary keys carry the layers' names. */
export class Network extends Module {
  readonly plan: NetworkPlan;
  readonly #layers: readonly (readonly [string, Module])[];

  /** Initial weights are drawn from `generator` in the order of the layers. */
  constructor(plan: NetworkPlan, generator: RandomGenerator) {
    super();
    this.plan = plan;
    const layers: (readonly [string, Module])[] = [];
    const weights = { init: initialisers[plan.init], biasInit: zerosInit, generator };
    let input = plan.input;
    let previous: BuildContext['previous'];
    for (const layer of plan.layers) {
      const build = builders[layer.kind] as (layer: Layer, context: BuildContext) => Module;
      layers.push([layer.name, build(layer, { input, previous, weights })]);
      previous = { layer, input };
      input = ruleOf(layer).output(layer, input);
    }
    this.#layers = layers;
  }

  override *children(): Generator<[string, Module]> {
    for (const [name, module] of this.#layers) yield [name, module];
  }

  /** Freezes every layer up to and with the one named. */
  freezeUpTo(layer: string): void {
    const last = this.#layers.findIndex(([name]) => name === layer);
    for (const [, module] of this.#layers.slice(0, last + 1)) module.requireGrad(false);
  }

  /** The last layer's output and that of the layer named `tap`. */
  run(x: Tensor, tap?: string): { output: Tensor; tapped: Tensor | undefined } {
    let output = x;
    let tapped: Tensor | undefined;
    for (let i = 0; i < this.#layers.length; i++) {
      const [name, module] = this.#layers[i];
      const next = this.#layers[i + 1]?.[1];
      // Two layers in one pass, where nobody looks in between: a batch norm inside the convolution before it (evaluation), a
      // pooling with the norm or the activation before it.
      const joins = name !== tap;
      if (joins && module instanceof Conv2d && next instanceof BatchNorm && next.folds) {
        output = module.forwardNorm(output, next);
        i++;
      } else if (joins && (module instanceof BatchNorm || module instanceof Conv2d) && next instanceof MaxPool2d) {
        output = module.forwardMaxPool(output, next.kernelSize);
        i++;
      } else output = module.forward(output);
      if (this.#layers[i][0] === tap) tapped = output;
    }
    return { output, tapped };
  }

  /** [batch, …the plan's input] → the last layer's output. */
  forward(x: Tensor): Tensor {
    return this.run(x).output;
  }
}
