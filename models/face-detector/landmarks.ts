import { add, relu, type Tensor } from '../../engine/index.ts';
import { BatchedNet } from './batched-net.ts';
import type { Picture } from './detector.ts';
import { applyLayer, depthwise, disposeLayers, type Layer, shifted, toTensor, weightNamed } from './layers.ts';
import type { Normalisation } from './letterbox.ts';
import type { Weight, Weights } from './weights.ts';

/** In pixels of the picture. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface FaceLandmarks {
  /** The 68 points of the iBUG scheme (36–41 the left eye in the picture, 42–47 the right) for square pictures of one face. */
  find(pictures: readonly Picture[]): Promise<Point[][]>;
  dispose(): void;
}

const side = 112;
const normalisation: Normalisation = { mean: [122.782, 117.001, 104.298], scale: 1 / 255 };

interface Separable {
  readonly depthwise: Layer;
  readonly pointwise: Layer;
}

interface LandmarkLayers {
  readonly first: Layer;
  /** Four dense blocks; the first convolution of the first block is `first`. */
  readonly blocks: readonly (readonly Separable[])[];
  readonly last: Layer;
}

function loadLayers(weights: Weights): LandmarkLayers {
  const get = (name: string) => weightNamed(weights, name);
  const separable = (name: string, halves: boolean): Separable => {
    const filter = depthwise(get(`${name}/depthwise_filter`));
    const options = { padding: 1, groups: filter.shape[3] ?? 1 };
    const layer: Layer = halves
      ? { weight: toTensor(shifted(filter)), bias: undefined, options: { ...options, stride: 2 } }
      : { weight: toTensor(filter), bias: undefined, options };
    const pointwise = {
      weight: toTensor(get(`${name}/pointwise_filter`)),
      bias: toTensor(get(`${name}/bias`)),
      options: {},
    };
    return { depthwise: layer, pointwise };
  };
  return {
    first: {
      weight: toTensor(shifted(get('dense0/conv0/filters'))),
      bias: toTensor(get('dense0/conv0/bias')),
      options: { stride: 2, padding: 1, activation: 'relu' },
    },
    blocks: [0, 1, 2, 3].map((block) => {
      const convolutions = block === 0 ? [1, 2, 3] : [0, 1, 2, 3];
      return convolutions.map((i) => separable(`dense${block}/conv${i}`, i === 0));
    }),
    last: { weight: toTensor(averageThenLinear(get('fc/weights'))), bias: toTensor(get('fc/bias')), options: {} },
  };
}

/** The mean over 7×7 positions and the linear layer after it, [in, out], as one 7×7 convolution. */
function averageThenLinear({ values, shape: [cin = 0, cout = 0] }: Weight): Weight {
  const each = values.map((value) => value / 49);
  const out = new Float32Array(49 * each.length);
  for (let tap = 0; tap < 49; tap++) out.set(each, tap * each.length);
  return { values: out, shape: [7, 7, cin, cout] };
}

const applySeparable = (x: Tensor, layer: Separable) => applyLayer(applyLayer(x, layer.depthwise), layer.pointwise);

/** x [batch, 112, 112, 3] → [batch, 1, 1, 136]: x and y of each point, in shares of the picture. */
function forward(x: Tensor, layers: LandmarkLayers): Tensor {
  let out = applyLayer(x, layers.first);
  for (const [block, convolutions] of layers.blocks.entries()) {
    const [first] = convolutions;
    const others = block === 0 ? convolutions : convolutions.slice(1);
    if (block > 0 && first) out = relu(applySeparable(out, first));
    // Every convolution sees the sum of all before it in the block.
    let sum = out;
    let input = out;
    for (const layer of others) {
      sum = add(sum, applySeparable(input, layer));
      input = relu(sum);
    }
    out = input;
  }
  return applyLayer(out, layers.last);
}

/** face-api's 68-point landmark network, 350 KB of weights. */
export function loadLandmarks(weights: Weights): FaceLandmarks {
  const layers = loadLayers(weights);
  const net = new BatchedNet(side, normalisation, (side / 2) ** 2 * 32, (x) => [forward(x, layers)]);
  return {
    find: (pictures) =>
      net.run(pictures, ([values], { width, height }) =>
        Array.from({ length: 68 }, (_, i) => ({
          x: (values[2 * i] ?? 0) * width,
          y: (values[2 * i + 1] ?? 0) * height,
        })),
      ),
    dispose: () => {
      net.dispose();
      disposeLayers(layers);
    },
  };
}
