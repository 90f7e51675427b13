/**
 * A network is a table of layers in the order they run. Modules, `summary` and the ONNX export are all made from that
 * one table. The rules here are arithmetic on shapes alone: no GPU is needed to ask for a model's size.
 */
import { ConfigError, ShapeError } from '../engine/index.ts';

export type Activation = 'none' | 'relu';

/** 3×3 or other square convolution, stride 1. */
export interface Conv2dLayer {
  readonly kind: 'conv2d';
  readonly name: string;
  readonly channels: number;
  readonly kernelSize: number;
  readonly padding: number;
  readonly bias: boolean;
  readonly activation: Activation;
}

/** Batch normalisation with a learnt shift and no scale, as TF-Slim's default has it. */
export interface BatchNormLayer {
  readonly kind: 'batchNorm';
  readonly name: string;
  readonly eps: number;
  /** Share of the batch in the running statistics (1 − decay). */
  readonly momentum: number;
  readonly activation: Activation;
}

/** 2×2 maximum with stride 2; an odd last row and column are left out. */
export interface MaxPoolLayer {
  readonly kind: 'maxPool2d';
  readonly name: string;
}

/** Squeeze and excitation: s = σ(W₂·ReLU(W₁·mean(u) + b₁) + b₂), output s·u per channel. */
export interface SeBlockLayer {
  readonly kind: 'seBlock';
  readonly name: string;
  readonly reduction: number;
}

/** Covariance of the channels over positions, then BiMap + ReEig per width, then LogEig. */
export interface CovarianceHeadLayer {
  readonly kind: 'covarianceHead';
  readonly name: string;
  /** ε of C + ε·tr(C)·I. */
  readonly regulariser: number;
  /** Sizes of the matrix after each BiMap. */
  readonly widths: readonly number[];
  /** ReEig's floor and ceiling of the eigenvalues. */
  readonly floor: number;
  readonly ceiling: number;
  /** 'auto' takes the low-rank or the collapsed path where it equals the full one; 'full' never does. */
  readonly path: 'auto' | 'full';
}

/** To one vector per image: 'hwc' as the pictures lie, 'chw' in PyTorch's order (VGG16's weights expect it). */
export interface FlattenLayer {
  readonly kind: 'flatten';
  readonly name: string;
  readonly order: 'hwc' | 'chw';
}

export interface LinearLayer {
  readonly kind: 'linear';
  readonly name: string;
  readonly features: number;
  readonly bias: boolean;
  readonly activation: Activation;
}

export interface ReluLayer {
  readonly kind: 'relu';
  readonly name: string;
}

export interface DropoutLayer {
  readonly kind: 'dropout';
  readonly name: string;
  readonly p: number;
}

export type Layer =
  | Conv2dLayer
  | BatchNormLayer
  | MaxPoolLayer
  | SeBlockLayer
  | CovarianceHeadLayer
  | FlattenLayer
  | LinearLayer
  | ReluLayer
  | DropoutLayer;

/** Per image: [height, width, channels], [d, d] or [features]. */
export type ActivationShape = readonly number[];

/** What a layer does to sizes. `parameters` are the learnt tensors by state-dictionary suffix, in PyTorch's layout. */
interface LayerRule<L> {
  readonly output: (layer: L, input: ActivationShape) => ActivationShape;
  readonly parameters: (layer: L, input: ActivationShape) => Record<string, readonly number[]>;
  /** Floating-point operations for one image, a multiplication and an addition counting two. */
  readonly flops: (layer: L, input: ActivationShape) => number;
}

type LayerRules = { readonly [K in Layer['kind']]: LayerRule<Extract<Layer, { kind: K }>> };

export const sizeOf = (shape: ActivationShape): number => shape.reduce((product, size) => product * size, 1);

function picture(layer: Layer, input: ActivationShape): [number, number, number] {
  const [height, width, channels] = input;
  if (height === undefined || width === undefined || channels === undefined || input.length !== 3) {
    throw new ShapeError(`${layer.name} needs [height, width, channels] and gets [${input.join(', ')}].`);
  }
  return [height, width, channels];
}

function vector(layer: Layer, input: ActivationShape): number {
  const [features] = input;
  if (features === undefined || input.length !== 1) {
    throw new ShapeError(`${layer.name} needs a vector and gets [${input.join(', ')}].`);
  }
  return features;
}

/** Hidden units of an SE block. */
export const squeezed = (channels: number, reduction: number): number => Math.max(1, Math.floor(channels / reduction));

/** Operations of one symmetric eigendecomposition by Jacobi, 9d³ per sweep and eight sweeps; for the summary only. */
const eigenFlops = (d: number): number => 72 * d ** 3;

