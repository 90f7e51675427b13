/** What stays the same over all pictures of one drawn subject, and what changes from picture to picture. */
import { type Random, random } from '../random.ts';

export const expressions = ['happy', 'sad', 'normal'] as const;
export type Expression = (typeof expressions)[number];

type Rgb = readonly [number, number, number];

export const css = ([r, g, b]: Rgb, alpha = 1) => `rgba(${Math.round(r)},${Math.round(g)},${Math.round(b)},${alpha})`;

/** Linear blend from `a` (t = 0) to `b` (t = 1). */
export function blend(a: Rgb, b: Rgb, t: number): Rgb {
  return [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t, a[2] + (b[2] - a[2]) * t];
}

const skins: readonly Rgb[] = [
  [252, 226, 207],
  [248, 214, 190],
  [241, 200, 170],
  [232, 186, 150],
  [218, 167, 127],
  [198, 143, 102],
  [172, 118, 80],
  [143, 94, 62],
  [112, 73, 49],
  [88, 57, 40],
];
const fairHair: readonly Rgb[] = [
  [214, 178, 116],
  [176, 128, 74],
  [166, 92, 52],
  [120, 82, 52],
  [78, 54, 38],
];
const darkHair: readonly Rgb[] = [
  [58, 40, 30],
  [36, 27, 23],
  [24, 20, 20],
];
const irises: readonly Rgb[] = [
  [92, 134, 168],
  [110, 132, 96],
  [122, 88, 54],
  [78, 52, 34],
  [58, 40, 30],
];
const fabrics: readonly Rgb[] = [
  [244, 205, 212],
  [190, 216, 236],
  [250, 236, 190],
  [206, 228, 204],
  [226, 214, 238],
  [238, 238, 232],
  [246, 190, 150],
  [120, 150, 190],
  [196, 96, 96],
  [90, 122, 100],
];

export const hairStyles = ['bald', 'fuzz', 'cap', 'tuft', 'fringe', 'curls', 'hat', 'headband'] as const;

export interface Subject {
  skin: Rgb;
  hair: Rgb;
  hairStyle: (typeof hairStyles)[number];
  iris: Rgb;
  /** Clothes, and the hat or headband. */
  cloth: Rgb;
  /** Relative sizes, around 1. */
  headWidth: number;
  cheeks: number;
  eyeSize: number;
  eyeSpacing: number;
  noseSize: number;
  mouthSize: number;
  browWeight: number;
  earSize: number;
  /** Outer eye corner above (positive) or below the inner one, in pixels. */
  eyeTilt: number;
}

export function drawSubject(seed: number, index: number): Subject {
  const rng = random(seed, 1, index);
  const tone = rng.integer(skins.length);
  return {
    skin: blend(skins[tone] as Rgb, rng.pick(skins), 0.08),
    hair: rng.pick(tone < 4 ? [...fairHair, ...darkHair] : darkHair),
    hairStyle: rng.pick(hairStyles),
    iris: rng.pick(tone < 4 ? irises : irises.slice(3)),
    cloth: rng.pick(fabrics),
    headWidth: rng.uniform(0.95, 1.07),
    cheeks: rng.uniform(0.94, 1.08),
    eyeSize: rng.uniform(1.04, 1.28),
    eyeSpacing: rng.uniform(0.98, 1.1),
    noseSize: rng.uniform(0.85, 1.2),
    mouthSize: rng.uniform(1.02, 1.28),
    browWeight: rng.uniform(0.5, 1.2),
    earSize: rng.uniform(0.85, 1.15),
    eyeTilt: rng.uniform(-1, 2.2),
  };
}

/** The muscles of the face, as the drawing uses them. Lengths in pixels of the 256-pixel picture, shares in [0, 1]. */
export interface Pose {
  /** Height of the inner and outer brow ends above rest. */
  browInner: number;
  browOuter: number;
  eyeOpen: number;
  /** How far the cheeks push the lower lids up. */
  lowerLid: number;
  gaze: readonly [number, number];
  /** Corners of the mouth up (1) or down (−1). */
  mouthCurve: number;
  mouthOpen: number;
  mouthWidth: number;
  /** Folds from nose to mouth, and between the brows. */
  fold: number;
  frown: number;
  lowerLip: number;
  tears: number;
  flush: number;
}

