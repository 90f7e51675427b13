/**
 * Fits VGG16 weights from elsewhere to our state dictionary: torchvision's keys as they are, timm's renamed. Weights from
 * Caffe expect blue first; their first convolution is turned round, so that pictures stay RGB everywhere.
 */
import { CheckpointError, type StateDict, sizeOf } from '../engine/index.ts';
import { type NetworkPlan, ruleOf } from './layers.ts';

type Weights = ReadonlyMap<string, { readonly shape: readonly number[]; readonly data: Float32Array }>;

export interface Vgg16State {
  readonly state: StateDict;
  readonly naming: 'torchvision' | 'timm';
  /** Keys of VGG16 that this network does not need (its classifier, when only features are asked for). */
  readonly unused: readonly string[];
}

/** timm keeps the FC layers as convolutions, with the same values in the same order. */
const timmNames: ReadonlyMap<string, string> = new Map([
  ['pre_logits.fc1', 'classifier.0'],
  ['pre_logits.fc2', 'classifier.3'],
  ['head.fc', 'classifier.6'],
]);

const vgg16Key = /^(features\.(0|2|5|7|10|12|14|17|19|21|24|26|28)|classifier\.(0|3|6))\.(weight|bias)$/;

function renamed(key: string): string {
  for (const [theirs, ours] of timmNames) if (key.startsWith(`${theirs}.`)) return ours + key.slice(theirs.length);
  return key;
}

/** Every learnt tensor of a plan by its key, with PyTorch's shape. */
function expectedShapes(plan: NetworkPlan): Map<string, readonly number[]> {
  const shapes = new Map<string, readonly number[]>();
  let input = plan.input;
  for (const layer of plan.layers) {
    const rule = ruleOf(layer);
    for (const [key, shape] of Object.entries(rule.parameters(layer, input))) shapes.set(`${layer.name}.${key}`, shape);
    input = rule.output(layer, input);
  }
  return shapes;
}

/** [cout, cin, kh, kw] with the order of its three input channels reversed. */
function reverseInputChannels(
  data: Float32Array,
  [cout = 0, cin = 0, kh = 0, kw = 0]: readonly number[],
): Float32Array {
  const window = kh * kw;
  const out = new Float32Array(data.length);
  for (let o = 0; o < cout; o++) {
    for (let c = 0; c < cin; c++) {
      const from = (o * cin + (cin - 1 - c)) * window;
      out.set(data.subarray(from, from + window), (o * cin + c) * window);
    }
  }
  return out;
}

/**
 * The state of `plan` (VGG16 or its features up to a pool) out of a file's tensors.
 * @throws CheckpointError listing every missing, unexpected and mis-shaped key, or the first tensor with a NaN.
 */
export function vgg16State(weights: Weights, plan: NetworkPlan, channelOrder: 'rgb' | 'bgr' = 'rgb'): Vgg16State {
  const expected = expectedShapes(plan);
  const found: StateDict = new Map();
  const unused: string[] = [];
  const unexpected: string[] = [];
  const misshapen: string[] = [];
  for (const [theirKey, { shape, data }] of weights) {
    const key = renamed(theirKey);
    const wanted = expected.get(key);
    if (!wanted) (vgg16Key.test(key) ? unused : unexpected).push(theirKey);
    // timm's 1×1 and 7×7 convolutions have the sizes of the FC weights behind a flattening
    else if (
      shape[0] !== wanted[0] ||
      sizeOf(shape) !== sizeOf(wanted) ||
      (shape.length !== wanted.length && wanted.length !== 2)
    ) {
      misshapen.push(`${theirKey} is [${shape.join(', ')}], needed [${wanted.join(', ')}]`);
    } else found.set(key, { shape: wanted, data });
  }
  const missing = [...expected.keys()].filter(
    (key) => !found.has(key) && !misshapen.some((text) => text.startsWith(key)),
  );
  const complaints = [
    ...misshapen,
    ...(missing.length > 0 ? [`missing: ${missing.join(', ')}`] : []),
    ...(unexpected.length > 0
      ? [`unexpected: ${unexpected.slice(0, 12).join(', ')}${unexpected.length > 12 ? ', …' : ''}`]
      : []),
  ];
  if (complaints.length > 0) {
    throw new CheckpointError(`The weights are not those of this VGG16:\n  ${complaints.join('\n  ')}`, {
      remedy: 'Use VGG16 without batch norm (torchvision vgg16 or timm vgg16.tv_in1k), at the width it was saved with.',
    });
  }
  for (const [key, { data }] of found) {
    if (!data.every(Number.isFinite)) {
      throw new CheckpointError(`${key} holds a value that is not finite.`, { remedy: 'Fetch the weights again.' });
    }
  }
  const first = found.get('features.0.weight');
  if (first && channelOrder === 'bgr') {
    found.set('features.0.weight', { shape: first.shape, data: reverseInputChannels(first.data, first.shape) });
  }
  const naming = [...weights.keys()].some((key) => renamed(key) !== key) ? 'timm' : 'torchvision';
  return { state: found, naming, unused };
}
