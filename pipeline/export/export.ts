/** A trained classifier for other programs: safetensors with PyTorch's names or ONNX, and what they must know beside it. */
import { type StoredTensor, storeFloat32, writeSafetensors } from '../../engine/safetensors.ts';
import {
  classifierConfig,
  classifierPlan,
  exportOnnx,
  extractorPlan,
  type Preprocessing,
  toClassifierName,
} from '../../models/index.ts';
import type { TrainedRun } from '../evaluate/trained.ts';
import { writeFileAtomic } from '../files.ts';
import { seenToMetadata } from '../run/seen.ts';
import { decodedSize } from '../train/classifier-trainer.ts';
import { packageVersion } from '../version.ts';
import type { ExportFormat } from './formats.ts';

/** The `.json` beside an exported model. */
interface ExportNotes {
  readonly model: string;
  readonly modelOptions: Readonly<Record<string, unknown>>;
  /** In the order of the logits. */
  readonly classes: readonly string[];
  readonly preprocessing: {
    /** Side of the square that the middle of a picture is scaled to, in sRGB. */
    readonly resize: number;
    /** Side of the square cut out of its middle. */
    readonly centreCrop: number;
    /** Then bytes / 255, and either the picture's own mean and deviation over all values, or these per channel. */
    readonly normalise: Preprocessing;
    /** ONNX takes [batch, 3, height, width], RGB. */
    readonly layout: 'NCHW';
  };
  readonly version: string;
}

/**
 * Writes `<out>.<format>` and `<out>.json`. @returns the paths.
 * @throws DataError when a file cannot be written.
 */
export async function exportRun(trained: TrainedRun, format: ExportFormat, out: string): Promise<string[]> {
  const { config, network } = trained;
  const name = toClassifierName(config.model);
  const options = classifierConfig(name, config.modelOptions);
  const state = await network.stateDict();
  const notes: ExportNotes = {
    model: name,
    modelOptions: { ...options },
    classes: config.classes,
    preprocessing: {
      resize: decodedSize(config),
      centreCrop: options.imageSize,
      normalise: network.preprocessing,
      layout: 'NCHW',
    },
    version: packageVersion(),
  };
  const metadata = { kindergrad: JSON.stringify(notes) };
  const paths = [`${out}.${format}`, `${out}.json`];
  if (format === 'onnx') {
    const plan = classifierPlan(name, options);
    const extractor = extractorPlan(name, options);
    const file = exportOnnx({ plan, extractor, state, metadata, producerVersion: notes.version });
    await writeFileAtomic(paths[0], file);
  } else {
    const tensors = [...state].map(([key, { shape, data }]): [string, StoredTensor] => [
      key,
      storeFloat32(data, shape),
    ]);
    await writeFileAtomic(
      paths[0],
      writeSafetensors(tensors, { format: 'pt', ...metadata, ...seenToMetadata(trained.seen) }),
    );
  }
  await writeFileAtomic(paths[1], `${JSON.stringify(notes, null, 2)}\n`);
  return paths;
}
