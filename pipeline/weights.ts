import { open, readFile } from 'node:fs/promises';
import { CheckpointError, DataError, readPytorchStateDict } from '../engine/index.ts';
import { readSafetensors, toFloat32 } from '../engine/safetensors.ts';

export interface WeightsFile {
  readonly tensors: Map<string, { readonly shape: readonly number[]; readonly data: Float32Array }>;
  /** What a safetensors file says about itself; empty for `.pth`. */
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * A zip archive, or a pickle of protocol 2 and later. A safetensors file, whose ninth byte opens its header, may happen to
 * start with either.
 */
const isPytorch = (bytes: Uint8Array): boolean =>
  bytes[8] !== 0x7b && ((bytes[0] === 0x50 && bytes[1] === 0x4b) || bytes[0] === 0x80);

/** What a safetensors file says about itself, without its tensors; nothing where it is another file or damaged. */
export async function readWeightsMetadata(path: string): Promise<WeightsFile['metadata']> {
  const file = await open(path, 'r').catch(() => undefined);
  if (!file) return {};
  try {
    const head = Buffer.alloc(9);
    await file.read(head, 0, 9, 0);
    const length = Number(head.readBigUInt64LE());
    if (isPytorch(head) || length > (await file.stat()).size) return {};
    const header = Buffer.alloc(length);
    await file.read(header, 0, length, 8);
    return { ...JSON.parse(header.toString()).__metadata__ };
  } catch {
    return {}; // whoever reads its tensors says what is wrong
  } finally {
    await file.close();
  }
}

/**
 * Reads a safetensors file or what PyTorch's `torch.save` wrote, told apart by their first bytes. All element types
 * become 32-bit floats.
 * @throws DataError when the file cannot be read, CheckpointError when it is not what it should be.
 */
export async function readWeights(path: string): Promise<WeightsFile> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw new DataError(`The weights ${path} cannot be read (${error instanceof Error ? error.message : error}).`);
  }
  const named = (read: () => WeightsFile): WeightsFile => {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof CheckpointError)) throw error;
      throw new CheckpointError(`${path}: ${error.message}`, { cause: error });
    }
  };
  return named(() => {
    const { tensors, metadata } = isPytorch(bytes)
      ? { tensors: readPytorchStateDict(bytes), metadata: {} }
      : readSafetensors(bytes);
    const floats: WeightsFile['tensors'] = new Map();
    for (const [name, tensor] of tensors) floats.set(name, { shape: tensor.shape, data: toFloat32(tensor) });
    return { tensors: floats, metadata };
  });
}
