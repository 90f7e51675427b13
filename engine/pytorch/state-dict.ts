/**
 * Reads a state dictionary saved by `torch.save`: the zip form (PyTorch ≥ 1.6) and the older form of pickles one after
 * the other, in which torchvision still serves vgg16-397923af.pth. Tensors only; no code of the file is run.
 * Source: torch/serialization.py (`_save`, `_legacy_save`) and torch/_utils.py (`_rebuild_tensor_v2`).
 */
import { CheckpointError } from '../errors.ts';
import type { SafetensorsDtype, StoredTensor } from '../safetensors.ts';
import { type PickleWorld, readPickle } from './pickle.ts';
import { readStoredZip } from './zip.ts';

interface ElementType {
  readonly dtype: SafetensorsDtype;
  readonly bytes: number;
}

const storageTypes = new Map<string, ElementType>([
  ['torch.FloatStorage', { dtype: 'F32', bytes: 4 }],
  ['torch.DoubleStorage', { dtype: 'F64', bytes: 8 }],
  ['torch.HalfStorage', { dtype: 'F16', bytes: 2 }],
  ['torch.BFloat16Storage', { dtype: 'BF16', bytes: 2 }],
  ['torch.LongStorage', { dtype: 'I64', bytes: 8 }],
  ['torch.IntStorage', { dtype: 'I32', bytes: 4 }],
  ['torch.ShortStorage', { dtype: 'I16', bytes: 2 }],
  ['torch.CharStorage', { dtype: 'I8', bytes: 1 }],
  ['torch.ByteStorage', { dtype: 'U8', bytes: 1 }],
  ['torch.BoolStorage', { dtype: 'BOOL', bytes: 1 }],
]);

const magicNumber = 0x1950a86a20f9469cfc6cn;

function refuse(what: string, remedy = 'The file is damaged: fetch or save it again.'): never {
  throw new CheckpointError(`PyTorch file: ${what}`, { remedy });
}

/** A run of elements; in the older form its bytes stand behind the pickle and are filled in after it. */
class Storage {
  readonly key: string;
  readonly type: ElementType;
  readonly count: number;
  data: Uint8Array | undefined;

  constructor(key: string, type: ElementType, count: number) {
    this.key = key;
    this.type = type;
    this.count = count;
  }
}

class StridedTensor {
  readonly storage: Storage;
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];

  constructor(storage: unknown, offset: unknown, shape: unknown, strides: unknown) {
    if (!(storage instanceof Storage)) refuse('a tensor has no storage.');
    if (!isCount(offset) || !isCounts(shape) || !isCounts(strides) || shape.length !== strides.length) {
      refuse(`a tensor is described by offset ${offset}, shape ${shape}, strides ${strides}.`);
    }
    const last = shape.reduce((sum, size, axis) => sum + (size - 1) * (strides[axis] ?? 0), offset);
    if (!shape.includes(0) && last >= storage.count) {
      refuse(`a tensor of shape [${shape}] reaches element ${last} of a storage of ${storage.count}.`);
    }
    this.storage = storage;
    this.offset = offset;
    this.shape = shape;
    this.strides = strides;
  }

  /** A view where the elements lie in row-major order, else a copy in that order. */
  toStored(name: string): StoredTensor {
    const { data, type } = this.storage;
    if (!data) refuse(`the elements of "${name}" (storage ${this.storage.key}) are missing.`);
    const contiguous: number[] = [];
    let count = 1;
    for (let axis = this.shape.length - 1; axis >= 0; axis--) {
      contiguous[axis] = count;
      count *= this.shape[axis] ?? 1;
    }
    const inOrder = this.shape.every((size, axis) => size <= 1 || this.strides[axis] === contiguous[axis]);
    if (inOrder) {
      const start = this.offset * type.bytes;
      return { dtype: type.dtype, shape: this.shape, data: data.subarray(start, start + count * type.bytes) };
    }
    // A crafted tensor may repeat one element (stride 0) into a copy of any size.
    if (count > this.storage.count) refuse(`"${name}" [${this.shape}] has more elements than its storage.`);
    const copy = new Uint8Array(count * type.bytes);
    for (let i = 0; i < count; i++) {
      let source = this.offset;
      for (let axis = 0, rest = i; axis < this.shape.length; axis++) {
        const size = contiguous[axis] ?? 1;
        source += Math.floor(rest / size) * (this.strides[axis] ?? 0);
        rest %= size;
      }
      copy.set(data.subarray(source * type.bytes, (source + 1) * type.bytes), i * type.bytes);
    }
    return { dtype: type.dtype, shape: this.shape, data: copy };
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every(isCount);
}

