/** Every option of a training run, its defaults and its presets. What is here resolved goes into config.json as it is. */
import { z } from 'zod';
import { ConfigError } from '../../engine/index.ts';
import {
  type ClassifierName,
  classifierConfig,
  classifierNames,
  extractorPlan,
  objectiveDefaults,
  toClassifierName,
} from '../../models/index.ts';
import { complaint } from '../complaint.ts';

const positive = z.number().positive();
const count = z.int().positive();
const proportion = z.number().min(0).lt(1);

export const trainConfigSchema = z.strictObject({
  /** kindergrad's version. */
  version: z.string(),
  preset: z.enum(['smoke', 'paper']),
  model: z.enum(classifierNames as [string, ...string[]]),
  /** The model's own options, complete (docs/models.md). */
  modelOptions: z.record(z.string(), z.unknown()),
  /** safetensors or .pth file the network starts from. */
  weights: z.string().nullable(),
  /** SHA-256 of that file: a frozen extractor is read from it again, and must be the same one. */
  weightsHash: z.string().nullable(),
  /** Folder for the features of a frozen extractor, computed once; null computes them at every step. */
  cache: z.string().nullable(),
  cacheDtype: z.enum(['f16', 'f32']),
  /** Augmentation draws of each training picture in the cache. */
  cacheDraws: count,
  data: z.string(),
  classes: z.array(z.string()),
  targets: z.enum(['soft', 'majority']),
  testShare: proportion,
  valShare: proportion,
  generatedInTest: z.boolean(),
  /** Test also on subjects that `weights` have seen; runs of earlier versions lack it. */
  seenInTest: z.boolean().default(false),
  seed: z.int().nonnegative(),
  epochs: count,
  /** Pictures per optimiser step, and per pass over the network; gradients of the passes are added up. */
  batchSize: count,
  microBatch: count,
  /** Learning rate at the first and the last step, linear in between; or CovPoolFER's table of steps. */
  lr: positive,
  lrEnd: positive,
  schedule: z.enum(['linear', 'covpoolfer-steps']),
  /** L2 on the weights of convolutions and FC layers, coupled: added to the gradient. */
  weightDecay: z.number().nonnegative(),
  beta1: proportion,
  beta2: proportion,
  adamEps: positive,
  adamForm: z.enum(['tensorflow', 'pytorch']),
  loss: z.strictObject({
    lambda: z.number().nonnegative(),
    lambda1: z.number().nonnegative(),
    reduction: z.enum(['batchMean', 'sum', 'elementMean']),
    centres: z.enum(['movingAverage', 'adam']),
    alpha: z.number().min(0).max(1),
    centresStd: z.number().nonnegative(),
  }),
  augment: z.strictObject({
    flip: z.boolean(),
    /** Largest rotation in degrees, either way. */
    rotation: z.number().min(0).max(180),
    /** Side of the decoded picture over the side that the network sees; the rest is room for the random crop. */
    margin: z.number().min(1).max(2),
  }),
  /** Train on one batch over and over, without augmentation: a network that cannot learn that has a fault. */
  overfitOneBatch: z.boolean(),
  /** Minutes between checkpoints within an epoch; one is written after every epoch anyway. */
  checkpointMinutes: positive,
});

export type TrainConfig = z.infer<typeof trainConfigSchema>;
export type PresetName = TrainConfig['preset'];

/** What a user can change; what is left out comes from the preset and the model. */
export type TrainOptions = Partial<Omit<TrainConfig, 'loss' | 'augment' | 'version' | 'classes'>> & {
  loss?: Partial<TrainConfig['loss']>;
  augment?: Partial<TrainConfig['augment']>;
};

type Preset = Omit<
  TrainConfig,
  'version' | 'preset' | 'model' | 'data' | 'classes' | 'weights' | 'weightsHash' | 'cache'
>;

/** The paper's training (section 2.5.2), with CovPoolFER's values where it is silent; docs/models.md gives the reasons. */
const paper: Preset = {
  modelOptions: {},
  targets: 'majority',
  testShare: 0.2,
  valShare: 0,
  generatedInTest: false,
  seenInTest: false,
  seed: 1,
  epochs: 700,
  batchSize: 128,
  microBatch: 128,
  lr: 0.005,
  lrEnd: 0.0001,
  schedule: 'linear',
  weightDecay: 0.05,
  beta1: 0.9,
  beta2: 0.999,
  adamEps: 0.1,
  adamForm: 'tensorflow',
  loss: { lambda: 0.01, lambda1: 10, reduction: 'batchMean', centres: 'movingAverage', alpha: 0.5, centresStd: 0.01 },
  augment: { flip: true, rotation: 10, margin: 256 / 224 },
  cacheDtype: 'f16',
  cacheDraws: 4,
  overfitOneBatch: false,
  checkpointMinutes: 5,
};

