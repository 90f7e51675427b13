/**
 * CycleGAN (Zhu et al. 2017): the resnet generator, the 70×70 PatchGAN and their training step. State keys are those of
 * the PyTorch reference implementation, so that generators trained there load here and the other way round.
 */
import {
  Adam,
  add,
  affine,
  backward,
  ConfigError,
  Conv2d,
  ConvTranspose2d,
  cat,
  checkpoint,
  HistoryPool,
  InstanceNorm2d,
  l1Loss,
  Module,
  mseLoss,
  normalInit,
  type Program,
  platform,
  program,
  Generator as RandomGenerator,
  reflectionPad2d,
  slice,
  type Tensor,
  zeros,
  zerosInit,
} from '../engine/index.ts';

export interface CycleGanConfig {
  /** Side of the square pictures; a multiple of 4, at least 32. Default 256. */
  readonly imageSize: number;
  /** Channels after the generator's first layer. Default 64. */
  readonly ngf: number;
  /** Channels after the discriminator's first layer. Default 64. */
  readonly ndf: number;
  /** Residual blocks. Default 9 from 256 pixels, 6 below. */
  readonly blocks: number;
  /** Pictures per step. Default 1. */
  readonly batch: number;
  /** Weight of the cycle loss, both ways. Default 10. */
  readonly lambda: number;
  /** Weight of the identity loss, as a share of lambda; 0 leaves it out. Default 0.5. */
  readonly identity: number;
  /** Generated pictures kept per domain for the discriminator. Default 50. */
  readonly poolSize: number;
  /** Default 2e-4. */
  readonly lr: number;
  /** Adam's β₁. Default 0.5. */
  readonly beta1: number;
  /** Run each residual block again in the backward pass instead of keeping its values. Default false. */
  readonly rematerialise: boolean;
}

/**
 * The defaults with some options replaced; sizes and counts are checked.
 * @throws ConfigError naming the option that is wrong.
 */
export function cycleGanConfig(options: Partial<CycleGanConfig> = {}): CycleGanConfig {
  const imageSize = options.imageSize ?? 256;
  const config = {
    imageSize,
    ngf: 64,
    ndf: 64,
    blocks: imageSize >= 256 ? 9 : 6,
    batch: 1,
    lambda: 10,
    identity: 0.5,
    poolSize: 50,
    lr: 2e-4,
    beta1: 0.5,
    rematerialise: false,
    ...options,
  };
  if (!Number.isInteger(imageSize) || imageSize % 4 !== 0 || imageSize < 32) {
    throw new ConfigError(`CycleGAN: imageSize is ${imageSize}.`, { remedy: 'Use a multiple of 4, at least 32.' });
  }
  for (const key of ['ngf', 'ndf', 'blocks', 'batch'] as const) {
    if (!Number.isInteger(config[key]) || config[key] < 1) {
      throw new ConfigError(`CycleGAN: ${key} is ${config[key]}.`, { remedy: 'Use a whole number from 1.' });
    }
  }
  return config;
}

/** N(0, 0.02) weights, zero biases. */
const init = (generator: RandomGenerator) => ({ init: normalInit(0.02), biasInit: zerosInit, generator });

/**
 * The same in front of an instance norm, which takes away whatever the bias adds: its gradient is 0. The reference
 * implementation trains it on what rounding leaves of that; here it keeps its value, and its sums are not computed.
 */
const initNormed = (generator: RandomGenerator) => ({ ...init(generator), bias: 'fixed' as const });

/** Reflect, conv 3×3, instance norm, ReLU, reflect, conv 3×3, instance norm, + x. */
class ResnetBlock extends Module {
  readonly conv1: Conv2d;
  readonly conv2: Conv2d;
  readonly #inner = new InstanceNorm2d({ activation: 'relu' });
  readonly #outer = new InstanceNorm2d();

  constructor(channels: number, generator: RandomGenerator) {
    super();
    this.conv1 = new Conv2d(channels, channels, 3, initNormed(generator));
    this.conv2 = new Conv2d(channels, channels, 3, initNormed(generator));
  }

  override *children(): Generator<[string, Module]> {
    yield ['conv_block.1', this.conv1];
    yield ['conv_block.5', this.conv2];
  }

  forward(x: Tensor): Tensor {
    const h = this.#inner.forward(this.conv1.forward(reflectionPad2d(x, 1)));
    return this.#outer.forward(this.conv2.forward(reflectionPad2d(h, 1)), x);
  }
}

/** Picture to picture: 7×7, two strided convolutions, residual blocks, two transposed convolutions, 7×7, tanh. */
export class ResnetGenerator extends Module {
  readonly #first: Conv2d;
  readonly #down: readonly Conv2d[];
  readonly #blocks: readonly ResnetBlock[];
  readonly #up: readonly ConvTranspose2d[];
  readonly #last: Conv2d;
  readonly #norm = new InstanceNorm2d({ activation: 'relu' });
  readonly #rematerialise: boolean;

