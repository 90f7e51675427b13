import { z } from 'zod';
import { cycleGanConfig } from '../../models/index.ts';

/** Every option of one CycleGAN run, as config.json keeps it. */
export const ganRunSchema = z.object({
  kind: z.literal('cyclegan'),
  data: z.string(),
  from: z.string(),
  to: z.string(),
  epochs: z.int().positive(),
  /** Steps per epoch; 0 means one pass over the larger class. */
  stepsPerEpoch: z.int().nonnegative(),
  seed: z.int().nonnegative(),
  checkpointMinutes: z.number().positive(),
  model: z.object({
    imageSize: z.int(),
    ngf: z.int(),
    ndf: z.int(),
    blocks: z.int(),
    batch: z.int(),
    lambda: z.number(),
    identity: z.number(),
    poolSize: z.int(),
    lr: z.number(),
    beta1: z.number(),
    rematerialise: z.boolean(),
  }),
});

export type GanRunConfig = z.infer<typeof ganRunSchema>;

export const ganPresets = {
  /** The paper's and the reference implementation's: 256 pixels, 200 epochs. */
  paper: { model: cycleGanConfig(), epochs: 200, stepsPerEpoch: 0 },
  /** 128 pixels, for a GPU and an evening. */
  medium: { model: cycleGanConfig({ imageSize: 128 }), epochs: 100, stepsPerEpoch: 0 },
  /** 64 pixels and an eighth of the channels, for two processor cores. */
  smoke: { model: cycleGanConfig({ imageSize: 64, ngf: 16, ndf: 16, blocks: 3 }), epochs: 8, stepsPerEpoch: 100 },
} as const;

export type GanPreset = keyof typeof ganPresets;
export const ganPresetNames = Object.keys(ganPresets) as GanPreset[];
