import { describe, expect, it } from 'vitest';
import { Generator, philox } from '../../engine/random.ts';

const hex = (words: Uint32Array): string => [...words].map((w) => w.toString(16).padStart(8, '0')).join(' ');

describe('philox', () => {
  // The known answers that ship with Random123 (kat_vectors, philox4x32-10).
  it('gives the published words', () => {
    expect(hex(philox([0, 0, 0, 0], [0, 0]))).toBe('6627e8d5 e169c58d bc57ac4c 9b00dbd8');
    const f = 0xffffffff;
    expect(hex(philox([f, f, f, f], [f, f]))).toBe('408f276d 41c83b0e a20bc7c6 6d5451fd');
    expect(hex(philox([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0]))).toBe(
      'd16cfe09 94fdcceb 5001e420 24126ea1',
    );
  });
});

describe('Generator', () => {
  it('repeats from its state and differs from draw to draw', () => {
    const a = new Generator(7);
    const first = a.uniform(5);
    const state = a.state();
    const second = a.uniform(5);
    expect(Generator.from(state).uniform(5)).toEqual(second);
    expect(first).not.toEqual(second);
    expect(new Generator(8).uniform(5)).not.toEqual(first);
  });

  it('has the moments it should', () => {
    const n = 40_000;
    const mean = (x: Float32Array) => x.reduce((s, v) => s + v, 0) / x.length;
    const variance = (x: Float32Array) => mean(x.map((v) => v * v)) - mean(x) ** 2;
    const normal = new Generator(1).normal(n, 1, 2);
    expect(mean(normal)).toBeCloseTo(1, 1);
    expect(variance(normal)).toBeGreaterThan(3.85);
    expect(variance(normal)).toBeLessThan(4.15);
    const truncated = new Generator(2).truncatedNormal(n);
    expect(Math.max(...truncated.map(Math.abs))).toBeLessThan(2);
    expect(variance(truncated)).toBeCloseTo(0.774, 1); // of a unit normal cut at ±2
    const uniform = new Generator(3).uniform(n, -1, 3);
    expect(mean(uniform)).toBeCloseTo(1, 1);
    expect([...new Generator(4).permutation(50)].sort((x, y) => x - y)).toEqual(
      Array.from({ length: 50 }, (_, i) => i),
    );
  });
});
