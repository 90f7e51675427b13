import { Module, noGrad, Generator as RandomGenerator, type Tensor } from '../engine/index.ts';
import {
  type ClassifierConfigs,
  type ClassifierName,
  classifierConfig,
  classifierPlan,
  extractorPlan,
} from './classifiers.ts';
import { type NetworkPlan, ruleOf } from './layers.ts';
import { Network } from './network.ts';
import { caffePreprocessing, imageNetPreprocessing, type Preprocessing } from './preprocessing.ts';
import { vgg16PoolLayer } from './vgg16.ts';

/** What a classifier computes from a batch. */
export interface ClassifierOutput {
  /** [batch, features]: what the centre and distance loss look at. */
  readonly features: Tensor;
  /** [batch, classes], before the softmax. */
  readonly logits: Tensor;
}

/** One of the classifiers: pictures in, features and logits out. */
export class Classifier extends Module {
  readonly name: ClassifierName;
  readonly config: ClassifierConfigs[ClassifierName];
  /** What is trained. */
  readonly network: Network;
  /** VGG16 up to pool4 in front of VFESO-DLSE, frozen; its state keys carry `extractor.`. */
  readonly extractor: Network | undefined;
  /** What the pictures went through before they come in here. */
  readonly preprocessing: Preprocessing;
  /** Draws the initial weights, then dropout's masks: its place belongs into a checkpoint. */
  readonly generator: RandomGenerator;

  constructor(name: ClassifierName, config: ClassifierConfigs[ClassifierName], seed: number) {
    super();
    this.name = name;
    this.config = config;
    this.generator = new RandomGenerator(seed);
    this.network = new Network(classifierPlan(name, config), this.generator);
    const extractor = extractorPlan(name, config);
    this.extractor = extractor && new Network(extractor, this.generator);
    this.extractor?.requireGrad(false);
    if ('freezeUpTo' in config && config.freezeUpTo !== 'none') {
      this.network.freezeUpTo(vgg16PoolLayer(config.freezeUpTo));
    }
    if (!('preprocessing' in config)) this.preprocessing = 'standardise';
    else this.preprocessing = config.preprocessing === 'caffe' ? caffePreprocessing : imageNetPreprocessing;
  }

  get plan(): NetworkPlan {
    return this.network.plan;
  }

  /** Length of the feature vector. */
  get features(): number {
    let shape = this.plan.input;
    for (const layer of this.plan.layers) {
      shape = ruleOf(layer).output(layer, shape);
      if (layer.name === this.plan.featuresAfter) return shape[0] ?? 0;
    }
    return 0;
  }

  /** The trained network's keys stand without a prefix. */
  override *children(): Generator<[string, Module]> {
    yield* this.network.children();
    if (this.extractor) yield ['extractor', this.extractor];
  }

  /** The extractor's output for pictures [batch, height, width, 3]; the pictures themselves where there is none. */
  extract(images: Tensor): Tensor {
    const { extractor } = this;
    return extractor ? noGrad(() => extractor.forward(images)) : images;
  }

  /** @param extracted what `extract` gave */
  classify(extracted: Tensor): ClassifierOutput {
    const { output, tapped } = this.network.run(extracted, this.plan.featuresAfter);
    return { features: tapped ?? output, logits: output };
  }

  /** Logits [batch, classes] of preprocessed pictures [batch, height, width, 3]. */
  forward(images: Tensor): Tensor {
    return this.classify(this.extract(images)).logits;
  }
}

/**
 * A classifier by name: `createModel('so-dlse', { width: 0.25, imageSize: 48 }, 7)`. The options are those of
 * docs/models.md; the seed fixes the initial weights.
 * @throws ConfigError naming the option that is wrong.
 */
export function createModel<N extends ClassifierName>(
  name: N,
  options: Partial<ClassifierConfigs[N]> = {},
  seed = 0,
): Classifier {
  return new Classifier(name, classifierConfig(name, options), seed);
}
