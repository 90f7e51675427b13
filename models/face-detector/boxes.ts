import type { Box, Face } from './detector.ts';

/** Intersection over union, 0 to 1; 0 where either box has no area. */
export function iou(a: Box, b: Box): number {
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  if (width <= 0 || height <= 0) return 0;
  const intersection = width * height;
  return intersection / (a.width * a.height + b.width * b.height - intersection);
}

/**
 * Greedy non-maximum suppression: the most confident face stays, every other that overlaps it by more than
 * `iouThreshold` goes, and so on. Returns the faces that stay, most confident first.
 */
export function nonMaxSuppression(faces: readonly Face[], iouThreshold: number): Face[] {
  const kept: Face[] = [];
  const ordered = [...faces].sort((a, b) => b.confidence - a.confidence);
  for (const face of ordered) {
    if (kept.every((other) => iou(face.box, other.box) <= iouThreshold)) kept.push(face);
  }
  return kept;
}
