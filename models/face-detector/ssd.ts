import type { Tensor } from '../../engine/index.ts';
import { BatchedNet, type Outputs } from './batched-net.ts';
import { nonMaxSuppression } from './boxes.ts';
import type { Box, Face, FaceDetector, Picture } from './detector.ts';
import { applyLayer, depthwise, disposeLayers, type Layer, shifted, toTensor, weightNamed } from './layers.ts';
import type { Normalisation } from './letterbox.ts';
import type { Weight, Weights } from './weights.ts';

const inputSize = 512;
/** The first pointwise convolution's output. */
const widest = 256 * 256 * 64;
const normalisation: Normalisation = { mean: [127.5, 127.5, 127.5], scale: 1 / 127.5 };
const iouThreshold = 0.5;
const mostFaces = 100;
const relu6 = { activation: 'relu6' } as const;

/** Depthwise layers of MobileNet v1 that halve the picture. */
const halving = new Set([2, 4, 6, 12]);

interface SsdLayers {
  readonly first: Layer;
  readonly blocks: readonly { readonly depthwise: Layer; readonly pointwise: Layer }[];
  /** Eight more convolutions; every second one halves. */
  readonly extra: readonly Layer[];
  readonly predictors: readonly { readonly boxes: Layer; readonly classes: Layer }[];
}

function loadLayers(weights: Weights): SsdLayers {
  const get = (name: string) => weightNamed(weights, name);
  const dense = (prefix: string, stride: number): Layer => {
    const weight = get(`${prefix}/weights`);
    const bias = toTensor(get(`${prefix}/convolution_bn_offset`));
    if (stride === 1) return { weight: toTensor(weight), bias, options: relu6 };
    return { weight: toTensor(shifted(weight)), bias, options: { ...relu6, stride: 2, padding: 1 } };
  };
  const predictor = (name: string): Layer => ({
    weight: toTensor(get(`${name}/weights`)),
    bias: toTensor(get(`${name}/biases`)),
    options: {},
  });
  return {
    first: dense('MobilenetV1/Conv2d_0_pointwise', 2),
    blocks: Array.from({ length: 13 }, (_, i) => ({
      depthwise: loadDepthwise(weights, `MobilenetV1/Conv2d_${i + 1}_depthwise`, halving.has(i + 1)),
      pointwise: dense(`MobilenetV1/Conv2d_${i + 1}_pointwise`, 1),
    })),
    extra: Array.from({ length: 8 }, (_, i) => dense(`Prediction/Conv2d_${i}_pointwise`, 1 + (i % 2))),
    predictors: Array.from({ length: 6 }, (_, i) => ({
      boxes: predictor(`Prediction/BoxPredictor_${i}/BoxEncodingPredictor`),
      classes: predictor(`Prediction/BoxPredictor_${i}/ClassPredictor`),
    })),
  };
}

/** A depthwise convolution with its batch norm folded in: w · γ/√(σ² + ε), bias β − μ · γ/√(σ² + ε), ε = 0.001. */
function loadDepthwise(weights: Weights, prefix: string, halves: boolean): Layer {
  const get = (name: string) => weightNamed(weights, `${prefix}/${name}`);
  const filter = get('depthwise_weights');
  const [gamma, beta] = [get('BatchNorm/gamma').values, get('BatchNorm/beta').values];
  const [mean, variance] = [get('BatchNorm/moving_mean').values, get('BatchNorm/moving_variance').values];
  const factor = variance.map((value, channel) => (gamma[channel] ?? 1) / Math.sqrt(value + 0.001));
  const channels = factor.length;
  const folded = filter.values.map((value, i) => value * (factor[i % channels] ?? 1));
  const bias = beta.map((value, channel) => value - (mean[channel] ?? 0) * (factor[channel] ?? 1));
  const weight = depthwise({ values: folded, shape: filter.shape });
  const options = { ...relu6, padding: 1, groups: channels };
  return {
    weight: toTensor(halves ? shifted(weight) : weight),
    bias: toTensor({ values: bias, shape: [channels] }),
    options: halves ? { ...options, stride: 2 } : options,
  };
}

