import { afterAll, beforeAll, describe, it } from 'vitest';
import { type Device, noGrad, openDevice, stiefelTangent, type Tensor, tensor } from '../../engine/node.ts';
import {
  accumulateGradients,
  type Classifier,
  type ClassifierName,
  createModel,
  createObjective,
  createOptimizer,
  type Objective,
  trainStep,
} from '../../models/index.ts';
import { expectClose } from '../expect-close.ts';
import { type ReferenceTensor, readReferenceFile } from '../reference.ts';

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.close());

interface Training {
  readonly lambda: number;
  readonly lambda1: number;
  readonly alpha: number;
  readonly weightDecay: number;
  readonly adam: { readonly betas: [number, number]; readonly eps: number; readonly form: 'tensorflow' };
  readonly lr: readonly number[];
}

/** A trace with what it was made from. */
class Trace {
  readonly name: ClassifierName;
  readonly tensors: ReadonlyMap<string, ReferenceTensor>;
  readonly options: Record<string, number>;
  readonly training: Training;
  readonly extracted: boolean;

  constructor(name: ClassifierName) {
    const { tensors, metadata } = readReferenceFile(`models/${name}`);
    const { model: _, inputSize, inputChannels: __, ...options } = metadata.config as Record<string, number>;
    this.name = name;
    this.tensors = tensors;
    this.options = inputSize ? { ...options, imageSize: 16 * inputSize } : options;
    this.training = metadata.training as Training;
    this.extracted = inputSize !== undefined;
  }

  get(name: string): ReferenceTensor {
    const found = this.tensors.get(name);
    if (!found) throw new Error(`the trace of ${this.name} lacks ${name}`);
    return found;
  }

  /** All tensors under a prefix. */
  *under(prefix: string): Generator<[string, ReferenceTensor]> {
    for (const [name, value] of this.tensors) if (name.startsWith(prefix)) yield [name.slice(prefix.length), value];
  }

  /** A model and objective in the state `prefix` of the trace. */
  build(options: Record<string, unknown> = {}): { model: Classifier; objective: Objective } {
    const model = createModel(this.name, { ...this.options, ...options });
    const { lambda, lambda1, alpha } = this.training;
    const objective = createObjective(model, { lambda, lambda1, alpha });
    const state = new Map([...this.under('initial.')].filter(([key]) => key !== 'centres'));
    model.loadStateDict(state, { strict: !this.extracted });
    objective.loadStateDict(new Map([['centres', this.get('initial.centres')]]));
    return { model, objective };
  }

  batch(): { images: Tensor; labels: Tensor } {
    const input = this.get('input');
    return {
      images: tensor(Float32Array.from(input.data), input.shape),
      labels: tensor(Int32Array.from(this.get('labels').data)),
    };
  }
}

const largest = (values: ArrayLike<number>): number =>
  Array.from(values).reduce((most, v) => Math.max(most, Math.abs(v)), 0);

/** Within `share` of the reference's largest value: a small element of a large gradient carries its rounding. */
function close(actual: ArrayLike<number>, expected: ArrayLike<number>, share: number, label: string): void {
  expectClose(actual, expected, { rtol: 0, atol: share * largest(expected) + 1e-7, label });
}

/** Every gradient against the trace; orthonormal weights by the part of it that can move them. */
async function compareGradients(trace: Trace, step: number, model: Classifier): Promise<void> {
  const share = step === 1 ? 1e-4 : 3e-4; // ten steps of rounding in the weights
  for (const [name, parameter] of model.namedParameters()) {
    if (!parameter.grad) throw new Error(`${name} got no gradient`);
    const stiefel = parameter.role === 'stiefel';
    const gradient = stiefel ? stiefelTangent(parameter, parameter.grad) : parameter.grad;
    const { shape, layout } = parameter;
    const values = await gradient.floats();
    const index = layout.torchIndex(shape);
    const ordered = new Float32Array(values.length);
    for (const [i, value] of values.entries()) ordered[index[i]] = value;
    const kind = stiefel ? 'tangent' : 'grad';
    close(ordered, trace.get(`step${step}.${kind}.${name}`).data, share, `${kind} of ${name} at step ${step}`);
  }
}

describe.each(['dlp', 'baseline', 'so-dl', 'so-dlse', 'vfeso-dlse'] as const)(
  '%s over ten steps, against PyTorch in float64',
  (name) => {
    const trace = new Trace(name);

    // DLP has no covariance head, so nothing to take a shorter path in
    const paths = name === 'dlp' ? (['auto'] as const) : (['auto', 'full'] as const);
    it.each(paths)('losses, gradients, weights, centres (%s path)', async (path) => {
      const { model, objective } = trace.build(name === 'dlp' ? {} : { spectralPath: path });
      const { betas, eps, form } = trace.training.adam;
      const optimizer = createOptimizer(model, objective, {
        betas,
        eps,
        epsPlacement: form,
        weightDecay: trace.training.weightDecay,
      });
      const batch = trace.batch();
      const batches = [() => batch];
      const step = trainStep({ model, objective, optimizer, batches, extracted: trace.extracted });
      const losses = trace.get('losses').data;
      const centres = trace.get('centres').data;
      for (const [i, lr] of trace.training.lr.entries()) {
        const number = i + 1;
        const compared = number === 1 || number === trace.training.lr.length;
        if (compared) {
          // a twin, so that the running statistics of the model move once per step
          const twin = trace.build(name === 'dlp' ? {} : { spectralPath: path });
          twin.model.loadStateDict(await model.stateDict());
          twin.objective.loadStateDict(await objective.stateDict());
          accumulateGradients({ ...twin, batches, extracted: trace.extracted });
          await compareGradients(trace, number, twin.model);
          twin.model.dispose();
        }
        optimizer.lr = lr;
        const result = await step.run();
        const found = await Promise.all([result.loss.item(), result.crossEntropy.item(), result.distance.item()]);
        expectClose(found, losses.slice(3 * i, 3 * i + 3), {
          rtol: 2e-5,
          atol: 1e-6,
          label: `losses of step ${number}`,
        });
        const size = centres.length / trace.training.lr.length;
        const moved = await objective.centres.floats();
        close(moved, centres.slice(i * size, (i + 1) * size), 5e-5, `centres after step ${number}`);
        if (compared) {
          const state = await model.stateDict();
          for (const [key, expected] of trace.under(`step${number}.state.`)) {
            close(state.get(key)?.data ?? [], expected.data, 2e-5, `${key} after step ${number}`);
          }
        }
      }
      model.eval();
      const logits = noGrad(() => model.classify(batch.images).logits);
      close(await logits.floats(), trace.get('eval.logits').data, 5e-5, 'logits in evaluation mode');
      step.dispose();
      model.dispose();
    });
  },
);
