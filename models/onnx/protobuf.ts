/** The few wire types of protocol buffers that an ONNX file is made of. */

/** A message as its encoded fields. */
export type Message = Uint8Array;

function varint(value: number | bigint): number[] {
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  while (rest > 0x7fn) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return bytes;
}

const tag = (field: number, wireType: number): number[] => varint((field << 3) | wireType);

export function join(parts: readonly Uint8Array[]): Message {
  const out = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    out.set(part, offset);
    offset += part.length;
  }
  return out;
}

/** int32, int64, bool and enums. */
export const integer = (field: number, value: number | bigint): Message =>
  Uint8Array.from([...tag(field, 0), ...varint(value)]);

export function float(field: number, value: number): Message {
  const bytes = new Uint8Array(new Float32Array([value]).buffer);
  return Uint8Array.from([...tag(field, 5), ...bytes]);
}

/** Bytes, and messages inside messages. */
export const bytes = (field: number, value: Uint8Array): Message =>
  join([Uint8Array.from([...tag(field, 2), ...varint(value.length)]), value]);

export const text = (field: number, value: string): Message => bytes(field, new TextEncoder().encode(value));

/** Packed repeated int64. */
export const integers = (field: number, values: readonly number[]): Message =>
  bytes(field, Uint8Array.from(values.flatMap((value) => varint(value))));