/** x [batch, 512, 512, 3] → for each of six scales the boxes [batch, cells, cells, anchors · 4], then the classes. */
function forward(x: Tensor, layers: SsdLayers): Tensor[] {
  let out = applyLayer(x, layers.first);
  const scales: Tensor[] = [];
  for (const [i, { depthwise, pointwise }] of layers.blocks.entries()) {
    out = applyLayer(applyLayer(out, depthwise), pointwise);
    if (i === 10) scales.push(out);
  }
  scales.push(out);
  for (const [i, layer] of layers.extra.entries()) {
    out = applyLayer(out, layer);
    if (i % 2 === 1) scales.push(out);
  }
  const predict = (which: 'boxes' | 'classes') =>
    layers.predictors.map((predictor, i) => applyLayer(scales[i] as Tensor, predictor[which]));
  return [...predict('boxes'), ...predict('classes')];
}

/**
 * Decodes one picture's boxes against the anchors (top, left, bottom, right in shares of the square): centre offsets in
 * tenths of the anchor's size, logarithms of the size in fifths (Liu et al. 2016, SSD). Class 1 of 3 is 'face'.
 */
export function decodeSsd(outputs: Outputs, anchors: Weight, picture: Picture, confidence: number): Face[] {
  const side = Math.max(picture.width, picture.height);
  const faces: Face[] = [];
  let anchor = 0;
  for (let scale = 0; scale < 6; scale++) {
    const boxes = outputs[scale] as Float32Array;
    const classes = outputs[scale + 6] as Float32Array;
    for (let i = 0; i < boxes.length / 4; i++, anchor++) {
      const score = 1 / (1 + Math.exp(-(classes[3 * i + 1] as number)));
      if (score <= confidence) continue;
      const encoded = boxes.subarray(4 * i, 4 * i + 4);
      faces.push({ confidence: score, box: decodeBox(encoded, anchors.values.subarray(4 * anchor, 4 * anchor + 4)) });
    }
  }
  return nonMaxSuppression(faces, iouThreshold)
    .slice(0, mostFaces)
    .map(({ box, confidence: score }) => ({ confidence: score, box: clipAndScale(box, side) }));
}

function decodeBox(encoded: Float32Array, anchor: Float32Array): Box {
  const [dy = 0, dx = 0, dh = 0, dw = 0] = encoded;
  const [top = 0, left = 0, bottom = 0, right = 0] = anchor;
  const height = Math.exp(dh / 5) * (bottom - top);
  const width = Math.exp(dw / 5) * (right - left);
  const y = (dy / 10) * (bottom - top) + (top + bottom) / 2;
  const x = (dx / 10) * (right - left) + (left + right) / 2;
  return { x: x - width / 2, y: y - height / 2, width, height };
}

/** From shares of the square to pixels, cut off at the square's edge. */
function clipAndScale({ x, y, width, height }: Box, side: number): Box {
  const [left, top] = [Math.max(0, x), Math.max(0, y)];
  const [right, bottom] = [Math.min(1, x + width), Math.min(1, y + height)];
  return { x: left * side, y: top * side, width: (right - left) * side, height: (bottom - top) * side };
}

/** face-api's SSD MobileNet v1 face detector: 5.6 MB of weights, some ten times the work of the tiny one. */
export function loadSsdDetector(weights: Weights, { confidence }: { confidence: number }): FaceDetector {
  const layers = loadLayers(weights);
  const anchors = weightNamed(weights, 'Output/extra_dim');
  const net = new BatchedNet(inputSize, normalisation, widest, (x) => forward(x, layers));
  return {
    name: 'ssd',
    inputSize,
    detect: (pictures) => net.run(pictures, (outputs, picture) => decodeSsd(outputs, anchors, picture, confidence)),
    dispose: () => {
      net.dispose();
      disposeLayers(layers);
    },
  };
}
