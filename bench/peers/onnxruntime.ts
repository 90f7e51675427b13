import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import type { InferenceSession } from 'onnxruntime-web';
import { Generator } from '../../engine/index.ts';
import { classifierConfig, createModel, exportOnnx, Network, vgg16Features } from '../../models/index.ts';
import { ruleOf } from '../../models/layers.ts';
import { GraphBuilder, onnxModel } from '../../models/onnx/graph.ts';
import { addLayer } from '../../models/onnx/layers.ts';
import { type Comparison, convolutions, largeConvolution, type Peer, type Ready } from './contenders.ts';

/** What a graph computes: its file, made when it is asked for, and the shapes of its inputs. */
interface Work {
  readonly file: () => Promise<Uint8Array>;
  readonly inputs: Readonly<Record<string, readonly number[]>>;
  readonly output: string;
}

function graphOf(inputs: Work['inputs'], build: (graph: GraphBuilder) => string, rank: number): Work {
  return {
    inputs,
    output: 'y',
    file: async () => {
      const graph = new GraphBuilder('work');
      for (const [name, shape] of Object.entries(inputs)) graph.input(name, 'float', shape);
      graph.output(
        'y',
        build(graph),
        'float',
        Array.from({ length: rank }, (_, i) => `d${i}`),
      );
      return onnxModel(graph.build(), '', {});
    },
  };
}

/** Inference only: forward passes, NCHW, and two of our models as exported. */
function works(): Map<Comparison, Work> {
  const all = new Map<Comparison, Work>();
  const square = [1024, 1024];
  all.set(
    'matmul 1024³',
    graphOf({ a: square, b: square }, (graph) => graph.matmul('a', 'b'), 2),
  );
  for (const [c, side] of [...convolutions, largeConvolution]) {
    const inputs = { x: [8, c, side, side], w: [c, c, 3, 3] };
    const conv = (graph: GraphBuilder): string => graph.node('Conv', ['x', 'w'], { pads: [1, 1, 1, 1] });
    all.set(`conv ${c}@${side} forward`, graphOf(inputs, conv, 4));
  }
  const vgg = vgg16Features('pool4', { imageSize: 224, width: 1 });
  all.set('VGG16 to pool4, one 224×224 picture', {
    inputs: { images: [1, 3, 224, 224] },
    output: 'y',
    file: async () => {
      const network = new Network(vgg, new Generator(2));
      const state = await network.stateDict();
      network.dispose();
      const graph = new GraphBuilder('vgg16');
      let [value, shape] = [graph.input('images', 'float', [1, 3, 224, 224]), vgg.input];
      for (const layer of vgg.layers) {
        value = addLayer(graph, layer, value, shape, state, '');
        shape = ruleOf(layer).output(layer, shape);
      }
      graph.output('y', value, 'float', [1, 512, 14, 14]);
      return onnxModel(graph.build(), '', {});
    },
  });
  all.set('so-dlse inference, 8 pictures of 100×100', {
    inputs: { images: [8, 3, 100, 100] },
    output: 'logits',
    file: async () => {
      const model = createModel('so-dlse', classifierConfig('so-dlse'), 1);
      const file = exportOnnx({ plan: model.plan, state: await model.stateDict() });
      model.dispose();
      return file;
    },
  });
  return all;
}

/** ONNX Runtime's WebGPU build hands views on shared memory to writeBuffer, which Dawn in Node refuses: copies them. */
function copySharedUploads(): void {
  const write = GPUQueue.prototype.writeBuffer;
  GPUQueue.prototype.writeBuffer = function (buffer, offset, data, ...rest: [number?, number?]) {
    const bytes = ArrayBuffer.isView(data) ? data.buffer : data;
    const shared = bytes instanceof SharedArrayBuffer;
    // slice() of a typed array copies into memory of its own, and keeps the element type that `rest` counts in.
    const copy = shared && (ArrayBuffer.isView(data) ? (data as Uint8Array<SharedArrayBuffer>) : new Uint8Array(bytes));
    return write.call(this, buffer, offset, copy ? copy.slice() : (data as BufferSource), ...rest);
  };
}

type Ort = Pick<typeof import('onnxruntime-web'), 'InferenceSession' | 'Tensor' | 'env'>;

const require = createRequire(import.meta.url);

function peer(ort: Ort, name: string, options: InferenceSession.SessionOptions, idle?: () => Promise<unknown>): Peer {
  const contender = async ({ file, inputs, output }: Work): Promise<Ready> => {
    const session = await ort.InferenceSession.create(await file(), options);
    const random = new Generator(4);
    const feeds = Object.fromEntries(
      Object.entries(inputs).map(([input, shape]) => {
        const size = shape.reduce((n, d) => n * d, 1);
        return [input, new ort.Tensor('float32', random.normal(size), [...shape])];
      }),
    );
    return {
      run: async () => {
        const { [output]: result } = await session.run(feeds, [output]);
        await idle?.();
        result.dispose();
      },
      release: () => session.release(),
    };
  };
  const version = ort.env.versions.web ?? ort.env.versions.common;
  return {
    name: `ONNX Runtime Web ${version} (${name})`,
    contenders: new Map([...works()].map(([comparison, work]) => [comparison, () => contender(work)])),
  };
}

/** onnxruntime-web on its WebGPU provider. */
export async function onnxruntimeWebGpu(gpu: GPU): Promise<Peer> {
  const navigator = { gpu, userAgent: 'node', platform: 'node' };
  Object.defineProperty(globalThis, 'navigator', { value: navigator, configurable: true, writable: true });
  copySharedUploads();
  const ort = await import('onnxruntime-web/webgpu');
  ort.env.wasm.numThreads = 1;
  ort.env.logLevel = 'error';
  // The package fetches this file by its URL, which Node's fetch does not do.
  ort.env.wasm.wasmBinary = await readFile(require.resolve('onnxruntime-web/ort-wasm-simd-threaded.asyncify.wasm'));
  const options = { executionProviders: ['webgpu'], preferredOutputLocation: 'gpu-buffer' } as const;
  return peer(ort, 'WebGPU', options, async () => {
    const device = (await ort.env.webgpu.device) as GPUDevice;
    await device.queue.onSubmittedWorkDone();
  });
}

/** onnxruntime-web on WebAssembly with as many threads as there are cores. */
export async function onnxruntimeWasm(): Promise<Peer> {
  const ort = await import('onnxruntime-web');
  const threads = availableParallelism();
  ort.env.wasm.numThreads = threads;
  ort.env.logLevel = 'error';
  return peer(ort, `WebAssembly, ${threads} threads`, { executionProviders: ['wasm'] });
}
