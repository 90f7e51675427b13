/** A classifier with its loss and optimiser on a device, as the training loop drives it. */
import { z } from 'zod';
import {
  type Adam,
  augment,
  CheckpointError,
  type Device,
  Generator,
  noGrad,
  openDevice,
  type Program,
  program,
  ScalarLog,
  type StateDict,
  sizeOf,
  softmax,
  standardise,
  Tensor,
  tensor,
} from '../../engine/node.ts';
import { type StoredTensor, storeFloat32, toFloat32 } from '../../engine/safetensors.ts';
import {
  type Classifier,
  classifierConfig,
  classifierPlan,
  createModel,
  createObjective,
  createOptimizer,
  extractorPlan,
  type NetworkPlan,
  type Objective,
  type Preprocessing,
  type StepResult,
  summary,
  toClassifierName,
  trainStep,
} from '../../models/index.ts';
import { type Batch, batches, type Row, type RowStore } from '../dataset/batches.ts';
import type { Picture } from '../dataset/read.ts';
import { fingerprint } from '../features/cache.ts';
import type { Extractor } from '../features/store.ts';
import type { Checkpoint } from '../run/checkpoint.ts';
import type { TrainConfig } from './config.ts';
import { fileHash, loadInitialWeights } from './initial-weights.ts';
import type { StepFigures, Trainer } from './trainer.ts';

/** Side of the pictures as decoded: what the network sees, and room for the random crop. */
export function decodedSize({ modelOptions, augment: { margin } }: TrainConfig): number {
  return Math.round(Number(modelOptions.imageSize) * margin);
}

/** Tensors that one pass over the network reads; written by the host before the step. */
interface Input {
  images: Tensor;
  labels: Tensor;
  targets: Tensor;
}

const figureNames = ['loss', 'crossEntropy', 'distance', 'correct'] as const;

/** Which part of a checkpoint a tensor belongs to. */
const parts = { model: 'model.', objective: 'objective.', optimizer: 'optimizer.' } as const;

const drawn = z.object({ calls: z.int() });
/** How far the generators of augmentation and of dropout have drawn; checkpoints of earlier versions lack the latter. */
const stateSchema = z.object({ generator: drawn, dropout: drawn.optional() });

interface CreateOptions {
  /** A new run: its weights file is loaded. A run that goes on needs that file for a frozen extractor alone. */
  readonly start?: boolean;
  /** Steps and predictions take the extractor's features instead of pictures. */
  readonly cached?: boolean;
  readonly say?: (line: string) => void;
}

export class ClassifierTrainer implements Trainer {
  /** With the micro-batch that fits this device. */
  readonly config: TrainConfig;
  readonly parameterCount: number;
  readonly deviceName: string;
  readonly #device: Device;
  readonly #model: Classifier;
  readonly #objective: Objective;
  readonly #optimizer: Adam;
  readonly #generator: Generator;
  readonly #inputs: readonly Input[];
  readonly #log: ScalarLog<(typeof figureNames)[number]>;
  readonly #step: Program<StepResult>;
  readonly #predict: Program<{ probabilities: Tensor; features: Tensor }>;

