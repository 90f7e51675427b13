/**
 * The five classifiers of the paper, and VGG16 by itself, as tables of layers. Every point that the paper leaves open is an option here, with the reading
 * taken by default; docs/models.md explains each.
 */
import { ConfigError } from '../engine/index.ts';
import { type Layer, type NetworkPlan, scaled } from './layers.ts';
import { type Vgg16Config, vgg16Defaults, vgg16Features, vgg16Plan, vgg16Pools } from './vgg16.ts';

/** What all classifiers have. */
interface CommonConfig {
  /** Number of expressions. Default 3. */
  readonly classes: number;
  /** Side of the square picture in pixels. Default 100 (VFESO-DLSE: 224). */
  readonly imageSize: number;
  /** Factor on every channel and unit count but the classes and the bottleneck, for small presets. Default 1. */
  readonly width: number;
}

/** DLP-CNN's network (Li & Deng 2017): convolutions with bias, no batch norm, FC 2000. */
export interface DlpConfig extends CommonConfig {
  /** Units of the FC layer before the decision. Default 2000. */
  readonly fc: number;
}

/** Where SE blocks stand; the paper draws one and does not say where. */
export type SePosition = 'none' | 'before-covariance' | 'after-conv4' | 'after-every-conv';

/** What the covariance head and the layers after it are made of. */
export interface SecondOrderConfig extends CommonConfig {
  /** Sizes after each BiMap. Default [128, 64] (model-4 of Acharya et al. 2018); [128] is their model-1 and 2. */
  readonly biMap: readonly number[];
  /** FC layers before the decision; the last one's output is the feature vector. Default [2000, 128]. */
  readonly fc: readonly number[];
  /** Units of CovPoolFER's extra FC with batch norm and no ReLU before the decision; 0 leaves it out. Default 0. */
  readonly bottleneck: number;
  /** ε of the trace regulariser C + ε·tr(C)·I. Default 1e-4. */
  readonly covarianceEps: number;
  /** ReEig's floor. Default 1e-4. */
  readonly reEigFloor: number;
  /** ReEig's ceiling. Default 1e4. */
  readonly reEigCeiling: number;
  /** 'auto': the low-rank or collapsed path wherever it equals the full one. Default 'auto'. */
  readonly spectralPath: 'auto' | 'full';
  /** Batch norm (shift only) after every convolution and FC but the last. Default true. */
  readonly batchNorm: boolean;
  /** Default 1e-3. */
  readonly batchNormEps: number;
  /** 1 − decay of the running statistics. Default 0.005; larger for short runs. */
  readonly batchNormMomentum: number;
  /** Squeeze ratio r of the SE block. Default 16. */
  readonly seReduction: number;
}

/** Baseline (model-4), SO-DL (the same network) and SO-DLSE. */
export interface TrunkConfig extends SecondOrderConfig {
  readonly sePosition: SePosition;
}

/** Order of VFESO's three convolutions (c) and two pools (p) between the SE block and the covariance. */
export type TailOrder = 'cpcpc' | 'cccpp' | 'ccpcp';

export interface VfesoConfig extends SecondOrderConfig {
  /** Default 'cpcpc': the covariance comes "after the last convolutional layer". */
  readonly tailOrder: TailOrder;
  /** Channels of the three convolutions. Default [256, 256, 256]. */
  readonly tailChannels: readonly number[];
  /** What the extractor's weights were trained with. Default 'imagenet'; Keras' and the original ones: 'caffe'. */
  readonly preprocessing: 'imagenet' | 'caffe';
}

const common = { classes: 3, imageSize: 100, width: 1 };

const secondOrder: SecondOrderConfig = {
  ...common,
  biMap: [128, 64],
  fc: [2000, 128],
  bottleneck: 0,
  covarianceEps: 1e-4,
  reEigFloor: 1e-4,
  reEigCeiling: 1e4,
  spectralPath: 'auto',
  batchNorm: true,
  batchNormEps: 1e-3,
  batchNormMomentum: 0.005,
  seReduction: 16,
};

export interface ClassifierConfigs {
  dlp: DlpConfig;
  baseline: TrunkConfig;
  'so-dl': TrunkConfig;
  'so-dlse': TrunkConfig;
  'vfeso-dlse': VfesoConfig;
  vgg16: Vgg16Config;
}

export type ClassifierName = keyof ClassifierConfigs;

/** The recommended reading of each network. */
export const classifierDefaults: ClassifierConfigs = {
  dlp: { ...common, fc: 2000 },
  baseline: { ...secondOrder, sePosition: 'none' },
  'so-dl': { ...secondOrder, sePosition: 'none' },
  'so-dlse': { ...secondOrder, sePosition: 'before-covariance' },
  'vfeso-dlse': {
    ...secondOrder,
    imageSize: 224,
    tailOrder: 'cpcpc',
    tailChannels: [256, 256, 256],
    preprocessing: 'imagenet',
  },
  vgg16: vgg16Defaults,
};

