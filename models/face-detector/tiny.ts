import { ConfigError, maxPool2d, type Tensor } from '../../engine/index.ts';
import { BatchedNet } from './batched-net.ts';
import { nonMaxSuppression } from './boxes.ts';
import type { Face, FaceDetector, Picture } from './detector.ts';
import { applyLayer, depthwise, disposeLayers, type Layer, toTensor, weightNamed } from './layers.ts';
import type { Normalisation } from './letterbox.ts';
import type { Weights } from './weights.ts';

/** Widths and heights of the five anchor boxes, in cells of the grid. */
const anchors = [
  [1.603231, 2.094468],
  [6.041143, 7.080126],
  [2.882459, 3.518061],
  [4.266906, 5.178857],
  [9.041765, 10.66308],
] as const;

/** Channels of the first convolution, whose output is the largest. */
const firstChannels = 16;

const normalisation: Normalisation = { mean: [117.001, 114.697, 97.404], scale: 1 / 255 };
const iouThreshold = 0.4;
const leaky = { activation: 'leakyRelu', negativeSlope: 0.1 } as const;

interface TinyLayers {
  readonly first: Layer;
  /** Depthwise and pointwise, five times. */
  readonly separable: readonly { readonly depthwise: Layer; readonly pointwise: Layer }[];
  readonly last: Layer;
}

function loadLayers(weights: Weights): TinyLayers {
  const get = (name: string) => weightNamed(weights, name);
  const separable = [1, 2, 3, 4, 5].map((i) => {
    const filter = depthwise(get(`conv${i}/depthwise_filter`));
    return {
      depthwise: { weight: toTensor(filter), bias: undefined, options: { padding: 1, groups: filter.shape[3] ?? 1 } },
      pointwise: {
        weight: toTensor(get(`conv${i}/pointwise_filter`)),
        bias: toTensor(get(`conv${i}/bias`)),
        options: leaky,
      },
    };
  });
  return {
    first: { weight: toTensor(get('conv0/filters')), bias: toTensor(get('conv0/bias')), options: leaky },
    separable,
    last: { weight: toTensor(get('conv8/filters')), bias: toTensor(get('conv8/bias')), options: {} },
  };
}

/** x [batch, side, side, 3] → [batch, cells + 1, cells + 1, 25]; the first row and column of cells mean nothing. */
function forward(x: Tensor, layers: TinyLayers): Tensor {
  let out = maxPool2d(applyLayer(x, layers.first), { kernelSize: 2, ceilMode: true });
  for (const [i, { depthwise, pointwise }] of layers.separable.entries()) {
    out = applyLayer(applyLayer(out, depthwise), pointwise);
    // The last pool keeps the size: each cell with its right and lower neighbours. Padding by one on all sides gives
    // the same, shifted by one cell.
    const last = i === layers.separable.length - 1;
    out = last
      ? maxPool2d(out, { kernelSize: 2, stride: 1, padding: 1 })
      : maxPool2d(out, { kernelSize: 2, ceilMode: true });
  }
  return applyLayer(out, layers.last);
}

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

/** Decodes one picture's grid (YOLO v2): x, y, width, height and objectness for each anchor of each cell. */
export function decodeTiny(grid: Float32Array, stride: number, picture: Picture, confidence: number): Face[] {
  const cells = stride - 1;
  const side = Math.max(picture.width, picture.height);
  const faces: Face[] = [];
  for (let row = 0; row < cells; row++) {
    for (let column = 0; column < cells; column++) {
      for (const [anchor, [anchorWidth, anchorHeight]] of anchors.entries()) {
        const at = ((row + 1) * stride + column + 1) * 25 + anchor * 5;
        const [x = 0, y = 0, w = 0, h = 0, objectness = 0] = grid.subarray(at, at + 5);
        const score = sigmoid(objectness);
        if (score <= confidence) continue;
        const width = ((Math.exp(w) * anchorWidth) / cells) * side;
        const height = ((Math.exp(h) * anchorHeight) / cells) * side;
        const centreX = ((column + sigmoid(x)) / cells) * side;
        const centreY = ((row + sigmoid(y)) / cells) * side;
        faces.push({ confidence: score, box: { x: centreX - width / 2, y: centreY - height / 2, width, height } });
      }
    }
  }
  return nonMaxSuppression(faces, iouThreshold);
}

/**
 * face-api's tiny face detector: tiny YOLO v2 with depthwise separable convolutions, 190 KB of weights. `inputSize` is
 * the side of the square it looks at, a multiple of 32; larger finds smaller faces.
 */
export function loadTinyDetector(weights: Weights, options: { confidence: number; inputSize: number }): FaceDetector {
  const { confidence, inputSize } = options;
  if (!Number.isInteger(inputSize) || inputSize < 32 || inputSize % 32 !== 0) {
    throw new ConfigError(`The tiny detector's inputSize must be a multiple of 32, not ${inputSize}.`);
  }
  const layers = loadLayers(weights);
  const net = new BatchedNet(inputSize, normalisation, inputSize ** 2 * firstChannels, (x) => [forward(x, layers)]);
  return {
    name: 'tiny',
    inputSize,
    detect: (pictures) =>
      net.run(pictures, ([grid], picture) => {
        const stride = Math.sqrt(grid.length / 25);
        return decodeTiny(grid, stride, picture, confidence);
      }),
    dispose: () => {
      net.dispose();
      disposeLayers(layers);
    },
  };
}