  private constructor(config: TrainConfig, device: Device, cached: boolean) {
    this.config = config;
    this.deviceName = device.name;
    this.#device = device;
    const name = toClassifierName(config.model);
    this.#model = createModel(name, config.modelOptions, config.seed);
    this.#objective = createObjective(this.#model, { ...config.loss, seed: config.seed + 1 });
    this.#generator = new Generator(config.seed + 2);
    this.parameterCount = this.#model.parameters().reduce((sum, parameter) => sum + parameter.size, 0);
    this.#optimizer = createOptimizer(this.#model, this.#objective, {
      betas: [config.beta1, config.beta2],
      eps: config.adamEps,
      epsPlacement: config.adamForm,
      weightDecay: config.weightDecay,
    });
    const passes = config.batchSize / config.microBatch;
    this.#inputs = Array.from({ length: passes }, () =>
      emptyInput(config, cached ? this.#model.plan.input : undefined),
    );
    this.#log = new ScalarLog(figureNames);
    this.#step = trainStep({
      model: this.#model,
      objective: this.#objective,
      optimizer: this.#optimizer,
      log: this.#log,
      batches: this.#inputs.map((input) => () => ({
        images: cached ? input.images : this.#prepare(input.images, true),
        labels: input.labels,
        targets: input.targets,
      })),
      extracted: cached,
    });
    this.#predict = program(() =>
      noGrad(() => {
        this.#model.eval();
        const { images } = this.#inputs[0];
        const extracted = cached ? images : this.#model.extract(this.#prepare(images, false));
        const { features, logits } = this.#model.classify(extracted);
        this.#model.train();
        return { probabilities: softmax(logits), features };
      }),
    );
  }

  /**
   * Opens the device and builds everything. The seed fixes weights, centres and augmentation.
   */
  static async create(config: TrainConfig, options: CreateOptions = {}): Promise<ClassifierTrainer> {
    const { start = false, cached = false, say = () => {} } = options;
    const device = await openDevice();
    const name = toClassifierName(config.model);
    const modelOptions = classifierConfig(name, config.modelOptions);
    const plans = [classifierPlan(name, modelOptions), extractorPlan(name, modelOptions) ?? []].flat();
    const microBatch = fittingMicroBatch(config, plans, device.gpu.limits.maxStorageBufferBindingSize);
    const read = start || extractorPlan(name, modelOptions) ? config.weights : null;
    const weightsHash = read === null ? config.weightsHash : await checkedHash(read, config.weightsHash);
    const trainer = new ClassifierTrainer({ ...config, microBatch, weightsHash }, device, cached);
    if (read !== null) {
      const done = await loadInitialWeights(trainer.#model, read);
      if (start) say(done);
    } else if (start && trainer.#model.extractor) {
      say('no --weights: the frozen extractor has seeded random weights');
    }
    return trainer;
  }

  /** 8-bit pictures to what the network takes: augmented in training, the centre otherwise. */
  #prepare(images: Tensor, training: boolean, generator = this.#generator): Tensor {
    const { augment: random, modelOptions } = this.config;
    const { preprocessing } = this.#model;
    const perPicture = preprocessing === 'standardise';
    const pictures = augment(images, {
      size: Number(modelOptions.imageSize),
      flip: training && random.flip,
      rotation: training ? random.rotation : 0,
      crop: training && random.margin > 1 ? 'random' : 'centre',
      // A generator of its own where nothing is random: predictions must not move the training's draws.
      generator: training ? generator : new Generator(),
      ...(perPicture ? {} : preprocessing),
    });
    return perPicture ? standardise(pictures) : pictures;
  }

  /** The frozen extractor for the feature cache; undefined where the model has none. */
  async extractor(): Promise<Extractor | undefined> {
    const { extractor, plan, preprocessing } = this.#model;
    if (!extractor) return undefined;
    const { microBatch, augment: random, modelOptions, seed } = this.config;
    const side = decodedSize(this.config);
    const images = Tensor.empty([microBatch, side, side, 3], { dtype: 'u8', label: 'pictures' }).keep();
    const generator = new Generator(seed + 3);
    const run = (training: boolean) =>
      program(() => noGrad(() => extractor.forward(this.#prepare(images, training, generator))));
    const [plain, augmented] = [run(false), run(true)];
    const state = await extractor.stateDict();
    const features = new Float32Array(microBatch * sizeOf(plan.input));
    return {
      shape: plan.input,
      microBatch,
      weights: fingerprint([...state].flatMap(([key, { data }]) => [key, new Uint8Array(data.buffer)])),
      preprocessing: JSON.stringify({ preprocessing, imageSize: modelOptions.imageSize }),
      augmentation: JSON.stringify({ ...random, seed }),
      async extract(pixels, draw) {
        images.write(pixels);
        if (draw === undefined) return (await plain.run()).floats(features);
        generator.calls = draw;
        return (await augmented.run()).floats(features);
      },
      dispose: () => {
        plain.dispose();
        augmented.dispose();
        images.dispose();
      },
    };
  }

  #write(input: Input, batch: Batch<Row>, from: number): void {
    const { microBatch } = this.config;
    const part = <T extends Row | Uint32Array>(values: T, tensor: Tensor) => {
      const each = sizeOf(tensor.shape) / microBatch;
      return values.subarray(from * each, (from + microBatch) * each);
    };
    input.images.write(part(batch.images, input.images));
    input.labels.write(part(batch.labels, input.labels));
    input.targets.write(part(batch.targets, input.targets));
  }

  /** Plans and compiles the training step before its first batch. */
  prepare(onProgress?: (done: number, total: number) => void): Promise<void> {
    return this.#step.prepare(onProgress);
  }

  async step(batch: Batch<Row>, learningRate: number): Promise<void> {
    this.#optimizer.lr = learningRate;
    for (const [i, input] of this.#inputs.entries()) this.#write(input, batch, i * this.config.microBatch);
    await this.#step.run();
  }

  async figures(): Promise<readonly StepFigures[]> {
    const { lambda } = this.config.loss;
    const rows = await this.#log.take();
    return rows.map(({ distance, ...row }) => ({ ...row, distanceLoss: lambda * distance }));
  }

  /** @param batch of one micro-batch's size */
  async probabilities(batch: Batch<Row>): Promise<Float32Array> {
    return (await this.#run(batch)).probabilities.floats();
  }

  /** The feature vectors [batch, width] that the distance loss looks at, row after row. */
  async features(batch: Batch): Promise<{ width: number; values: Float32Array }> {
    const { features } = await this.#run(batch);
    return { width: features.shape[1], values: await features.floats() };
  }

  #run(batch: Batch): Promise<{ probabilities: Tensor; features: Tensor }> {
    this.#write(this.#inputs[0], batch, 0);
    return this.#predict.run();
  }

  /** One step and one prediction, for `--dry-run`. */
  async trial(store: RowStore, pictures: readonly Picture[]): Promise<void> {
    for await (const batch of batches(store, pictures.slice(0, this.config.batchSize), this.config)) {
      await this.step(batch, this.config.lr);
      await this.figures();
      await this.probabilities(batch);
    }
  }

  /** What the pictures go through before the network. */
  get preprocessing(): Preprocessing {
    return this.#model.preprocessing;
  }

  /** All of the network, a frozen extractor included. */
  stateDict(): Promise<StateDict> {
    return this.#model.stateDict();
  }

  async saveModel(): Promise<Checkpoint> {
    const tensors = new Map<string, StoredTensor>();
    for (const [key, { shape, data }] of await this.#model.stateDict()) {
      if (!isFrozen(key)) tensors.set(parts.model + key, storeFloat32(data, shape));
    }
    return { tensors, state: {} };
  }

  async save(): Promise<Checkpoint> {
    const { tensors } = await this.saveModel();
    for (const [key, { shape, data }] of await this.#objective.stateDict()) {
      tensors.set(parts.objective + key, storeFloat32(data, shape));
    }
    for (const [key, { shape, data }] of await this.#optimizer.stateDict()) {
      tensors.set(parts.optimizer + key, storeFloat32(data, shape));
    }
    return { tensors, state: { generator: this.#generator.state(), dropout: this.#model.generator.state() } };
  }

  restoreModel({ tensors }: Checkpoint): void {
    this.#model.network.loadStateDict(section(tensors, parts.model));
  }

  restore(checkpoint: Checkpoint): void {
    this.restoreModel(checkpoint);
    this.#objective.loadStateDict(section(checkpoint.tensors, parts.objective));
    this.#optimizer.loadStateDict(section(checkpoint.tensors, parts.optimizer));
    const parsed = stateSchema.safeParse(checkpoint.state);
    if (!parsed.success) throw new CheckpointError('The checkpoint lacks the random generator of its run.');
    const { generator, dropout } = parsed.data;
    this.#generator.calls = generator.calls;
    if (dropout) this.#model.generator.calls = dropout.calls;
  }

  dispose(): void {
    this.#step.dispose();
    this.#predict.dispose();
    this.#log.dispose();
    this.#model.dispose();
    this.#objective.dispose();
    this.#optimizer.dispose();
    for (const input of this.#inputs) for (const tensor of Object.values(input)) tensor.dispose();
    this.#device.close();
  }
}

/** @param features size of one picture's features, where those come in instead of its pixels */
function emptyInput(config: TrainConfig, features: readonly number[] | undefined): Input {
  const { microBatch, classes } = config;
  const side = decodedSize(config);
  const shape = features ? [microBatch, ...features] : [microBatch, side, side, 3];
  const images = features ? new Float32Array(sizeOf(shape)) : new Uint8Array(sizeOf(shape));
  return {
    images: tensor(images, shape, { label: features ? 'features' : 'pictures' }).keep(),
    labels: tensor(new Int32Array(microBatch), [microBatch], { label: 'labels' }).keep(),
    targets: tensor(new Float32Array(microBatch * classes.length), [microBatch, classes.length], {
      label: 'targets',
    }).keep(),
  };
}

/** The file's hash. @throws CheckpointError when a run was started with another file of that name. */
async function checkedHash(path: string, expected: string | null): Promise<string> {
  const found = await fileHash(path);
  if (expected === null || found === expected) return found;
  throw new CheckpointError(
    `${path} is not the file that this run was started with (SHA-256 ${found.slice(0, 12)}…).`,
    {
      remedy: `Put the file with SHA-256 ${expected.slice(0, 12)}… there again.`,
    },
  );
}

/** A frozen extractor comes from its own weights file, not from the checkpoint. */
const isFrozen = (key: string) => key.startsWith('extractor.');

/** The tensors of one part of a checkpoint, without the part's prefix, as a state dictionary. */
function section(tensors: ReadonlyMap<string, StoredTensor>, prefix: string) {
  const state = new Map<string, { shape: readonly number[]; data: Float32Array }>();
  for (const [name, tensor] of tensors) {
    if (name.startsWith(prefix)) state.set(name.slice(prefix.length), { shape: tensor.shape, data: toFloat32(tensor) });
  }
  return state;
}

/** The largest divisor of the batch whose largest activation fits into one binding of the device. */
export function fittingMicroBatch(config: TrainConfig, plans: readonly NetworkPlan[], bindingLimit: number): number {
  const largest = Math.max(
    ...plans.flatMap((plan) => summary(plan).layers.map(({ outputShape }) => 4 * sizeOf(outputShape))),
  );
  for (let parts = config.batchSize / config.microBatch; parts <= config.batchSize; parts += 1) {
    const size = config.batchSize / parts;
    if (Number.isInteger(size) && size * largest <= bindingLimit) return size;
  }
  return 1;
}
