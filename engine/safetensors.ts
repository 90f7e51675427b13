/**
 * The safetensors format, as pure functions on bytes: 8 bytes little-endian header length N, N bytes of UTF-8 JSON that
 * start with `{`, then the tensors' bytes, row-major and little-endian, without holes or overlaps.
 * Source: the format section of the huggingface/safetensors README.
 *
 * A file is untrusted input: everything is checked before a single tensor is handed out.
 */
import { CheckpointError } from './errors.ts';
import { halfToFloat } from './half.ts';

/** Bytes of one element, by the names the format uses. */
const elementBytes = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U64: 8,
  U32: 4,
  U16: 2,
  U8: 1,
  BOOL: 1,
} as const;

export type SafetensorsDtype = keyof typeof elementBytes;

/** One stored tensor. `data` holds the raw little-endian bytes and may be a view that is not aligned to the element size. */
export interface StoredTensor {
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

export interface Safetensors {
  readonly tensors: Map<string, StoredTensor>;
  readonly metadata: Record<string, string>;
}

/** The format's own limit on the header. */
const maxHeaderBytes = 100_000_000;

function refuse(
  what: string,
  remedy = 'The file is damaged or not a safetensors file: fetch or save it again.',
): never {
  throw new CheckpointError(`safetensors: ${what}`, { remedy });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function parseHeader(bytes: Uint8Array): { header: Record<string, unknown>; dataStart: number } {
  if (bytes.length < 8) refuse(`the file has ${bytes.length} bytes, too few for the 8-byte header length.`);
  const length = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(maxHeaderBytes)) {
    refuse(`the header claims ${length} bytes; the format allows at most ${maxHeaderBytes}.`);
  }
  const dataStart = 8 + Number(length);
  if (dataStart > bytes.length) {
    refuse(`the header claims ${length} bytes but the file ends after ${bytes.length - 8}: it is cut off.`);
  }
  const text = bytes.subarray(8, dataStart);
  if (text[0] !== 0x7b) refuse(`the header does not start with "{".`);
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(text));
  } catch (error) {
    refuse(`the header is not UTF-8 JSON (${error instanceof Error ? error.message : error}).`);
  }
  if (!isRecord(header)) refuse('the header is not a JSON object.');
  return { header, dataStart };
}

function parseMetadata(value: unknown): Record<string, string> {
  if (value === undefined) return {};
  if (!isRecord(value)) refuse('"__metadata__" is not an object of strings.');
  const metadata: Record<string, string> = {};
  for (const [key, entry] of Object.entries(value)) {
    if (typeof entry !== 'string') refuse(`"__metadata__" entry "${key}" is not a string.`);
    metadata[key] = entry;
  }
  return metadata;
}

interface Span {
  name: string;
  dtype: SafetensorsDtype;
  shape: number[];
  begin: number;
  end: number;
}

function parseEntry(name: string, entry: unknown, available: number): Span {
  if (!isRecord(entry)) refuse(`tensor "${name}" is not described by an object.`);
  const { dtype, shape, data_offsets: offsets } = entry;
  if (typeof dtype !== 'string' || !Object.hasOwn(elementBytes, dtype)) {
    refuse(
      `tensor "${name}" has the type ${JSON.stringify(dtype)}.`,
      `Convert it to one of ${Object.keys(elementBytes).join(', ')}.`,
    );
  }
  if (!Array.isArray(shape) || !shape.every(isCount)) {
    refuse(`tensor "${name}" has the shape ${JSON.stringify(shape)}; a list of whole numbers is needed.`);
  }
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount)) {
    refuse(`tensor "${name}" has the offsets ${JSON.stringify(offsets)}; two whole numbers are needed.`);
  }
  const [begin, end] = offsets as [number, number];
  if (begin > end || end > available) {
    refuse(`tensor "${name}" spans bytes ${begin} to ${end}, but the file holds ${available} bytes of tensors.`);
  }
  let bytes: number = elementBytes[dtype as SafetensorsDtype];
  for (const size of shape) {
    bytes *= size;
    if (!Number.isSafeInteger(bytes)) refuse(`tensor "${name}" of shape [${shape}] is too large to exist.`);
  }
  if (bytes !== end - begin) {
    refuse(`tensor "${name}" (${dtype}, [${shape}]) needs ${bytes} bytes but its offsets span ${end - begin}.`);
  }
  return { name, dtype: dtype as SafetensorsDtype, shape, begin, end };
}

/** The spans must cover [0, available) one after the other. */
function checkCoverage(spans: readonly Span[], available: number): void {
  let position = 0;
  let previous = '';
  for (const span of [...spans].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (span.begin < position) refuse(`tensors "${previous}" and "${span.name}" overlap at byte ${span.begin}.`);
    if (span.begin > position) refuse(`bytes ${position} to ${span.begin} before "${span.name}" belong to no tensor.`);
    position = span.end;
    previous = span.name;
  }
  if (position !== available) refuse(`the last ${available - position} bytes belong to no tensor.`);
}

