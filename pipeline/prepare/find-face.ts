import type { Box, Face, Picture } from '../../models/face-detector/detector.ts';
import type { DetectionQueue } from './batching.ts';
import { Discarded } from './reasons.ts';
import { type Rotation, rotate, type Still } from './still.ts';

export interface FoundFace {
  /** In pixels of the still turned clockwise by `rotation`. */
  readonly box: Box;
  readonly rotation: Rotation;
  readonly confidence: number;
}

type Turned = { readonly rotation: Rotation; readonly faces: readonly Face[] };

const turns: readonly Rotation[] = [0, 90, 180, 270];

/**
 * The paper's search (section 2.1.1): the picture as it is; when no face appears, turned by 90°, 180° and 270°
 * clockwise until one does. With `turns: 'best'` all four are looked at and the one with the most confident face counts.
 * Two or more faces at the turn that counts mean the picture is not used. `small` is the still as the detector sees it.
 * @throws Discarded for no face, several faces, or one smaller than `minFace` pixels.
 */
export async function findFace(
  still: Pick<Still, 'width' | 'height'>,
  small: Picture,
  queue: DetectionQueue,
  options: { readonly turns: 'first' | 'best'; readonly minFace: number },
): Promise<FoundFace> {
  const look = async (rotation: Rotation): Promise<Turned> => {
    return { rotation, faces: await queue.detect(rotate(small, rotation)) };
  };
  const { rotation, faces } = options.turns === 'best' ? await bestTurn(look) : await firstTurn(look);
  const [face] = faces;
  if (!face) throw new Discarded('no face');
  if (faces.length > 1) {
    const at = rotation === 0 ? '' : ` after turning by ${rotation}°`;
    const confidences = faces.map(({ confidence }) => confidence.toFixed(2)).join(', ');
    throw new Discarded('several faces', `${faces.length} faces${at}, confidence ${confidences}`);
  }
  const scale = Math.max(still.width, still.height) / Math.max(small.width, small.height);
  const { x, y, width, height } = face.box;
  const box = { x: x * scale, y: y * scale, width: width * scale, height: height * scale };
  const longer = Math.max(box.width, box.height);
  if (longer < options.minFace) throw new Discarded('small face', `${longer.toFixed(0)} of ${options.minFace} pixels`);
  return { box, rotation, confidence: face.confidence };
}

async function firstTurn(look: (rotation: Rotation) => Promise<Turned>): Promise<Turned> {
  for (const rotation of turns) {
    const turned = await look(rotation);
    if (turned.faces.length > 0) return turned;
  }
  return { rotation: 0, faces: [] };
}

async function bestTurn(look: (rotation: Rotation) => Promise<Turned>): Promise<Turned> {
  const all = await Promise.all(turns.map(look));
  const confidence = ({ faces }: Turned) => faces[0]?.confidence ?? 0;
  return all.reduce((best, turned) => (confidence(turned) > confidence(best) ? turned : best));
}
