import { z } from 'zod';
import { ConfigError } from '../../engine/errors.ts';
import { complaint } from '../complaint.ts';

/** What decides which faces come out and how they look. Saved beside them; a later run must use the same. */
export const prepareOptions = z.strictObject({
  /** 'tiny': tiny YOLO v2 with separable convolutions. 'ssd': SSD MobileNet v1, slower, finds more. */
  detector: z.enum(['tiny', 'ssd']).default('tiny'),
  /** A face counts from this confidence on. */
  confidence: z.number().gt(0).lt(1).default(0.5),
  /**
   * 'first': upright, then turned by 90°, 180°, 270°, the first turn that shows a face counts (the paper's strategy).
   * 'best': all four are looked at and the most confident counts; better for lying babies, up to four times the work.
   */
  turns: z.enum(['first', 'best']).default('first'),
  /** Side of the square that the tiny detector looks at; larger finds smaller faces. */
  inputSize: z.int().min(128).max(1600).multipleOf(32).default(416),
  /** Take every n-th frame of a video (paper, section 2.1.2)… */
  every: z.int().min(1).default(30),
  /** …or so many frames per second, by their timestamps. */
  fps: z.number().gt(0).max(240).optional(),
  /** A face of a clip whose SSIM with one already kept is above this is dropped (paper: 0.9). 1 keeps all. */
  similarity: z.number().gt(0).max(1).default(0.9),
  /** Drop a face that looks like one from any other file too. */
  nearDuplicates: z.boolean().default(false),
  /** Room around the face's box on each side, as a share of the box's longer side. */
  margin: z.number().min(0).max(2).default(0.25),
  /** Turn the face so that its eyes lie level. */
  align: z.boolean().default(false),
  /** Faces whose box's longer side is under this many pixels are discarded. 0 keeps all. */
  minFace: z.int().min(0).default(0),
  /** Side of the finished pictures. */
  size: z.int().min(16).max(4096).default(256),
  /** Photographs with more pixels than this many millions are discarded. */
  maxMegapixels: z.number().gt(0).max(268).default(268),
  /** What the first level of folders means: whose face (never shared by splits), which class, or nothing. */
  folders: z.enum(['none', 'subject', 'label']).default('none'),
});

export type PrepareOptions = z.infer<typeof prepareOptions>;

/** @throws ConfigError naming the option and what is allowed. */
export function resolveOptions(given: z.input<typeof prepareOptions>): PrepareOptions {
  const result = prepareOptions.safeParse(given);
  if (result.success) return result.data;
  const kebab = (name: string): string => name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`);
  throw new ConfigError(`--${complaint(result.error, given).replace(/^\w+/, kebab)}.`);
}

/** @throws ConfigError when a folder was prepared with other options than those of this run. */
export function requireSameOptions(saved: unknown, now: PrepareOptions, folder: string): void {
  const before = prepareOptions.safeParse(saved);
  if (!before.success) throw new ConfigError(`${folder}/prepare.json was not written by this version of prepare.`);
  const names = Object.keys(prepareOptions.shape) as (keyof PrepareOptions)[];
  const changed = names.filter((name) => before.data[name] !== now[name]);
  if (changed.length === 0) return;
  const list = changed.map((name) => `${name} was ${before.data[name]}, is now ${now[name]}`).join('; ');
  throw new ConfigError(`${folder} was prepared with other options: ${list}.`, {
    remedy: 'Choose another output folder, or repeat the run with the options of the first.',
  });
}
