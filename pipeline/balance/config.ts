import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { ConfigError } from '../../engine/index.ts';
import { cycleGanConfig } from '../../models/index.ts';
import { complaint } from '../complaint.ts';
import { readRunConfig } from '../run/folder.ts';

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

/**
 * The options of the run at `path`: those it was begun with, or the ones asked for where nothing was begun.
 * @throws ConfigError when an option is out of range, or it is a run between other classes, or on another data set.
 */
export async function ganConfigOf(path: string, asked: GanRunConfig): Promise<GanRunConfig> {
  const file = join(path, 'config.json');
  if (!existsSync(file)) {
    // What is written must be readable again: else one wrong option would bar the folder to every later call.
    const result = ganRunSchema.safeParse(asked);
    if (result.success) return asked;
    throw new ConfigError(`${complaint(result.error, asked, 'options')}.`, {
      remedy: 'See --help for what the options mean.',
    });
  }
  const config = await readRunConfig(path, ganRunSchema);
  if (config.from !== asked.from || config.to !== asked.to) {
    throw new ConfigError(`${path} holds a run from ${config.from} to ${config.to}.`, {
      remedy: 'Give another folder with --out.',
    });
  }
  if (config.data !== asked.data && resolve(config.data) !== resolve(asked.data)) {
    throw new ConfigError(`${path} was trained on ${config.data}, not on ${asked.data}.`, {
      remedy: `Give another folder with --out; if the data set was only moved, write its new place into ${file}.`,
    });
  }
  return config;
}

/** Which options asked for a run that was begun with others does not take, in words: `epochs 2, not 7`. */
export function ignoredOptions(asked: GanRunConfig, begun: GanRunConfig): string {
  const flat = ({ model, data: _, checkpointMinutes: __, ...rest }: GanRunConfig) =>
    Object.entries({ ...rest, ...model });
  const own = new Map<string, unknown>(flat(begun));
  return flat(asked)
    .flatMap(([name, value]) => (own.get(name) === value ? [] : `${name} ${own.get(name)}, not ${value}`))
    .join('; ');
}
