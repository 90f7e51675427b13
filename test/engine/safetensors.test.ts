import { describe, expect, test } from 'vitest';
import { CheckpointError } from '../../engine/errors.ts';
import {
  readSafetensors,
  type StoredTensor,
  storeFloat32,
  toFloat32,
  toFloat64,
  writeSafetensors,
} from '../../engine/safetensors.ts';

/** A file with any header text and any body, right or wrong. */
function file(header: unknown, body = new Uint8Array(0), claimedLength?: bigint): Uint8Array {
  const text = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + text.length + body.length);
  new DataView(bytes.buffer).setBigUint64(0, claimedLength ?? BigInt(text.length), true);
  bytes.set(text, 8);
  bytes.set(body, 8 + text.length);
  return bytes;
}

const bytes = (n: number) => new Uint8Array(n);
const u8 = (begin: number, end: number, shape = [end - begin]) => ({ dtype: 'U8', shape, data_offsets: [begin, end] });

describe('writing and reading back', () => {
  test('keeps names, shapes, values and metadata; scalars and empty tensors are legal', () => {
    const weights = Float32Array.from([1, -2, 3.5, Number.NaN, Number.POSITIVE_INFINITY, 1e-40]);
    const written = writeSafetensors(
      [
        ['flags', { dtype: 'BOOL', shape: [3], data: Uint8Array.of(1, 0, 1) }],
        ['features.0.weight', storeFloat32(weights, [2, 3])],
        ['scalar', storeFloat32(Float32Array.of(7), [])],
        ['empty', storeFloat32(new Float32Array(0), [0, 5])],
      ],
      { epoch: '3' },
    );
    expect(new DataView(written.buffer).getBigUint64(0, true) % 8n).toBe(0n);
    const { tensors, metadata } = readSafetensors(written);
    expect(metadata).toEqual({ epoch: '3' });
    const read = (name: string) => tensors.get(name) as StoredTensor;
    expect(read('features.0.weight').shape).toEqual([2, 3]);
    expect(toFloat32(read('features.0.weight'))).toEqual(weights);
    expect([...toFloat32(read('scalar'))]).toEqual([7]);
    expect(read('scalar').shape).toEqual([]);
    expect(read('empty').shape).toEqual([0, 5]);
    expect([...toFloat32(read('flags'))]).toEqual([1, 0, 1]);
  });

  test('reads a file that starts at an odd byte of a larger buffer', () => {
    const written = writeSafetensors([['x', storeFloat32(Float32Array.of(1, 2), [2])]]);
    const shifted = new Uint8Array(written.length + 3);
    shifted.set(written, 3);
    const { tensors } = readSafetensors(shifted.subarray(3));
    expect([...toFloat32(tensors.get('x') as StoredTensor)]).toEqual([1, 2]);
    // Node's Buffer is a Uint8Array whose slice() does not copy.
    const fromBuffer = readSafetensors(Buffer.from(shifted).subarray(3)).tensors.get('x') as StoredTensor;
    expect([...toFloat32(fromBuffer)]).toEqual([1, 2]);
  });

  test('refuses a name twice and bytes that do not fit the shape', () => {
    const x = storeFloat32(Float32Array.of(1), [1]);
    expect(() =>
      writeSafetensors([
        ['x', x],
        ['x', x],
      ]),
    ).toThrow(/"x" cannot be stored twice/);
    expect(() => writeSafetensors([['x', { ...x, shape: [2] }]])).toThrow(/needs 8 bytes but has 4/);
  });

  test.each([
    ['F64', [0, 0, 0, 0, 0, 0, 0xf8, 0xbf], -1.5],
    ['F32', [0, 0, 0xc0, 0xbf], -1.5],
    ['F16', [0x00, 0xbe], -1.5],
    ['F16', [0x01, 0x00], 2 ** -24],
    ['F16', [0x00, 0xfc], Number.NEGATIVE_INFINITY],
    ['F16', [0xff, 0x7b], 65504],
    ['BF16', [0xc0, 0xbf], -1.5],
    ['I64', [0xfe, 255, 255, 255, 255, 255, 255, 255], -2],
    ['I32', [0xfe, 255, 255, 255], -2],
    ['I16', [0xfe, 255], -2],
    ['I8', [0xfe], -2],
    ['U64', [2, 1, 0, 0, 0, 0, 0, 0], 258],
    ['U32', [2, 1, 0, 0], 258],
    ['U16', [2, 1], 258],
    ['U8', [200], 200],
    ['BOOL', [1], 1],
  ] as const)('reads %s %j as %d', (dtype, raw, value) => {
    expect([...toFloat64({ dtype, shape: [], data: Uint8Array.from(raw) })]).toEqual([value]);
  });
});