/** The names that `createModel` knows. */
export const classifierNames = Object.keys(classifierDefaults) as ClassifierName[];

interface ConvOptions {
  readonly batchNorm: boolean;
  readonly batchNormEps?: number;
  readonly batchNormMomentum?: number;
}

/** Convolution 3×3 and ReLU, either with a bias or with batch norm between the two. */
function conv(group: string, number: number, channels: number, options: ConvOptions): Layer[] {
  const base = { kind: 'conv2d', name: `${group}.conv${number}`, channels, kernelSize: 3, padding: 1 } as const;
  if (!options.batchNorm) return [{ ...base, bias: true, activation: 'relu' }];
  const { batchNormEps: eps = 1e-3, batchNormMomentum: momentum = 0.005 } = options;
  return [
    { ...base, bias: false, activation: 'none' },
    { kind: 'batchNorm', name: `${group}.bn${number}`, eps, momentum, activation: 'relu' },
  ];
}

const pool = (name: string): Layer => ({ kind: 'maxPool2d', name });

/** The six convolutions that DLP-CNN and CovPoolFER share: 64, 96, 128, 128, 256, 256. */
function trunk(width: number, options: ConvOptions, se: SePosition, reduction: number): Layer[] {
  const layers: Layer[] = [];
  const channels = [64, 96, 128, 128, 256, 256];
  for (const [index, count] of channels.entries()) {
    const number = index + 1;
    layers.push(...conv('trunk', number, scaled(count, width), options));
    if (number === 1 || number === 2 || number === 4) layers.push(pool(`trunk.pool${number === 4 ? 3 : number}`));
    const block = se === 'after-every-conv' ? `se${number}` : 'se';
    if (se === 'after-every-conv' || (se === 'after-conv4' && number === 4)) {
      layers.push({ kind: 'seBlock', name: block, reduction });
    }
  }
  if (se === 'before-covariance') layers.push({ kind: 'seBlock', name: 'se', reduction });
  return layers;
}

/** The covariance head, the FC layers and the decision; the feature vector is the last FC's output before its ReLU. */
function secondOrderHead(config: SecondOrderConfig): { layers: Layer[]; featuresAfter: string } {
  const { width, batchNormEps: eps, batchNormMomentum: momentum } = config;
  const layers: Layer[] = [
    {
      kind: 'covarianceHead',
      name: 'head',
      regulariser: config.covarianceEps,
      widths: config.biMap.map((size) => scaled(size, width)),
      floor: config.reEigFloor,
      ceiling: config.reEigCeiling,
      path: config.spectralPath,
    },
  ];
  let featuresAfter = '';
  const fc = (name: string, norm: string, features: number): void => {
    layers.push({ kind: 'linear', name, features, bias: !config.batchNorm, activation: 'none' });
    if (config.batchNorm) layers.push({ kind: 'batchNorm', name: norm, eps, momentum, activation: 'none' });
    featuresAfter = config.batchNorm ? norm : name;
  };
  for (const [index, features] of config.fc.entries()) {
    fc(`classifier.fc${index + 1}`, `classifier.bn${index + 1}`, scaled(features, width));
    layers.push({ kind: 'relu', name: `classifier.relu${index + 1}` });
  }
  if (config.bottleneck > 0) fc('classifier.bottleneck', 'classifier.bottleneckBn', config.bottleneck);
  layers.push(decision(config.classes));
  return { layers, featuresAfter };
}

function decision(classes: number): Layer {
  return { kind: 'linear', name: 'classifier.logits', features: classes, bias: true, activation: 'none' };
}

function dlpPlan(config: DlpConfig): NetworkPlan {
  return {
    input: [config.imageSize, config.imageSize, 3],
    layers: [
      ...trunk(config.width, { batchNorm: false }, 'none', 16),
      { kind: 'flatten', name: 'flatten', order: 'hwc' },
      {
        kind: 'linear',
        name: 'classifier.fc1',
        features: scaled(config.fc, config.width),
        bias: true,
        activation: 'none',
      },
      { kind: 'relu', name: 'classifier.relu1' },
      decision(config.classes),
    ],
    init: 'he',
    featuresAfter: 'classifier.fc1',
  };
}

function trunkPlan(config: TrunkConfig): NetworkPlan {
  const head = secondOrderHead(config);
  return {
    input: [config.imageSize, config.imageSize, 3],
    layers: [...trunk(config.width, config, config.sePosition, config.seReduction), ...head.layers],
    init: initOf(config),
    featuresAfter: head.featuresAfter,
  };
}

/** Weights of deviation 0.1 need batch norm behind them; without it He's keep the scale of the activations. */
const initOf = (config: SecondOrderConfig): NetworkPlan['init'] => (config.batchNorm ? 'truncatedNormal' : 'he');

