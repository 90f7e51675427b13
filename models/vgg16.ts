/**
 * VGG16 (Simonyan & Zisserman 2014, configuration D) with torchvision's state-dictionary keys: `features.N.weight` where
 * N counts convolutions, ReLUs and pools, and `classifier.0`, `classifier.3`, `classifier.6`.
 */
import { ConfigError } from '../engine/index.ts';
import { type Layer, type NetworkPlan, scaled } from './layers.ts';

export interface Vgg16Config {
  /** 1000 for ImageNet weights. Default 1000. */
  readonly classes: number;
  /** Side of the square picture. Default 224; the FC layers fit only weights made for the same size. */
  readonly imageSize: number;
  /** Factor on every channel and unit count but the classes. Default 1. */
  readonly width: number;
  /** Default 0.5. */
  readonly dropout: number;
  /** Everything up to and with this pool keeps its initial weights. Default 'none'. */
  readonly freezeUpTo: 'none' | Vgg16Pool;
  /** What the weights were trained with: torchvision's and timm's ImageNet mean and deviation, or Caffe's. */
  readonly preprocessing: 'imagenet' | 'caffe';
}

export const vgg16Defaults: Vgg16Config = {
  classes: 1000,
  imageSize: 224,
  width: 1,
  dropout: 0.5,
  freezeUpTo: 'none',
  preprocessing: 'imagenet',
};

const blocks = [
  [64, 64],
  [128, 128],
  [256, 256, 256],
  [512, 512, 512],
  [512, 512, 512],
] as const;

export const vgg16Pools = ['pool1', 'pool2', 'pool3', 'pool4', 'pool5'] as const;
export type Vgg16Pool = (typeof vgg16Pools)[number];

/** The convolutional part up to and with a pool; 224×224 pictures leave pool4 as 14×14×512. */
export function vgg16Features(upTo: Vgg16Pool, config: Pick<Vgg16Config, 'imageSize' | 'width'>): NetworkPlan {
  const { imageSize, width } = config;
  const count = vgg16Pools.indexOf(upTo) + 1;
  if (imageSize < 2 ** count) {
    throw new ConfigError(`VGG16 cannot halve ${imageSize} pixels ${count} times.`, {
      remedy: `Choose an image size of at least ${2 ** count}.`,
    });
  }
  const layers: Layer[] = [];
  let index = 0;
  for (const block of blocks.slice(0, count)) {
    for (const channels of block) {
      const conv = {
        channels: scaled(channels, width),
        kernelSize: 3,
        padding: 1,
        bias: true,
        activation: 'relu',
      } as const;
      layers.push({ kind: 'conv2d', name: `features.${index}`, ...conv });
      index += 2; // the ReLU has a number of its own
    }
    layers.push({ kind: 'maxPool2d', name: `features.${index}` });
    index += 1;
  }
  return { input: [imageSize, imageSize, 3], layers, init: 'he' };
}

/** The layer that a pool is, by torchvision's key: pool4 is `features.23`. */
export const vgg16PoolLayer = (pool: Vgg16Pool): string =>
  vgg16Features(pool, { imageSize: 224, width: 1 }).layers.at(-1)?.name ?? '';

/** The whole classifier. */
export function vgg16Plan(config: Vgg16Config): NetworkPlan {
  const { input, layers } = vgg16Features('pool5', config);
  const hidden = scaled(4096, config.width);
  const linear = (name: string, features: number, activation: 'none' | 'relu'): Layer => ({
    kind: 'linear',
    name,
    features,
    bias: true,
    activation,
  });
  return {
    input,
    layers: [
      ...layers,
      { kind: 'flatten', name: 'flatten', order: 'chw' },
      linear('classifier.0', hidden, 'relu'),
      { kind: 'dropout', name: 'classifier.2', p: config.dropout },
      linear('classifier.3', hidden, 'relu'),
      { kind: 'dropout', name: 'classifier.5', p: config.dropout },
      linear('classifier.6', config.classes, 'none'),
    ],
    init: 'he',
    featuresAfter: 'classifier.3',
  };
}
