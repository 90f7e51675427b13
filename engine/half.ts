/** IEEE 754 binary16 to and from JavaScript numbers, which Node 20 has no array for. */

const float = new Float32Array(1);
const word = new Uint32Array(float.buffer);

/** Nearest half-precision bits, ties to even; beyond 65504 it is an infinity. */
export function floatToHalf(value: number): number {
  float[0] = value;
  const bits = word[0];
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00; // NaN
  if (magnitude >= 0x477ff000) return sign | 0x7c00; // rounds to 65520 or more
  if (magnitude < 0x38800000) {
    // below 2⁻¹⁴: units of 2⁻²⁴; the addition rounds as hardware does
    float[0] = Math.abs(value) + 0.5;
    return sign | (word[0] - 0x3f000000);
  }
  const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1);
  return sign | ((rounded - 0x38000000) >>> 13);
}

/** The number that half-precision bits stand for. */
export function halfToFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