/** What follows VGG16's pool4 in VFESO-DLSE; its input is the cached feature map. */
function vfesoPlan(config: VfesoConfig): NetworkPlan {
  const layers: Layer[] = [{ kind: 'seBlock', name: 'se', reduction: config.seReduction }];
  let convs = 0;
  let pools = 0;
  for (const step of config.tailOrder) {
    if (step === 'c')
      layers.push(...conv('tail', ++convs, scaled(config.tailChannels[convs - 1] ?? 0, config.width), config));
    else layers.push(pool(`tail.pool${++pools}`));
  }
  const head = secondOrderHead(config);
  return {
    input: extractorOutput(config),
    layers: [...layers, ...head.layers],
    init: initOf(config),
    featuresAfter: head.featuresAfter,
  };
}

function extractorOutput(config: VfesoConfig): number[] {
  const side = Math.floor(config.imageSize / 16);
  return [side, side, scaled(512, config.width)];
}

const plans: { readonly [N in ClassifierName]: (config: ClassifierConfigs[N]) => NetworkPlan } = {
  dlp: dlpPlan,
  baseline: trunkPlan,
  'so-dl': trunkPlan,
  'so-dlse': trunkPlan,
  'vfeso-dlse': vfesoPlan,
  vgg16: vgg16Plan,
};

/** True for the names of the models. */
export const isClassifierName = (name: string): name is ClassifierName => Object.hasOwn(classifierDefaults, name);

/** The name, or a ConfigError that lists the names there are. */
export function toClassifierName(name: string): ClassifierName {
  if (isClassifierName(name)) return name;
  throw new ConfigError(`There is no model "${name}".`, { remedy: `Choose one of ${classifierNames.join(', ')}.` });
}

/** The defaults of a model with some options replaced; every value is checked. */
export function classifierConfig<N extends ClassifierName>(
  name: N,
  options: Partial<ClassifierConfigs[N]> = {},
): ClassifierConfigs[N] {
  const config = { ...classifierDefaults[toClassifierName(name) as N], ...options };
  checkConfig(name, config);
  return config;
}

const choices: Record<string, readonly string[]> = {
  sePosition: ['none', 'before-covariance', 'after-conv4', 'after-every-conv'],
  tailOrder: ['cpcpc', 'cccpp', 'ccpcp'],
  spectralPath: ['auto', 'full'],
  freezeUpTo: ['none', ...vgg16Pools],
  preprocessing: ['imagenet', 'caffe'],
};

const wholeNumbers = ['classes', 'imageSize', 'seReduction', 'bottleneck'];

function checkConfig(name: ClassifierName, config: object): void {
  const fail = (key: string, value: unknown, allowed: string): never => {
    throw new ConfigError(`${name}: ${key} is ${JSON.stringify(value)}.`, { remedy: `Give ${allowed}.` });
  };
  const known = classifierDefaults[name];
  for (const [key, value] of Object.entries(config)) {
    if (!Object.hasOwn(known, key)) fail(key, value, `only ${Object.keys(known).join(', ')}`);
    const fallback = known[key as keyof typeof known] as unknown;
    const allowed = choices[key];
    if (allowed) {
      if (!allowed.includes(value)) fail(key, value, `one of ${allowed.join(', ')}`);
    } else if (Array.isArray(fallback)) {
      const valid = Array.isArray(value) && value.every((n) => Number.isInteger(n) && n > 0);
      if (!valid) fail(key, value, 'a list of whole numbers from 1');
    } else if (typeof fallback === 'boolean') {
      if (typeof value !== 'boolean') fail(key, value, 'true or false');
    } else if (wholeNumbers.includes(key)) {
      const least = key === 'bottleneck' ? 0 : key === 'classes' ? 2 : 1;
      if (!Number.isInteger(value) || value < least) fail(key, value, `a whole number from ${least}`);
    } else if (key === 'dropout') {
      if (typeof value !== 'number' || !(value >= 0 && value < 1)) fail(key, value, 'a share from 0 to below 1');
    } else if (typeof value !== 'number' || !(value > 0)) {
      fail(key, value, 'a number above 0');
    }
  }
  if ('fc' in config && Array.isArray(config.fc) && config.fc.length === 0) fail('fc', config.fc, 'at least one size');
  if ('tailChannels' in config && Array.isArray(config.tailChannels) && config.tailChannels.length !== 3) {
    fail('tailChannels', config.tailChannels, 'three sizes');
  }
}

/** The table of layers of a classifier; for VFESO-DLSE of what follows the extractor (`extractorPlan`). */
export function classifierPlan<N extends ClassifierName>(name: N, config: ClassifierConfigs[N]): NetworkPlan {
  return plans[name](config);
}

/** The network whose output a classifier takes as its input; undefined where that is the picture itself. */
export function extractorPlan<N extends ClassifierName>(
  name: N,
  config: ClassifierConfigs[N],
): NetworkPlan | undefined {
  if (name !== 'vfeso-dlse') return undefined;
  return vgg16Features('pool4', { imageSize: config.imageSize, width: config.width });
}
