import { describe, expect, it } from 'vitest';
import { Generator } from '../../../engine/random.ts';
import type { Candidate } from '../../../pipeline/balance/candidates.ts';
import { type Features, frechetDistance, kernelDistance, quality } from '../../../pipeline/balance/quality.ts';
import { select, similarity } from '../../../pipeline/balance/select.ts';

const features = (rows: number, width: number, seed: number, shift = 0, scale = 1): Features => ({
  rows,
  width,
  values: Float64Array.from(new Generator(seed).normal(rows * width), (v) => v * scale + shift),
});

describe('quality', () => {
  it('is the closed form for diagonal Gaussians', () => {
    // Rows ±1 on each axis: mean 0, covariance diagonal; scaled by 3 and moved by 2 the distance is 4d + Σ(σ₁ − σ₂)².
    const corners = (shift: number, scale: number): Features => ({
      rows: 4,
      width: 2,
      values: Float64Array.of(1, 1, 1, -1, -1, 1, -1, -1).map((v) => v * scale + shift),
    });
    const sigma = Math.sqrt(4 / 3);
    expect(frechetDistance(corners(0, 1), corners(2, 3))).toBeCloseTo(2 * 4 + 2 * (2 * sigma) ** 2, 10);
    expect(frechetDistance(corners(0, 1), corners(0, 1))).toBeCloseTo(0, 10);
  });

  it('is near zero for two samples of one distribution and grows as they part', () => {
    const a = features(300, 4, 1);
    expect(Math.abs(kernelDistance(a, features(300, 4, 2)))).toBeLessThan(0.05);
    const distances = [0.2, 0.5, 1].map((shift) => quality(a, features(300, 4, 2, shift)));
    expect(distances.map((d) => d.kernelDistance)).toEqual(
      [...distances.map((d) => d.kernelDistance)].sort((x, y) => x - y),
    );
    expect(distances[2].frechetDistance).toBeGreaterThan(3);
    expect(distances[0].caveat).toMatch(/300 pictures against 4 features/);
  });

  it('refuses features that cannot be compared', () => {
    expect(() => quality(features(5, 3, 1), features(5, 4, 1))).toThrow(/5×3 and 5×4/);
  });
});

describe('select', () => {
  const candidate = (source: string, more: Partial<Candidate>): Candidate => ({
    source,
    subject: 's',
    file: `${source}.png`,
    sha256: '',
    judges: '',
    discriminator: 0,
    similarity: 0.5,
    ...more,
  });

  it('keeps the best-looking of those that changed the right way, and says why the others go', () => {
    const { kept, discarded } = select(
      [
        candidate('a', { discriminator: 0.2 }),
        candidate('b', { similarity: 0.99, discriminator: 1 }),
        candidate('c', { target: 0.3, discriminator: 1 }),
        candidate('d', { face: false, discriminator: 1 }),
        candidate('e', { discriminator: 0.9, target: 0.8, face: true }),
        candidate('f', { discriminator: 0.5 }),
      ],
      { keep: 2, maxSimilarity: 0.95, minTarget: 0.5 },
    );
    expect(kept.map((c) => c.source)).toEqual(['e', 'f']);
    expect(discarded.map(({ candidate: c, reason }) => `${c.source}: ${reason}`)).toEqual([
      'b: unchanged: SSIM 0.990 with its source',
      'c: wrong expression: the classifier gives it 0.30',
      'd: no face found in it',
      'a: enough better ones: discriminator score 0.200',
    ]);
  });

  it('measures likeness: 1 for a copy, less for another picture', () => {
    const noise = (seed: number) => Uint8Array.from(new Generator(seed).words(32 * 32 * 3), (w) => w & 255);
    expect(similarity(noise(1), noise(1), 32)).toBeCloseTo(1, 6);
    expect(similarity(noise(1), noise(2), 32)).toBeLessThan(0.3);
  });
});
