import { type NetworkPlan, ruleOf } from '../layers.ts';
import { GraphBuilder, onnxModel } from './graph.ts';
import { addLayer, type State } from './layers.ts';

export interface OnnxOptions {
  /** What is trained. */
  readonly plan: NetworkPlan;
  /** The network in front of it, whose keys carry the prefix `extractor.`. */
  readonly extractor?: NetworkPlan | undefined;
  readonly state: State;
  /** Goes into the file's metadata: class names, preprocessing. */
  readonly metadata?: Record<string, string>;
  readonly producerVersion?: string;
}

/**
 * An ONNX file (opset 17, standard operators only) of a classifier in evaluation mode. Input `images`
 * [batch, 3, height, width], already preprocessed; outputs `logits` and `probabilities` [batch, classes] and `features`.
 *
 * The matrix logarithm is a Jacobi eigendecomposition in a Loop, in 32-bit floats: logits agree with PyTorch's in 64 bits to
 * 1e-4 and better.
 * @throws CheckpointError when the state dictionary lacks a tensor.
 */
export function exportOnnx({ plan, extractor, state, metadata = {}, producerVersion = '' }: OnnxOptions): Uint8Array {
  const graph = new GraphBuilder('model');
  const [height = 0, width = 0, channels = 0] = (extractor ?? plan).input;
  let value = graph.input('images', 'float', ['batch', channels, height, width]);
  let shape = (extractor ?? plan).input;
  const run = (network: NetworkPlan, prefix: string): void => {
    for (const layer of network.layers) {
      value = addLayer(graph, layer, value, shape, state, prefix);
      shape = ruleOf(layer).output(layer, shape);
      if (layer.name === network.featuresAfter && prefix === '')
        graph.output('features', value, 'float', ['batch', ...shape]);
    }
  };
  if (extractor) run(extractor, 'extractor.');
  run(plan, '');
  graph.output('logits', value, 'float', ['batch', ...shape]);
  graph.output('probabilities', graph.node('Softmax', [value], { axis: -1 }), 'float', ['batch', ...shape]);
  return onnxModel(graph.build(), producerVersion, metadata);
}
