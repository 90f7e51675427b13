/** Weights that a run starts from: another run's, an exported model's, or VGG16's from elsewhere. */
import { CheckpointError, DataError } from '../../engine/index.ts';
import { type Classifier, extractorPlan, type NetworkPlan, vgg16State } from '../../models/index.ts';
import { fileErrorReason, sha256Of } from '../files.ts';
import { plural } from '../plural.ts';
import { readWeights, type WeightsFile } from '../weights.ts';

type Tensors = WeightsFile['tensors'];

/** SHA-256 of a file: how a run knows its extractor again. */
export async function fileHash(path: string): Promise<string> {
  try {
    return await sha256Of(path);
  } catch (error) {
    throw new DataError(`The weights ${path} cannot be read: ${fileErrorReason(error)}.`, { cause: error });
  }
}

/**
 * The network's tensors, and whether kindergrad wrote them: a checkpoint of a run carries `model.` before the network's
 * keys, and more than the network; an exported model says so in its metadata.
 */
function networkTensors({ tensors, metadata }: WeightsFile): { tensors: Tensors; own: boolean } {
  const ofRun = [...tensors].filter(([name]) => name.startsWith('model.'));
  if (ofRun.length === 0) return { tensors, own: metadata.kindergrad !== undefined };
  return { tensors: new Map(ofRun.map(([name, tensor]) => [name.slice('model.'.length), tensor])), own: true };
}

/** VGG16's plan without what the file does not fit: another number of classes, pictures of another size. */
function fittingPlan(plan: NetworkPlan, tensors: Tensors, classes: number): NetworkPlan {
  const inputs = (tensors.get('classifier.0.weight') ?? tensors.get('pre_logits.fc1.weight'))?.shape.slice(1);
  const flattened = plan.layers.findIndex(({ kind }) => kind === 'flatten');
  if (flattened < 0) return plan;
  const expected = (plan.input[0] >> 5) * (plan.input[1] >> 5);
  const channels = plan.layers.findLast((layer) => layer.kind === 'conv2d')?.channels ?? 0;
  const found = inputs?.reduce((product, size) => product * size, 1);
  if (found !== expected * channels) return { ...plan, layers: plan.layers.slice(0, flattened) };
  const last = (tensors.get('classifier.6.bias') ?? tensors.get('head.fc.bias'))?.shape[0];
  return last === classes ? plan : { ...plan, layers: plan.layers.slice(0, -1) };
}

/**
 * Loads a weights file into a model before training: VGG16's (torchvision's or timm's keys) into `vgg16`, or into the
 * extractor of `vfeso-dlse`; any other model takes the weights of its own kind. A decision layer for another number of
 * classes is left as it was initialised.
 * @returns what was done, for the user.
 * @throws CheckpointError listing what does not fit.
 */
export async function loadInitialWeights(model: Classifier, path: string): Promise<string> {
  const { tensors, own: ours } = networkTensors(await readWeights(path));
  // Caffe's weights expect blue first; ours were turned round when they were first loaded.
  const fromCaffe = 'preprocessing' in model.config && model.config.preprocessing === 'caffe' && !ours;
  const order = fromCaffe ? 'bgr' : 'rgb';
  const extractor = extractorPlan(model.name, model.config);
  if (extractor && model.extractor) {
    const { state, naming, unused } = vgg16State(tensors, extractor, order);
    model.extractor.loadStateDict(state);
    return `extractor from ${path} (${naming}'s keys, ${plural(state.size, 'tensor')} used, ${unused.length} not needed)`;
  }
  if (model.name === 'vgg16') {
    const { state, naming, unused } = vgg16State(
      tensors,
      fittingPlan(model.plan, tensors, model.config.classes),
      order,
    );
    const { missing } = model.loadStateDict(state, { strict: false });
    const fresh = missing.length > 0 ? `; ${missing.join(', ')} start anew` : '';
    return `weights from ${path} (${naming}'s keys, ${unused.length} not needed${fresh})`;
  }
  const own = new Map([...model.namedState()]);
  const decision = ['classifier.logits.weight', 'classifier.logits.bias'];
  const other = decision.some((name) => tensors.get(name)?.shape[0] !== own.get(name)?.torchShape[0]);
  const state = new Map([...tensors].filter(([name]) => !(other && decision.includes(name))));
  const { missing, unexpected } = model.loadStateDict(state, { strict: false });
  const lacking = missing.filter((name) => !decision.includes(name));
  if (lacking.length > 0 || unexpected.length > 0) {
    throw new CheckpointError(
      `${path} is not a ${model.name} with these options: ${plural(lacking.length, 'tensor')} missing (${lacking.slice(0, 4).join(', ')}), ` +
        `${unexpected.length} unexpected (${unexpected.slice(0, 4).join(', ')}).`,
      { remedy: 'Give the weights of the same model with the same --set options.' },
    );
  }
  return `weights from ${path}${other ? '; the decision layer starts anew' : ''}`;
}
