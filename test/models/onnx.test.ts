import { InferenceSession, Tensor } from 'onnxruntime-web';
import { describe, expect, it } from 'vitest';
import { CheckpointError } from '../../engine/index.ts';
import { classifierConfig, classifierPlan, exportOnnx, vgg16Defaults, vgg16Plan } from '../../models/index.ts';
import type { NetworkPlan } from '../../models/layers.ts';
import { spectralFunction } from '../../models/onnx/eigen.ts';
import { GraphBuilder, onnxModel } from '../../models/onnx/graph.ts';
import { expectClose } from '../expect-close.ts';
import { type ReferenceTensor, readReferenceFile, referenceCases } from '../reference.ts';

type State = Map<string, { shape: readonly number[]; data: Float32Array }>;

/** The state dictionary of a trace under one of its prefixes. */
function stateOf(tensors: Map<string, ReferenceTensor>, prefix: string): State {
  const state: State = new Map();
  for (const [name, { shape, data }] of tensors) {
    if (name.startsWith(prefix)) state.set(name.slice(prefix.length), { shape, data: Float32Array.from(data) });
  }
  return state;
}

function get(tensors: Map<string, ReferenceTensor>, name: string): ReferenceTensor {
  const tensor = tensors.get(name);
  if (!tensor) throw new Error(`the trace lacks ${name}`);
  return tensor;
}

function toNchw({ shape, data }: ReferenceTensor): Tensor {
  const [batch = 0, height = 0, width = 0, channels = 0] = shape;
  const out = Float32Array.from({ length: data.length }, (_, i) => {
    const x = i % width;
    const y = Math.floor(i / width) % height;
    const c = Math.floor(i / (width * height)) % channels;
    const n = Math.floor(i / (width * height * channels));
    return data[((n * height + y) * width + x) * channels + c] ?? 0;
  });
  return new Tensor('float32', out, [batch, channels, height, width]);
}

async function run(file: Uint8Array, input: Tensor, name = 'images'): Promise<Record<string, Float32Array>> {
  const session = await InferenceSession.create(file, { executionProviders: ['wasm'] });
  const results = await session.run({ [name]: input });
  await session.release();
  return Object.fromEntries(Object.entries(results).map(([key, value]) => [key, value.data as Float32Array]));
}

describe('exported classifiers in ONNX Runtime, against PyTorch in evaluation mode after ten steps', () => {
  it.each(['dlp', 'baseline', 'so-dl', 'so-dlse', 'vfeso-dlse'] as const)('%s', async (name) => {
    const { tensors, metadata } = readReferenceFile(`models/${name}`);
    const { model: _, inputSize, inputChannels, ...options } = metadata.config as Record<string, number>;
    const config = classifierConfig(name, inputSize ? { ...options, imageSize: 16 * inputSize } : options);
    const plan = classifierPlan(name, config);
    if (inputSize) expect(plan.input).toEqual([inputSize, inputSize, inputChannels]);
    const results = await run(
      exportOnnx({ plan, state: stateOf(tensors, 'step10.state.') }),
      toNchw(get(tensors, 'input')),
    );
    expectClose(results.logits ?? [], get(tensors, 'eval.logits').data, { rtol: 1e-4, atol: 1e-4, label: 'logits' });
    const rows = Array.from({ length: (results.probabilities?.length ?? 0) / 3 }, (_, i) =>
      (results.probabilities ?? new Float32Array()).slice(3 * i, 3 * i + 3).reduce((sum, p) => sum + p, 0),
    );
    expectClose(
      rows,
      rows.map(() => 1),
      { label: 'sums of probabilities' },
    );
  });

  it('vgg16', async () => {
    const { tensors, metadata } = readReferenceFile('models/vgg16');
    const { model: _, ...options } = metadata.config as Record<string, number>;
    const plan = vgg16Plan({ ...vgg16Defaults, ...options });
    const { logits } = await run(
      exportOnnx({ plan, state: stateOf(tensors, 'initial.') }),
      toNchw(get(tensors, 'input')),
    );
    expectClose(logits ?? [], get(tensors, 'logits').data, { rtol: 1e-4, atol: 1e-5, label: 'logits' });
  });

  it('a state dictionary with a hole is refused', () => {
    const plan: NetworkPlan = classifierPlan('dlp', classifierConfig('dlp', { width: 1 / 16 }));
    expect(() => exportOnnx({ plan, state: new Map() })).toThrow(CheckpointError);
  });
});

describe('the matrix logarithm in ONNX operators', () => {
  const cases = referenceCases('spectral', 'logEig').filter(({ attributes }) => attributes.floor !== null);
  it.each(cases.map((one) => [one.name, one] as const))('%s', async (_, { inputs, outputs, attributes }) => {
    const x = inputs.get('x');
    const [batch = 0, d = 0] = x?.shape ?? [];
    const graph = new GraphBuilder('log');
    const a = graph.input('images', 'float', ['batch', d, d]);
    const log = spectralFunction(graph, 'log', a, d, (values) =>
      graph.node('Log', [
        graph.node('Clip', [
          values,
          graph.floats([Number(attributes.floor)]),
          graph.floats([Number(attributes.ceiling)]),
        ]),
      ]),
    );
    graph.output('log', log, 'float', ['batch', d, d]);
    const input = new Tensor('float32', Float32Array.from(x?.data ?? []), [batch, d, d]);
    const result = await run(onnxModel(graph.build(), '', {}), input);
    const expected = outputs.get('')?.data ?? new Float64Array();
    const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    expectClose(result.log ?? [], expected, { rtol: 0, atol: 1e-5 * largest + 1e-6, label: 'log' });
  });
});
