/**
 * The part of the zip format that PyTorch's checkpoints use: entries stored without compression, zip64 sizes included.
 * Source: PKWARE APPNOTE 4.3 (end of central directory, central directory, local header).
 */
import { CheckpointError } from '../errors.ts';

const endSignature = 0x06054b50;
const end64LocatorSignature = 0x07064b50;
const end64Signature = 0x06064b50;
const entrySignature = 0x02014b50;
const localSignature = 0x04034b50;

function refuse(what: string): never {
  throw new CheckpointError(`zip: ${what}`, { remedy: 'The file is cut off or damaged: fetch or save it again.' });
}

/** A DataView whose reads beyond the end are a CheckpointError, not a RangeError. */
class Reader {
  readonly bytes: Uint8Array;
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  #check(offset: number, count: number): void {
    if (offset < 0 || offset + count > this.bytes.length) {
      refuse(`bytes ${offset} to ${offset + count} are needed but the file has ${this.bytes.length}.`);
    }
  }

  u16(offset: number): number {
    this.#check(offset, 2);
    return this.#view.getUint16(offset, true);
  }

  u32(offset: number): number {
    this.#check(offset, 4);
    return this.#view.getUint32(offset, true);
  }

  u64(offset: number): number {
    this.#check(offset, 8);
    const value = this.#view.getBigUint64(offset, true);
    return value <= BigInt(Number.MAX_SAFE_INTEGER)
      ? Number(value)
      : refuse(`the size ${value} is too large to exist.`);
  }

  slice(offset: number, count: number): Uint8Array {
    this.#check(offset, count);
    return this.bytes.subarray(offset, offset + count);
  }
}

/** Where the central directory starts and how many entries it has. */
function findDirectory(file: Reader): { offset: number; count: number } {
  const last = file.bytes.length - 22;
  for (let at = last; at >= 0 && at >= last - 0xffff; at--) {
    if (file.u32(at) !== endSignature) continue;
    if (at >= 20 && file.u32(at - 20) === end64LocatorSignature) {
      const end64 = file.u64(at - 20 + 8);
      if (file.u32(end64) !== end64Signature) refuse('the zip64 end record is not where it should be.');
      return { offset: file.u64(end64 + 48), count: file.u64(end64 + 32) };
    }
    return { offset: file.u32(at + 16), count: file.u16(at + 10) };
  }
  return refuse('the central directory at the end of the file is missing.');
}

/** Sizes and offset that did not fit 32 bits stand, in this order, in the extra field of id 1. */
function widened(file: Reader, at: number, extraStart: number): { size: number; local: number } {
  let [packed, size, local] = [file.u32(at + 20), file.u32(at + 24), file.u32(at + 42)];
  const extraEnd = extraStart + file.u16(at + 30);
  for (let field = extraStart; field + 4 <= extraEnd; field += 4 + file.u16(field + 2)) {
    if (file.u16(field) !== 1) continue;
    let next = field + 4;
    const wide = (value: number): number => {
      if (value !== 0xffffffff) return value;
      next += 8;
      return file.u64(next - 8);
    };
    size = wide(size);
    packed = wide(packed);
    local = wide(local);
  }
  if (packed !== size) refuse('an entry is compressed; PyTorch stores its tensors uncompressed.');
  return { size, local };
}

/** The entries of a zip file by name, as views into `bytes`. */
export function readStoredZip(bytes: Uint8Array): Map<string, Uint8Array> {
  const file = new Reader(bytes);
  const entries = new Map<string, Uint8Array>();
  const { offset, count } = findDirectory(file);
  let at = offset;
  for (let i = 0; i < count; i++) {
    if (file.u32(at) !== entrySignature) refuse(`entry ${i} of the central directory is damaged.`);
    const nameLength = file.u16(at + 28);
    const name = new TextDecoder().decode(file.slice(at + 46, nameLength));
    if (file.u16(at + 8) & 1) refuse(`"${name}" is encrypted.`);
    if (file.u16(at + 10) !== 0) refuse(`"${name}" is compressed; PyTorch stores its tensors uncompressed.`);
    if (entries.has(name)) refuse(`"${name}" is there twice.`);
    const { size, local } = widened(file, at, at + 46 + nameLength);
    if (file.u32(local) !== localSignature) refuse(`the header of "${name}" is not where it should be.`);
    entries.set(name, file.slice(local + 30 + file.u16(local + 26) + file.u16(local + 28), size));
    at += 46 + nameLength + file.u16(at + 30) + file.u16(at + 32);
  }
  return entries;
}
