/**
 * TensorBoard's event files, written by hand: TFRecord frames around protocol-buffer `Event` messages. Field numbers
 * are those of tensorflow's event.proto and summary.proto.
 */

const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  return crc;
});

/** CRC-32C (Castagnoli). */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ (crcTable[(crc ^ byte) & 0xff] as number);
  return ~crc >>> 0;
}

/** TFRecord stores checksums rotated and shifted, so that the checksum of data with checksums in it stays strong. */
export function maskedCrc32c(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}

/** One TFRecord: length, its checksum, the data, its checksum; all little-endian. */
export function tfRecord(data: Uint8Array): Uint8Array {
  const record = new Uint8Array(16 + data.length);
  const view = new DataView(record.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, maskedCrc32c(record.subarray(0, 8)), true);
  record.set(data, 12);
  view.setUint32(12 + data.length, maskedCrc32c(data), true);
  return record;
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt(value);
  do {
    bytes.push(Number(rest & 0x7fn) | (rest > 0x7fn ? 0x80 : 0));
    rest >>= 7n;
  } while (rest > 0n);
  return Uint8Array.from(bytes);
}

const integerField = (field: number, value: number) => concat([varint(field * 8), varint(value)]);
const bytesField = (field: number, value: Uint8Array) => concat([varint(field * 8 + 2), varint(value.length), value]);
const textField = (field: number, value: string) => bytesField(field, new TextEncoder().encode(value));

function doubleField(field: number, value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, value, true);
  return concat([varint(field * 8 + 1), bytes]);
}

function floatField(field: number, value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setFloat32(0, value, true);
  return concat([varint(field * 8 + 5), bytes]);
}

/** An encoded picture (PNG or JPEG) with its size. */
export interface BoardImage {
  width: number;
  height: number;
  encoded: Uint8Array;
}

/** The record every event file starts with. */
export function fileVersionRecord(wallTime: number): Uint8Array {
  return tfRecord(concat([doubleField(1, wallTime), textField(3, 'brain.Event:2')]));
}

/** A record with scalars and pictures of one step. `wallTime` in seconds since 1970. */
export function summaryRecord(
  wallTime: number,
  step: number,
  values: Readonly<Record<string, number | BoardImage>>,
): Uint8Array {
  const summary = Object.entries(values).map(([tag, value]) => {
    if (typeof value === 'number') return bytesField(1, concat([textField(1, tag), floatField(2, value)]));
    const rgb = 3;
    const image = concat([
      integerField(1, value.height),
      integerField(2, value.width),
      integerField(3, rgb),
      bytesField(4, value.encoded),
    ]);
    return bytesField(1, concat([textField(1, tag), bytesField(4, image)]));
  });
  return tfRecord(concat([doubleField(1, wallTime), integerField(2, step), bytesField(5, concat(summary))]));
}