describe('hostile and damaged files are refused', () => {
  test.each<[string, Uint8Array, RegExp]>([
    ['nothing', bytes(0), /0 bytes, too few/],
    ['a short length field', bytes(7), /7 bytes, too few/],
    ['a header longer than the format allows', file('{}', bytes(0), 100_000_001n), /at most 100000000/],
    ['a header length of 2⁶⁴−1', file('{}', bytes(0), 0xffff_ffff_ffff_ffffn), /at most 100000000/],
    ['a header cut off', file('{}', bytes(0), 50n), /cut off/],
    ['a text file', new TextEncoder().encode('\x05\0\0\0\0\0\0\0hello'), /does not start with "{"/],
    ['an array', file('[1]'), /does not start with "{"/],
    ['a leading space', file(' {}'), /does not start with "{"/],
    ['broken JSON', file('{"a":'), /not UTF-8 JSON/],
    ['invalid UTF-8', file('{}', bytes(0), 2n).fill(0xff, 9, 10), /not UTF-8 JSON/],
    ['an entry that is a number', file({ a: 1 }), /"a" is not described by an object/],
    ['an unknown type', file({ a: { ...u8(0, 1), dtype: 'F8_E4M3' } }, bytes(1)), /"a" has the type "F8_E4M3"/],
    ['a type from the prototype', file({ a: { ...u8(0, 1), dtype: 'toString' } }, bytes(1)), /has the type "toString"/],
    ['a negative size', file({ a: u8(0, 1, [-1]) }, bytes(1)), /shape \[-1\]/],
    ['a fractional size', file({ a: u8(0, 1, [0.5]) }, bytes(1)), /shape \[0.5\]/],
    ['a shape that overflows', file({ a: u8(0, 1, [2 ** 40, 2 ** 40]) }, bytes(1)), /too large to exist/],
    ['three offsets', file({ a: { ...u8(0, 1), data_offsets: [0, 1, 2] } }, bytes(1)), /offsets \[0,1,2\]/],
    ['offsets the wrong way round', file({ a: { ...u8(0, 1), data_offsets: [1, 0] } }, bytes(1)), /spans bytes 1 to 0/],
    ['offsets past the end', file({ a: u8(0, 9) }, bytes(4)), /spans bytes 0 to 9, but the file holds 4/],
    ['offsets that do not fit the shape', file({ a: u8(0, 4, [3]) }, bytes(4)), /needs 3 bytes but its offsets span 4/],
    ['overlapping tensors', file({ a: u8(0, 4), b: u8(2, 6) }, bytes(6)), /"a" and "b" overlap at byte 2/],
    ['the same bytes twice', file({ a: u8(0, 4), b: u8(0, 4) }, bytes(4)), /overlap at byte 0/],
    ['a hole', file({ a: u8(0, 2), b: u8(4, 6) }, bytes(6)), /bytes 2 to 4 before "b" belong to no tensor/],
    ['bytes left over', file({ a: u8(0, 2) }, bytes(6)), /last 4 bytes belong to no tensor/],
    ['metadata that is not text', file({ __metadata__: { a: 1 } }), /"__metadata__" entry "a"/],
  ])('%s', (_, contents, message) => {
    expect(() => readSafetensors(contents)).toThrow(CheckpointError);
    expect(() => readSafetensors(contents)).toThrow(message);
  });

  test('a tensor named __proto__ is a tensor like any other', () => {
    const contents = file('{"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', bytes(1));
    expect([...readSafetensors(contents).tensors.keys()]).toEqual(['__proto__']);
  });

  test('a good file cut off anywhere is refused, never half read', () => {
    const whole = writeSafetensors([['x', storeFloat32(Float32Array.of(1, 2, 3), [3])]]);
    for (let length = 0; length < whole.length; length += 1) {
      expect(() => readSafetensors(whole.subarray(0, length)), `first ${length} bytes`).toThrow(CheckpointError);
    }
  });
});