  constructor(config: Pick<CycleGanConfig, 'ngf' | 'blocks' | 'rematerialise'>, generator: RandomGenerator) {
    super();
    const { ngf, blocks } = config;
    const normed = initNormed(generator);
    const up = { ...normed, stride: 2, padding: 1, outputPadding: 1 };
    this.#first = new Conv2d(3, ngf, 7, normed);
    this.#down = [ngf, 2 * ngf].map((c) => new Conv2d(c, 2 * c, 3, { ...normed, stride: 2, padding: 1 }));
    this.#blocks = Array.from({ length: blocks }, () => new ResnetBlock(4 * ngf, generator));
    this.#up = [4 * ngf, 2 * ngf].map((c) => new ConvTranspose2d(c, c / 2, 3, up));
    this.#last = new Conv2d(ngf, 3, 7, { ...init(generator), activation: 'tanh' });
    this.#rematerialise = config.rematerialise;
  }

  /** The places that the layers have in the reference implementation's Sequential. */
  override *children(): Generator<[string, Module]> {
    const blocks = this.#blocks.length;
    yield ['model.1', this.#first];
    yield ['model.4', this.#down[0]];
    yield ['model.7', this.#down[1]];
    for (const [i, block] of this.#blocks.entries()) yield [`model.${10 + i}`, block];
    yield [`model.${10 + blocks}`, this.#up[0]];
    yield [`model.${13 + blocks}`, this.#up[1]];
    yield [`model.${17 + blocks}`, this.#last];
  }

  /** x [batch, h, w, 3] in −1 … 1 → the same size, −1 … 1. */
  forward(x: Tensor): Tensor {
    let h = this.#norm.forward(this.#first.forward(reflectionPad2d(x, 3)));
    for (const layer of this.#down) h = this.#norm.forward(layer.forward(h));
    for (const block of this.#blocks) {
      h = this.#rematerialise ? checkpoint((v) => block.forward(v), h) : block.forward(h);
    }
    for (const layer of this.#up) h = this.#norm.forward(layer.forward(h));
    return this.#last.forward(reflectionPad2d(h, 3));
  }
}

/** 70×70 PatchGAN: a score for every patch, no sigmoid (least-squares loss). */
export class PatchDiscriminator extends Module {
  readonly #convs: readonly Conv2d[];
  readonly #norm = new InstanceNorm2d({ activation: 'leakyRelu', negativeSlope: 0.2 });

  constructor(config: Pick<CycleGanConfig, 'ndf'>, generator: RandomGenerator) {
    super();
    const { ndf } = config;
    const ends = { ...init(generator), padding: 1 };
    const normed = { ...initNormed(generator), padding: 1 };
    this.#convs = [
      new Conv2d(3, ndf, 4, { ...ends, stride: 2, activation: 'leakyRelu', negativeSlope: 0.2 }),
      new Conv2d(ndf, 2 * ndf, 4, { ...normed, stride: 2 }),
      new Conv2d(2 * ndf, 4 * ndf, 4, { ...normed, stride: 2 }),
      new Conv2d(4 * ndf, 8 * ndf, 4, normed),
      new Conv2d(8 * ndf, 1, 4, ends),
    ];
  }

  override *children(): Generator<[string, Module]> {
    for (const [i, place] of [0, 2, 5, 8, 11].entries()) yield [`model.${place}`, this.#convs[i]];
  }

  /** x [batch, h, w, 3] → [batch, h/8 − 2, w/8 − 2, 1]. */
  forward(x: Tensor): Tensor {
    const [first, second, third, fourth, last] = this.#convs;
    let h = first.forward(x);
    for (const layer of [second, third, fourth]) h = this.#norm.forward(layer.forward(h));
    return last.forward(h);
  }
}

/**
 * What a network makes of two batches: at once, since instance norm keeps pictures apart. `BATCH_PASSES=0` runs it twice
 * instead; same values, gradients but for the order of sums.
 */
function forwardBoth(network: Module, x: Tensor, y: Tensor): [Tensor, Tensor] {
  if (platform().env('BATCH_PASSES') === '0') return [network.forward(x), network.forward(y)];
  const both = network.forward(cat([x, y]));
  return [slice(both, 0, 0, x.shape[0]), slice(both, 0, x.shape[0])];
}

/** The losses of one step, one-element tensors; names as in the reference implementation. */
export type CycleGanLosses = Readonly<
  Record<'G_A' | 'G_B' | 'cycle_A' | 'cycle_B' | 'idt_A' | 'idt_B' | 'D_A' | 'D_B', Tensor>
>;

/** Both generators (G_A: A → B, G_B: B → A), both discriminators (D_A judges B, D_B judges A), pools and optimisers. */
export class CycleGan extends Module {
  readonly config: CycleGanConfig;
  readonly G_A: ResnetGenerator;
  readonly G_B: ResnetGenerator;
  readonly D_A: PatchDiscriminator;
  readonly D_B: PatchDiscriminator;
  /** Histories of the fakes that D_A and D_B see. */
  readonly pools: { readonly B: HistoryPool; readonly A: HistoryPool };
  readonly optimizers: { readonly G: Adam; readonly D: Adam };

  constructor(config: CycleGanConfig, generator: RandomGenerator) {
    super();
    this.config = config;
    this.G_A = new ResnetGenerator(config, generator);
    this.G_B = new ResnetGenerator(config, generator);
    this.D_A = new PatchDiscriminator(config, generator);
    this.D_B = new PatchDiscriminator(config, generator);
    const { imageSize, batch, poolSize, lr, beta1 } = config;
    // Each pool draws from a generator of its own, whose state it saves.
    const pool = (): HistoryPool =>
      new HistoryPool(poolSize, batch, [imageSize, imageSize, 3], new RandomGenerator(generator.words(1)[0]));
    this.pools = { B: pool(), A: pool() };
    const adam = (a: Module, b: Module, names: readonly [string, string]): Adam =>
      new Adam([...a.namedParameters(names[0]), ...b.namedParameters(names[1])], { lr, betas: [beta1, 0.999] });
    this.optimizers = {
      G: adam(this.G_A, this.G_B, ['G_A', 'G_B']),
      D: adam(this.D_A, this.D_B, ['D_A', 'D_B']),
    };
  }

  set lr(lr: number) {
    this.optimizers.G.lr = lr;
    this.optimizers.D.lr = lr;
  }

  forward(a: Tensor): Tensor {
    return this.G_A.forward(a);
  }

  /**
   * One training step as a program: both generators together against frozen discriminators, then both discriminators
   * on real pictures and on those of the pools. `pictures` are called while the step is traced (augmentation belongs in
   * there); call `pools.A.decide()` and `pools.B.decide()` before each run.
   */
  trainStep(
    pictures: { readonly a: () => Tensor; readonly b: () => Tensor },
    options: { eager?: boolean; observe?: (losses: CycleGanLosses) => void } = {},
  ): Program<CycleGanLosses> {
    return program(() => this.#step(pictures.a(), pictures.b(), options.observe), options);
  }

  #step(a: Tensor, b: Tensor, observe: ((losses: CycleGanLosses) => void) | undefined): CycleGanLosses {
    this.#train(false);
    const { lambda, identity } = this.config;
    const weighted = (x: Tensor, weight: number): Tensor => affine(x, weight, 0);
    // Without identity loss its two passes are not run at all.
    const [fakeB, sameB] = identity > 0 ? forwardBoth(this.G_A, a, b) : [this.G_A.forward(a)];
    const [fakeA, sameA] = identity > 0 ? forwardBoth(this.G_B, b, a) : [this.G_B.forward(b)];
    const generators = {
      G_A: mseLoss(this.D_A.forward(fakeB), 1),
      G_B: mseLoss(this.D_B.forward(fakeA), 1),
      cycle_A: weighted(l1Loss(this.G_B.forward(fakeB), a), lambda),
      cycle_B: weighted(l1Loss(this.G_A.forward(fakeA), b), lambda),
      idt_A: sameB ? weighted(l1Loss(sameB, b), lambda * identity) : zeros([]),
      idt_B: sameA ? weighted(l1Loss(sameA, a), lambda * identity) : zeros([]),
    };
    const total = Object.values(generators).reduce((sum, term) => add(sum, term));
    this.optimizers.G.zeroGrad();
    backward(total);
    this.optimizers.G.step();

    this.#train(true);
    this.optimizers.D.zeroGrad();
    const judge = (d: PatchDiscriminator, real: Tensor, fake: Tensor, pool: HistoryPool): Tensor => {
      const [scores, fakeScores] = forwardBoth(d, real, pool.query(fake.detach()));
      const loss = weighted(add(mseLoss(scores, 1), mseLoss(fakeScores, 0)), 0.5);
      backward(loss);
      return loss;
    };
    const losses = {
      ...generators,
      D_A: judge(this.D_A, b, fakeB, this.pools.B),
      D_B: judge(this.D_B, a, fakeA, this.pools.A),
    };
    this.optimizers.D.step();
    observe?.(losses);
    return losses;
  }

  /** Which side is trained: gradients then stop at the other's weights, not at its inputs. */
  #train(discriminators: boolean): void {
    for (const d of [this.D_A, this.D_B]) d.requireGrad(discriminators);
    for (const g of [this.G_A, this.G_B]) g.requireGrad(!discriminators);
  }

  override dispose(): void {
    super.dispose();
    for (const part of [this.pools.A, this.pools.B, this.optimizers.G, this.optimizers.D]) part.dispose();
  }
}
