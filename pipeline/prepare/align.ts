import type { Picture } from '../../models/face-detector/detector.ts';
import type { FaceLandmarks, Point } from '../../models/face-detector/landmarks.ts';
import { cropSquare, cutSquare, resizeTo, turnAndCut } from './crop.ts';
import type { FoundFace } from './find-face.ts';
import type { Still } from './still.ts';

/** Side of what the landmark network looks at, in pixels. */
const landmarkSide = 112;

/** More than this is no tilted head but a mistake of the network; such a face is left as it is. */
const mostDegrees = 45;

/** Cuts the face's square like cutSquare, turned so that the eyes lie level. */
export async function cutLevel(
  still: Still,
  found: FoundFace,
  margin: number,
  landmarks: Pick<FaceLandmarks, 'find'>,
): Promise<Picture> {
  const square = cropSquare(found.box, margin);
  const near = await cutSquare(still, cropSquare(found.box, 0), found.rotation);
  const [points] = await landmarks.find([await resizeTo(near, landmarkSide)]);
  const degrees = points ? eyeTilt(points) : 0;
  if (degrees === 0 || Math.abs(degrees) > mostDegrees) return cutSquare(still, square, found.rotation);
  // A square turned by any angle fits into one √2 times as wide about the same middle.
  const grow = Math.ceil((square.width * (Math.SQRT2 - 1)) / 2) + 1;
  const side = square.width + 2 * grow;
  const wide = { x: square.x - grow, y: square.y - grow, width: side, height: side };
  return turnAndCut(await cutSquare(still, wide, found.rotation), -degrees, square.width);
}

/** Degrees by which the line from the left to the right eye sinks; 0 when level. */
export function eyeTilt(points: readonly Point[]): number {
  const left = middle(points.slice(36, 42));
  const right = middle(points.slice(42, 48));
  return (Math.atan2(right.y - left.y, right.x - left.x) * 180) / Math.PI;
}

function middle(points: readonly Point[]): Point {
  const sum = points.reduce((a, b) => ({ x: a.x + b.x, y: a.y + b.y }), { x: 0, y: 0 });
  return { x: sum.x / points.length, y: sum.y / points.length };
}
