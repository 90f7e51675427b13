/** What each kind of layer becomes in an ONNX graph. Pictures are NCHW there, as the format's operators want them. */
import { CheckpointError } from '../../engine/index.ts';
import type { ActivationShape, BatchNormLayer, CovarianceHeadLayer, Layer } from '../layers.ts';
import { spectralFunction } from './eigen.ts';
import type { GraphBuilder } from './graph.ts';

/** A state dictionary: PyTorch's keys, shapes and order. */
export type State = ReadonlyMap<string, { readonly shape: readonly number[]; readonly data: Float32Array }>;

interface Context {
  readonly graph: GraphBuilder;
  /** The tensor `<layer>.<key>` of the state dictionary, stored in the graph. */
  readonly weight: (layer: Layer, key: string) => string;
  /** Sizes of one picture that goes into the layer, [height, width, channels] or [features]. */
  readonly input: ActivationShape;
}

type Rules = {
  readonly [K in Layer['kind']]: (layer: Extract<Layer, { kind: K }>, x: string, context: Context) => string;
};

const activated = (graph: GraphBuilder, activation: 'none' | 'relu', x: string): string =>
  activation === 'relu' ? graph.node('Relu', [x]) : x;

function gemm({ graph, weight }: Context, layer: Layer, prefix: string, x: string, bias: boolean): string {
  const inputs = [x, weight(layer, `${prefix}weight`), ...(bias ? [weight(layer, `${prefix}bias`)] : [])];
  return graph.node('Gemm', inputs, { transB: 1 });
}

function batchNorm(layer: BatchNormLayer, x: string, { graph, weight, input }: Context): string {
  const channels = input.at(-1) ?? 0;
  const scale = graph.floats(new Float32Array(channels).fill(1), [channels]);
  const inputs = [x, scale, ...['bias', 'running_mean', 'running_var'].map((key) => weight(layer, key))];
  return activated(graph, layer.activation, graph.node('BatchNormalization', inputs, { epsilon: { real: layer.eps } }));
}

function covarianceHead(layer: CovarianceHeadLayer, x: string, { graph: g, weight, input }: Context): string {
  const [height = 0, width = 0, channels = 0] = input;
  const positions = height * width;
  const flat = g.reshape(x, [0, channels, positions]);
  const centred = g.sub(flat, g.node('ReduceMean', [flat], { axes: [2], keepdims: 1 }));
  const scale = g.floats([1 / (positions - 1)]);
  const covariance = g.mul(g.matmul(centred, g.transpose(centred, [0, 2, 1])), scale);
  const squares = g.node('ReduceSum', [g.mul(centred, centred), g.integers([1, 2])], { keepdims: 1 });
  const identity = Float32Array.from({ length: channels ** 2 }, (_, i) => (i % (channels + 1) === 0 ? 1 : 0));
  const ridge = g.mul(
    g.mul(squares, g.floats([layer.regulariser / (positions - 1)])),
    g.floats(identity, [channels, channels]),
  );
  let matrix = g.add(covariance, ridge);
  const clamp = (values: string): string =>
    g.node('Clip', [values, g.floats([layer.floor]), g.floats([layer.ceiling])]);
  let d = channels;
  for (const [index, columns] of layer.widths.entries()) {
    // The last ReEig and LogEig share one decomposition.
    if (index > 0) matrix = spectralFunction(g, `${layer.name}/reEig${index}`, matrix, d, clamp);
    const w = weight(layer, `bimap${index + 1}.weight`);
    matrix = g.matmul(g.matmul(g.transpose(w, [1, 0]), matrix), w);
    d = columns;
  }
  const log = spectralFunction(g, `${layer.name}/logEig`, matrix, d, (values) => g.node('Log', [clamp(values)]));
  return g.reshape(log, [0, d * d]);
}

const rules: Rules = {
  conv2d: (layer, x, { graph, weight }) => {
    const inputs = [x, weight(layer, 'weight'), ...(layer.bias ? [weight(layer, 'bias')] : [])];
    const { kernelSize: k, padding: p } = layer;
    const y = graph.node('Conv', inputs, { kernel_shape: [k, k], pads: [p, p, p, p] });
    return activated(graph, layer.activation, y);
  },
  batchNorm,
  maxPool2d: (_layer, x, { graph }) => graph.node('MaxPool', [x], { kernel_shape: [2, 2], strides: [2, 2] }),
  seBlock: (layer, x, context) => {
    const { graph } = context;
    const squeezed = graph.node('Flatten', [graph.node('GlobalAveragePool', [x])]);
    const hidden = graph.node('Relu', [gemm(context, layer, 'fc1.', squeezed, true)]);
    const scale = graph.node('Sigmoid', [gemm(context, layer, 'fc2.', hidden, true)]);
    return graph.mul(x, graph.node('Unsqueeze', [scale, graph.integers([2, 3])]));
  },
  covarianceHead,
  flatten: (layer, x, { graph }) =>
    graph.node('Flatten', [layer.order === 'hwc' ? graph.transpose(x, [0, 2, 3, 1]) : x]),
  linear: (layer, x, context) => activated(context.graph, layer.activation, gemm(context, layer, '', x, layer.bias)),
  relu: (_layer, x, { graph }) => graph.node('Relu', [x]),
  dropout: (_layer, x) => x,
};

/** Adds one layer to the graph and returns the name of its output. */
export function addLayer(
  graph: GraphBuilder,
  layer: Layer,
  x: string,
  input: ActivationShape,
  state: State,
  prefix: string,
): string {
  const context: Context = {
    graph,
    input,
    weight: (of, key) => {
      const name = `${prefix}${of.name}.${key}`;
      const found = state.get(name);
      if (!found)
        throw new CheckpointError(`The state dictionary lacks ${name}.`, { remedy: 'Export a complete run.' });
      return graph.weight(name, found.shape, found.data);
    },
  };
  const rule = rules[layer.kind] as (layer: Layer, x: string, context: Context) => string;
  return rule(layer, x, context);
}