/** The names a state dictionary needs; `storage` finds or makes the storage of a persistent id. */
function world(storage: (key: string, type: ElementType, count: number) => Storage): PickleWorld {
  const globals = new Map<string, string | ((args: readonly unknown[]) => unknown)>();
  for (const name of storageTypes.keys()) globals.set(name, name);
  globals.set('collections.OrderedDict', () => new Map());
  const rebuild = ([storage, offset, shape, strides]: readonly unknown[]) =>
    new StridedTensor(storage, offset, shape, strides);
  globals.set('torch._utils._rebuild_tensor_v2', rebuild);
  globals.set('torch._utils._rebuild_tensor', rebuild); // before PyTorch 0.4
  globals.set('torch._utils._rebuild_parameter', ([tensor]) => tensor);
  return {
    globals,
    persistentLoad(id) {
      const [kind, typeName, key, , count, view] = Array.isArray(id) ? id : [];
      const type = storageTypes.get(String(typeName));
      if (kind !== 'storage' || !type || typeof key !== 'string' || !isCount(count) || (view ?? null) !== null) {
        refuse(`a storage is described by ${JSON.stringify(id)}.`);
      }
      return storage(key, type, count);
    },
  };
}

function storagePool(): { storages: Map<string, Storage>; get: Parameters<typeof world>[0] } {
  const storages = new Map<string, Storage>();
  const get = (key: string, type: ElementType, count: number): Storage => {
    const storage = storages.get(key) ?? new Storage(key, type, count);
    if (storage.type !== type || storage.count !== count) refuse(`storage ${key} is described in two ways.`);
    storages.set(key, storage);
    return storage;
  };
  return { storages, get };
}

function readZipForm(bytes: Uint8Array): unknown {
  const entries = readStoredZip(bytes);
  const pickleName = [...entries.keys()].find((name) => name === 'data.pkl' || name.endsWith('/data.pkl'));
  const pickle = pickleName === undefined ? undefined : entries.get(pickleName);
  if (!pickle || pickleName === undefined) refuse('the archive holds no data.pkl.', 'Save it with torch.save.');
  const folder = pickleName.slice(0, -'data.pkl'.length);
  const order = entries.get(`${folder}byteorder`);
  if (order && new TextDecoder().decode(order).trim() !== 'little') refuse('it was written big-endian.');
  const { storages, get } = storagePool();
  const { value } = readPickle(pickle, 0, world(get));
  for (const storage of storages.values()) {
    const data = entries.get(`${folder}data/${storage.key}`);
    if (!data) refuse(`the archive lacks the elements data/${storage.key}.`);
    attach(storage, data);
  }
  return value;
}

function attach(storage: Storage, data: Uint8Array): void {
  const needed = storage.count * storage.type.bytes;
  if (data.length < needed) refuse(`storage ${storage.key} needs ${needed} bytes but ${data.length} are there.`);
  storage.data = data;
}

function readLegacyForm(bytes: Uint8Array): unknown {
  const nothing: PickleWorld = { globals: new Map(), persistentLoad: () => refuse('its header names a storage.') };
  const { value: magic, end: afterMagic } = readPickle(bytes, 0, nothing);
  if (magic !== magicNumber) {
    refuse('it is neither a zip archive nor a PyTorch file.', 'Give a .safetensors file or what torch.save writes.');
  }
  const { end: afterVersion } = readPickle(bytes, afterMagic, nothing);
  const { value: system, end: afterSystem } = readPickle(bytes, afterVersion, nothing);
  if (system instanceof Map && system.get('little_endian') === false) refuse('it was written big-endian.');
  const { storages, get } = storagePool();
  const { value, end: afterValue } = readPickle(bytes, afterSystem, world(get));
  const { value: keys, end } = readPickle(bytes, afterValue, nothing);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let position = end;
  for (const key of Array.isArray(keys) ? keys : refuse('its list of storages is missing.')) {
    const storage = storages.get(String(key)) ?? refuse(`storage ${key} belongs to no tensor.`);
    const size = storage.count * storage.type.bytes;
    if (position + 8 + size > bytes.length) refuse(`it ends before storage ${key}: it is cut off.`);
    if (view.getBigUint64(position, true) !== BigInt(storage.count)) refuse(`storage ${key} has another size.`);
    attach(storage, bytes.subarray(position + 8, position + 8 + size));
    position += 8 + size;
  }
  return value;
}

/** Some training scripts wrap the state dictionary in a dictionary with one of these keys. */
const wrappers = ['state_dict', 'model'];

/**
 * The tensors of a `.pth` file by name, as views into `bytes` where they lie in row-major order; `toFloat32` makes numbers
 * of their bytes.
 * @throws CheckpointError for anything but a dictionary of tensors; a file that asks for other Python objects is
 *   refused with the name it asked for.
 */
export function readPytorchStateDict(bytes: Uint8Array): Map<string, StoredTensor> {
  const isZip = bytes[0] === 0x50 && bytes[1] === 0x4b;
  let value = isZip ? readZipForm(bytes) : readLegacyForm(bytes);
  for (const key of wrappers) {
    if (value instanceof Map && value.get(key) instanceof Map) value = value.get(key);
  }
  if (!(value instanceof Map))
    refuse('it holds no dictionary.', 'Save the weights: torch.save(model.state_dict(), path).');
  const tensors = new Map<string, StoredTensor>();
  for (const [name, tensor] of value) {
    if (tensor instanceof StridedTensor) tensors.set(String(name), tensor.toStored(String(name)));
  }
  if (tensors.size === 0) {
    refuse('its dictionary holds no tensor.', 'Save the weights: torch.save(model.state_dict(), path).');
  }
  return tensors;
}