/** Small and short enough for two CPU cores: the same network at a fraction of its width and of the picture's size. */
const smoke: Preset = {
  ...paper,
  modelOptions: { width: 0.25, imageSize: 48, fc: [256, 64], batchNormMomentum: 0.05 },
  valShare: 0.1,
  epochs: 18,
  batchSize: 32,
  microBatch: 32,
  lr: 0.005,
  lrEnd: 0.0002,
  weightDecay: 0.0005,
  adamEps: 1e-8,
  adamForm: 'pytorch',
};

/** No augmentation: what is learnt by heart must look the same every time. */
const still: TrainConfig['augment'] = { flip: false, rotation: 0, margin: 1 };

const presets: Record<PresetName, Preset> = { paper, smoke };

/** Where a model's own structure asks for another small size: VGG16 halves its pictures four or five times. */
const smokeSizes: Partial<Record<ClassifierName, Record<string, unknown>>> = {
  dlp: { fc: 256 },
  'vfeso-dlse': { imageSize: 128 },
  vgg16: { imageSize: 64 },
};

const hasExtractor = (model: ClassifierName): boolean => extractorPlan(model, classifierConfig(model)) !== undefined;

/** A model's own options in a preset, for the paper's three classes. */
export const presetModelOptions = (model: string, preset: PresetName): Record<string, unknown> =>
  resolveTrainConfig({ model, data: '', preset }, { version: '', classes: ['happy', 'normal', 'sad'] }).modelOptions;

/** Fills in what `options` leaves open and checks everything. @throws ConfigError naming the option. */
export function resolveTrainConfig(
  options: TrainOptions & { model: string; data: string },
  facts: { version: string; classes: readonly string[] },
): TrainConfig {
  const preset = options.preset ?? 'smoke';
  const base = presets[preset];
  if (!base) throw new ConfigError(`There is no preset "${preset}".`, { remedy: 'Choose smoke or paper.' });
  const model = toClassifierName(options.model);
  const known = new Set(Object.keys(classifierConfig(model)));
  const presetOptions = Object.fromEntries(Object.entries(base.modelOptions).filter(([name]) => known.has(name)));
  if (preset === 'smoke') Object.assign(presetOptions, smokeSizes[model]);
  const modelOptions = { ...presetOptions, ...options.modelOptions, classes: facts.classes.length };
  const lossDefaults = { ...base.loss, ...objectiveDefaults(model) };
  const batchSize = options.batchSize ?? base.batchSize;
  const candidate = {
    ...base,
    microBatch: batchSize,
    weights: null,
    weightsHash: null,
    cache: null,
    ...withoutUndefined(options),
    version: facts.version,
    preset,
    model,
    classes: [...facts.classes],
    modelOptions: { ...classifierConfig(model, modelOptions) },
    loss: { ...lossDefaults, ...withoutUndefined(options.loss ?? {}) },
    augment: { ...(options.overfitOneBatch ? still : base.augment), ...withoutUndefined(options.augment ?? {}) },
  };
  const result = trainConfigSchema.safeParse(candidate);
  if (!result.success) {
    throw new ConfigError(`${complaint(result.error, candidate, 'options')}.`);
  }
  const config = result.data;
  if (config.cache !== null && !hasExtractor(model)) {
    throw new ConfigError(`${model} has no frozen extractor whose features could be kept.`, {
      remedy: 'Leave out --cache; it is for vfeso-dlse.',
    });
  }
  const rates = [options.lr !== undefined && '--lr', options.lrEnd !== undefined && '--lr-end'].filter(Boolean);
  if (config.schedule === 'covpoolfer-steps' && rates.length > 0) {
    throw new ConfigError(
      `The schedule covpoolfer-steps has its own learning rates: ${rates.join(' and ')} would do nothing.`,
      {
        remedy: 'Leave them out, or use --schedule linear.',
      },
    );
  }
  if (config.batchSize % config.microBatch !== 0) {
    throw new ConfigError(
      `The batch of ${config.batchSize} is not a multiple of the micro-batch of ${config.microBatch}.`,
    );
  }
  if (config.testShare + config.valShare >= 1) {
    throw new ConfigError(`Test (${config.testShare}) and validation (${config.valShare}) leave nothing to train on.`);
  }
  return config;
}

function withoutUndefined<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;
}

/** CovPoolFER's learning rates (its train.sh): from these epochs on. */
const covPoolFerSteps = [
  [0, 0.005],
  [80, 0.002],
  [150, 0.001],
  [250, 0.0005],
  [350, 0.0001],
] as const;

/** The learning rate of optimiser step `step` (from 0) of `stepsPerEpoch` × epochs. */
export function learningRate(config: TrainConfig, step: number, stepsPerEpoch: number): number {
  if (config.schedule === 'covpoolfer-steps') {
    const epoch = Math.floor(step / stepsPerEpoch);
    return covPoolFerSteps.findLast(([from]) => epoch >= from)?.[1] ?? config.lr;
  }
  const last = config.epochs * stepsPerEpoch - 1;
  return last <= 0 ? config.lr : config.lr + ((config.lrEnd - config.lr) * step) / last;
}