/** Draws how one expression looks this time; intensity and kind vary within a class. */
export function drawExpression(expression: Expression, rng: Random): Pose {
  const gaze = [rng.normal(0, 1.6), rng.normal(0, 1)] as const;
  const strength = rng.uniform(0.78, 1);
  if (expression === 'happy') {
    const laughing = rng.chance(0.65);
    return {
      browInner: rng.uniform(0, 3) * strength,
      browOuter: rng.uniform(1, 4) * strength,
      eyeOpen: laughing && rng.chance(0.25) ? rng.uniform(0.05, 0.2) : rng.uniform(0.6, 0.95),
      lowerLid: rng.uniform(0.25, 0.5) * strength,
      gaze,
      mouthCurve: rng.uniform(0.85, 1.15) * strength,
      mouthOpen: laughing ? rng.uniform(0.35, 1) * strength : rng.uniform(0, 0.06),
      mouthWidth: rng.uniform(1.12, 1.4),
      fold: rng.uniform(0.4, 0.8) * strength,
      frown: 0,
      lowerLip: 0,
      tears: 0,
      flush: rng.uniform(0.4, 0.9),
    };
  }
  if (expression === 'sad') {
    const crying = rng.chance(0.6);
    return {
      browInner: crying ? rng.uniform(-2, 5) : rng.uniform(3, 7) * strength,
      browOuter: rng.uniform(-5, -1) * strength,
      eyeOpen: crying && rng.chance(0.6) ? rng.uniform(0, 0.12) : rng.uniform(0.45, 0.75),
      lowerLid: crying ? rng.uniform(0.2, 0.5) : rng.uniform(0, 0.2),
      gaze: [gaze[0], gaze[1] + 1],
      mouthCurve: rng.uniform(-1.15, -0.85) * strength,
      mouthOpen: crying ? rng.uniform(0.4, 1) * strength : rng.uniform(0, 0.06),
      mouthWidth: crying ? rng.uniform(0.95, 1.25) : rng.uniform(0.85, 1.05),
      fold: rng.uniform(0.3, 0.8) * strength,
      frown: rng.uniform(0.4, 1) * strength,
      lowerLip: crying ? 0.2 : rng.uniform(0.4, 1),
      tears: crying ? (rng.chance(0.6) ? rng.uniform(0.4, 1) : 0) : rng.chance(0.25) ? 0.4 : 0,
      flush: rng.uniform(0.5, 1),
    };
  }
  return {
    browInner: rng.normal(0, 0.7),
    browOuter: rng.normal(0.5, 0.7),
    eyeOpen: rng.uniform(0.85, 1.12),
    lowerLid: rng.uniform(0, 0.06),
    gaze,
    mouthCurve: rng.uniform(-0.15, 0.15),
    mouthOpen: rng.chance(0.25) ? rng.uniform(0.08, 0.2) : 0,
    mouthWidth: rng.uniform(0.75, 0.95),
    fold: 0,
    frown: 0,
    lowerLip: rng.uniform(0, 0.3),
    tears: 0,
    flush: rng.uniform(0.1, 0.5),
  };
}

/** Camera, light and what gets in the way. */
export interface Scene {
  /** Degrees; roll turns the picture, yaw and pitch move the features over the head. */
  roll: number;
  yaw: number;
  pitch: number;
  scale: number;
  shift: readonly [number, number];
  /** Direction the light comes from, in degrees, and how hard it is. */
  lightAngle: number;
  lightStrength: number;
  exposure: number;
  /** Red and blue gain against each other: warm > 0. */
  warmth: number;
  occluder: 'none' | 'dummy' | 'hand';
  occluderColour: Rgb;
  /** −1: hand from the left, 1: from the right. */
  side: -1 | 1;
  background: readonly [Rgb, Rgb];
  pattern: 'plain' | 'stripes' | 'dots' | 'blobs';
  /** Standard deviations: of the Gaussian blur in pixels, of the noise in grey levels. */
  blur: number;
  noise: number;
}

export function drawScene(rng: Random): Scene {
  const occlusion = rng.uniform();
  return {
    roll: rng.normal(0, 7),
    yaw: Math.max(-22, Math.min(22, rng.normal(0, 9))),
    pitch: Math.max(-14, Math.min(14, rng.normal(0, 5))),
    scale: rng.uniform(1.02, 1.24),
    shift: [rng.normal(0, 4), rng.normal(-4, 4)],
    lightAngle: rng.uniform(200, 340),
    lightStrength: rng.uniform(0.1, 0.55),
    exposure: rng.uniform(0.78, 1.12),
    warmth: rng.normal(0, 0.05),
    occluder: occlusion < 0.05 ? 'dummy' : occlusion < 0.13 ? 'hand' : 'none',
    occluderColour: rng.pick(fabrics),
    side: rng.chance(0.5) ? 1 : -1,
    background: [rng.pick(fabrics), rng.pick(fabrics)],
    pattern: rng.pick(['plain', 'stripes', 'dots', 'blobs']),
    blur: rng.chance(0.3) ? rng.uniform(0.6, 2) : 0,
    noise: rng.uniform(1, 7),
  };
}