/**
 * Reads a whole safetensors file. The returned tensors are views into `bytes`, which must not change while they live.
 * @throws CheckpointError naming the tensor and the fault.
 */
export function readSafetensors(bytes: Uint8Array): Safetensors {
  const { header, dataStart } = parseHeader(bytes);
  const available = bytes.length - dataStart;
  const spans: Span[] = [];
  for (const [name, entry] of Object.entries(header)) {
    if (name !== '__metadata__') spans.push(parseEntry(name, entry, available));
  }
  checkCoverage(spans, available);
  const tensors = new Map<string, StoredTensor>();
  for (const { name, dtype, shape, begin, end } of spans) {
    tensors.set(name, { dtype, shape, data: bytes.subarray(dataStart + begin, dataStart + end) });
  }
  return { tensors, metadata: parseMetadata(header.__metadata__) };
}

/**
 * Writes tensors, wide element types first so that every tensor is aligned to its element size.
 * @throws CheckpointError when a tensor's bytes do not fit its shape.
 */
export function writeSafetensors(
  tensors: Iterable<readonly [string, StoredTensor]>,
  metadata: Record<string, string> = {},
): Uint8Array {
  const entries = [...tensors].sort(([, a], [, b]) => elementBytes[b.dtype] - elementBytes[a.dtype]);
  const described: [string, unknown][] = [];
  if (Object.keys(metadata).length > 0) described.push(['__metadata__', metadata]);
  const names = new Set<string>(['__metadata__']);
  let position = 0;
  for (const [name, { dtype, shape, data }] of entries) {
    if (names.has(name)) refuse(`the name "${name}" cannot be stored twice.`, 'Give every tensor its own name.');
    names.add(name);
    const bytes = shape.reduce((product, size) => product * size, elementBytes[dtype]);
    if (bytes !== data.length) {
      refuse(
        `tensor "${name}" (${dtype}, [${shape}]) needs ${bytes} bytes but has ${data.length}.`,
        'Check its shape.',
      );
    }
    described.push([name, { dtype, shape, data_offsets: [position, position + bytes] }]);
    position += bytes;
  }
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(described)));
  const headerBytes = Math.ceil(json.length / 8) * 8;
  const file = new Uint8Array(8 + headerBytes + position);
  new DataView(file.buffer).setBigUint64(0, BigInt(headerBytes), true);
  file.fill(0x20, 8, 8 + headerBytes);
  file.set(json, 8);
  let offset = 8 + headerBytes;
  for (const [, { data }] of entries) {
    file.set(data, offset);
    offset += data.length;
  }
  return file;
}

/** Wraps 32-bit floats for writing; no copy. */
export function storeFloat32(data: Float32Array, shape: readonly number[]): StoredTensor {
  return { dtype: 'F32', shape, data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) };
}

/** The value of element `index`, by type, from a view over the tensor's bytes. */
const readElement: Record<SafetensorsDtype, (view: DataView, index: number) => number> = {
  F64: (view, i) => view.getFloat64(8 * i, true),
  F32: (view, i) => view.getFloat32(4 * i, true),
  F16: (view, i) => halfToFloat(view.getUint16(2 * i, true)),
  BF16: (view, i) => {
    const word = new DataView(new ArrayBuffer(4));
    word.setUint16(2, view.getUint16(2 * i, true), true);
    return word.getFloat32(0, true);
  },
  I64: (view, i) => Number(view.getBigInt64(8 * i, true)),
  I32: (view, i) => view.getInt32(4 * i, true),
  I16: (view, i) => view.getInt16(2 * i, true),
  I8: (view, i) => view.getInt8(i),
  U64: (view, i) => Number(view.getBigUint64(8 * i, true)),
  U32: (view, i) => view.getUint32(4 * i, true),
  U16: (view, i) => view.getUint16(2 * i, true),
  U8: (view, i) => view.getUint8(i),
  BOOL: (view, i) => (view.getUint8(i) ? 1 : 0),
};

/** A fresh copy of any stored tensor as 64-bit floats (exact for all types but 64-bit integers beyond 2⁵³). */
export function toFloat64(tensor: StoredTensor): Float64Array {
  const view = new DataView(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength);
  const read = readElement[tensor.dtype];
  return Float64Array.from({ length: tensor.data.length / elementBytes[tensor.dtype] }, (_, i) => read(view, i));
}

/** A fresh copy of any stored tensor as 32-bit floats (F64 and wide integers are rounded). */
export function toFloat32(tensor: StoredTensor): Float32Array {
  if (tensor.dtype !== 'F32') return Float32Array.from(toFloat64(tensor));
  const copy = new Float32Array(tensor.data.length / 4);
  new Uint8Array(copy.buffer).set(tensor.data);
  return copy;
}
