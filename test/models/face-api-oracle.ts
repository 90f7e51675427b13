/**
 * face-api itself, on TensorFlow.js' plain CPU backend: the truth that our detectors are held to. Slow (seconds a
 * picture), and used by tests and by the script that writes their reference boxes only.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Face, FaceDetector, Picture } from '../../models/face-detector/detector.ts';

interface FoundBox {
  score: number;
  box: { x: number; y: number; width: number; height: number };
}

interface Net {
  loadFromWeightMap(weights: unknown): void;
  locateFaces(input: unknown, options: object): Promise<FoundBox[]>;
}

interface LandmarkNet {
  loadFromWeightMap(weights: unknown): void;
  detectLandmarks(input: unknown): Promise<{ positions: { x: number; y: number }[] }>;
}

interface FaceApi {
  tf: {
    setBackend(name: string): Promise<boolean>;
    ready(): Promise<void>;
    tensor3d(values: Int32Array, shape: number[], dtype: 'int32'): { dispose(): void };
    io: { decodeWeights(data: ArrayBuffer, specs: unknown): unknown };
  };
  nets: { tinyFaceDetector: Net; ssdMobilenetv1: Net; faceLandmark68Net: LandmarkNet };
}

const home = dirname(createRequire(import.meta.url).resolve('@vladmandic/face-api/package.json'));

let loading: Promise<FaceApi> | undefined;

function load(): Promise<FaceApi> {
  loading ??= (async () => {
    // The bundle was built for browsers; where it believes to be in Node it fails on an empty 'util'.
    const page = globalThis as { window?: unknown; document?: unknown };
    page.window = globalThis;
    page.document = { createElement: () => ({ getContext: () => null }) };
    const log = console.log;
    console.log = () => undefined; // a greeting
    try {
      const api = (await import(join(home, 'dist', 'face-api.esm.js'))) as FaceApi;
      await api.tf.setBackend('cpu');
      await api.tf.ready();
      return api;
    } finally {
      console.log = log;
      delete page.window;
      delete page.document;
    }
  })();
  return loading;
}

function weightsOf(api: FaceApi, name: string): unknown {
  const [group] = JSON.parse(readFileSync(join(home, 'model', `${name}-weights_manifest.json`), 'utf8'));
  const bytes = readFileSync(join(home, 'model', `${name}.bin`));
  return api.tf.io.decodeWeights(new Uint8Array(bytes).buffer, group.weights);
}

function tensorOf(api: FaceApi, { data, width, height }: Picture) {
  return api.tf.tensor3d(new Int32Array(data), [height, width, 3], 'int32');
}

export async function faceApiDetector(
  name: 'tiny' | 'ssd',
  options: { confidence?: number; inputSize?: number } = {},
): Promise<FaceDetector> {
  const api = await load();
  const { confidence = 0.5, inputSize = name === 'tiny' ? 416 : 512 } = options;
  const net = name === 'tiny' ? api.nets.tinyFaceDetector : api.nets.ssdMobilenetv1;
  net.loadFromWeightMap(weightsOf(api, name === 'tiny' ? 'tiny_face_detector_model' : 'ssd_mobilenetv1_model'));
  const settings = name === 'tiny' ? { inputSize, scoreThreshold: confidence } : { minConfidence: confidence };
  const detect = async (picture: Picture): Promise<Face[]> => {
    const tensor = tensorOf(api, picture);
    const found = await net.locateFaces(tensor, settings);
    tensor.dispose();
    return found.map(({ score, box: { x, y, width, height } }) => ({
      confidence: score,
      box: { x, y, width, height },
    }));
  };
  return {
    name,
    inputSize,
    dispose: () => undefined,
    detect: async (pictures) => {
      const faces: Face[][] = [];
      for (const picture of pictures) faces.push(await detect(picture));
      return faces;
    },
  };
}

/** The 68 landmarks of a picture that holds one face, as [x, y] in pixels of the picture. */
export async function faceApiLandmarks(picture: Picture): Promise<[number, number][]> {
  const api = await load();
  api.nets.faceLandmark68Net.loadFromWeightMap(weightsOf(api, 'face_landmark_68_model'));
  const tensor = tensorOf(api, picture);
  const { positions } = await api.nets.faceLandmark68Net.detectLandmarks(tensor);
  tensor.dispose();
  return positions.map(({ x, y }) => [x, y]);
}