function covarianceFlops(layer: CovarianceHeadLayer, input: ActivationShape): number {
  const [height, width, channels] = picture(layer, input);
  let total = 2 * height * width * channels * channels;
  let rows = channels;
  for (const columns of layer.widths) {
    total += 2 * rows * rows * columns + 2 * rows * columns * columns + eigenFlops(columns) + 2 * columns ** 3;
    rows = columns;
  }
  return total + eigenFlops(rows) + 2 * rows ** 3;
}

const none = (): Record<string, readonly number[]> => ({});
const same = (_layer: Layer, input: ActivationShape): ActivationShape => input;

export const layerRules: LayerRules = {
  conv2d: {
    output: (layer, input) => {
      const [height, width] = picture(layer, input);
      const shrink = layer.kernelSize - 1 - 2 * layer.padding;
      return [height - shrink, width - shrink, layer.channels];
    },
    parameters: (layer, input) => {
      const weight = [layer.channels, picture(layer, input)[2], layer.kernelSize, layer.kernelSize];
      return { weight, ...(layer.bias && { bias: [layer.channels] }) };
    },
    flops: (layer, input) => {
      const outputs = sizeOf(layerRules.conv2d.output(layer, input));
      return outputs * (2 * layer.kernelSize ** 2 * picture(layer, input)[2] + (layer.bias ? 1 : 0));
    },
  },
  batchNorm: {
    output: same,
    parameters: (_layer, input) => ({ bias: input.slice(-1) }),
    flops: (_layer, input) => 2 * sizeOf(input),
  },
  maxPool2d: {
    output: (layer, input) => {
      const [height, width, channels] = picture(layer, input);
      if (height < 2 || width < 2) {
        throw new ConfigError(`${layer.name} cannot halve ${height}×${width}: the pictures are too small.`, {
          remedy: 'Choose a larger image size.',
        });
      }
      return [Math.floor(height / 2), Math.floor(width / 2), channels];
    },
    parameters: none,
    flops: (layer, input) => 3 * sizeOf(layerRules.maxPool2d.output(layer, input)),
  },
  seBlock: {
    output: same,
    parameters: (layer, input) => {
      const [, , channels] = picture(layer, input);
      const hidden = squeezed(channels, layer.reduction);
      return {
        'fc1.weight': [hidden, channels],
        'fc1.bias': [hidden],
        'fc2.weight': [channels, hidden],
        'fc2.bias': [channels],
      };
    },
    flops: (layer, input) => {
      const [, , channels] = picture(layer, input);
      return 2 * sizeOf(input) + 4 * channels * squeezed(channels, layer.reduction);
    },
  },
  covarianceHead: {
    output: (layer, input) => {
      const [height, width, channels] = picture(layer, input);
      if (height * width < 2) {
        throw new ConfigError(`${layer.name} needs at least two positions and gets ${height}×${width}.`, {
          remedy: 'Choose a larger image size.',
        });
      }
      const d = layer.widths.at(-1) ?? channels;
      return [d * d];
    },
    parameters: (layer, input) => {
      const sizes = [picture(layer, input)[2], ...layer.widths];
      return Object.fromEntries(
        layer.widths.map((columns, i) => {
          const rows = sizes[i] ?? 0;
          if (columns > rows) {
            throw new ConfigError(`${layer.name} cannot map ${rows}×${rows} up to ${columns}×${columns}.`, {
              remedy: 'Each BiMap width must be at most the one before it.',
            });
          }
          return [`bimap${i + 1}.weight`, [rows, columns]];
        }),
      );
    },
    flops: covarianceFlops,
  },
  flatten: { output: (_layer, input) => [sizeOf(input)], parameters: none, flops: () => 0 },
  linear: {
    output: (layer) => [layer.features],
    parameters: (layer, input) => {
      const weight = [layer.features, vector(layer, input)];
      return { weight, ...(layer.bias && { bias: [layer.features] }) };
    },
    flops: (layer, input) => layer.features * (2 * vector(layer, input) + (layer.bias ? 1 : 0)),
  },
  relu: { output: same, parameters: none, flops: (_layer, input) => sizeOf(input) },
  dropout: { output: same, parameters: none, flops: () => 0 },
};

/** The rule of a layer, with the link between kind and rule that TypeScript cannot follow by itself. */
export function ruleOf<L extends Layer>(layer: L): LayerRule<L> {
  return layerRules[layer.kind] as unknown as LayerRule<L>;
}

/** A network's table of layers with the size of one picture that goes in. */
export interface NetworkPlan {
  readonly input: ActivationShape;
  readonly layers: readonly Layer[];
  /** How convolution and FC weights start: TF-Slim's truncated normal of deviation 0.1 (CovPoolFER), or He's. */
  readonly init: 'truncatedNormal' | 'he';
  /** The layer whose output is the feature vector of the centre and distance loss. */
  readonly featuresAfter?: string;
}

/** Channels or units at a width factor; at least one. */
export const scaled = (count: number, width: number): number => Math.max(1, Math.round(count * width));
