import { CheckpointError } from '../../engine/index.ts';

/** One tensor of a TensorFlow.js weights file, in that file's own layout (convolutions are height, width, in, out). */
export interface Weight {
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

/** By name, as in the file. */
export type Weights = ReadonlyMap<string, Weight>;

interface Entry {
  name: string;
  shape: number[];
  dtype: string;
  quantization?: { dtype: string; scale: number; min: number };
}

const widths: Readonly<Record<string, number>> = { uint8: 1, uint16: 2, float32: 4, int32: 4 };

/**
 * Reads a TensorFlow.js weights manifest and its binary file. Quantised values are stored as unsigned integers q with
 * value = q · scale + min; TensorFlow.js does that sum in float64 and stores float32, and so do we.
 * @throws CheckpointError naming the tensor where the two files do not fit each other.
 */
export function readWeights(manifestJson: string, binary: Uint8Array, what: string): Weights {
  const entries = parseManifest(manifestJson, what);
  const weights = new Map<string, Weight>();
  const view = new DataView(binary.buffer, binary.byteOffset, binary.byteLength);
  let offset = 0;
  for (const entry of entries) {
    const count = entry.shape.reduce((product, size) => product * size, 1);
    const stored = entry.quantization?.dtype ?? entry.dtype;
    const width = widths[stored];
    if (width === undefined) {
      throw new CheckpointError(
        `${what}: ${entry.name} is stored as ${stored}; known are ${Object.keys(widths).join(', ')}.`,
      );
    }
    if (offset + count * width > binary.byteLength) {
      throw new CheckpointError(
        `${what}: the file ends within ${entry.name} (${binary.byteLength} bytes found, ${offset + count * width} needed).`,
        { remedy: 'The file is cut off: install the package again.' },
      );
    }
    weights.set(entry.name, {
      shape: entry.shape,
      values: readValues(view, offset, count, stored, entry.quantization),
    });
    offset += count * width;
  }
  if (offset !== binary.byteLength) {
    throw new CheckpointError(`${what}: ${binary.byteLength - offset} bytes are left over after the last tensor.`);
  }
  return weights;
}

function readValues(
  view: DataView,
  offset: number,
  count: number,
  stored: string,
  quantization: Entry['quantization'],
): Float32Array {
  const { scale, min } = quantization ?? { scale: 1, min: 0 };
  return Float32Array.from({ length: count }, (_, i) => {
    if (stored === 'uint8') return view.getUint8(offset + i) * scale + min;
    if (stored === 'uint16') return view.getUint16(offset + 2 * i, true) * scale + min;
    if (stored === 'int32') return view.getInt32(offset + 4 * i, true);
    return view.getFloat32(offset + 4 * i, true);
  });
}

function parseManifest(json: string, what: string): Entry[] {
  let groups: unknown;
  try {
    groups = JSON.parse(json);
  } catch (error) {
    throw new CheckpointError(`${what}: its weights manifest is not JSON.`, { cause: error });
  }
  if (!Array.isArray(groups)) throw new CheckpointError(`${what}: its weights manifest is not a list of groups.`);
  return groups.flatMap((group: { weights?: Entry[] }) => group.weights ?? []).map((entry) => checked(entry, what));
}

function checked(entry: Entry, what: string): Entry {
  const sizes = Array.isArray(entry.shape) && entry.shape.every((size) => Number.isInteger(size) && size >= 0);
  if (typeof entry.name !== 'string' || !sizes || typeof entry.dtype !== 'string') {
    throw new CheckpointError(`${what}: its weights manifest has an entry without a name, shape or dtype.`);
  }
  return entry;
}
