import { existsSync } from 'node:fs';
import { Option } from 'commander';
import { cycleGanConfig } from '../../models/index.ts';
import { type GanPreset, ganPresetNames, ganPresets } from '../balance/config.ts';
import { interruptible } from '../interrupt.ts';
import { atLeastOne, nonNegativeNumber, portNumber, positiveNumber, upToOne, wholeNumber } from '../options.ts';
import type { Verb } from './index.ts';

interface Flags {
  to?: string;
  from?: string;
  out: string;
  preset: GanPreset;
  imageSize?: number;
  ngf?: number;
  blocks?: number;
  epochs?: number;
  stepsPerEpoch?: number;
  batch?: number;
  lr?: number;
  cycle?: number;
  identity?: number;
  seed: number;
  rematerialise?: boolean;
  checkpointMinutes: number;
  classifier?: string;
  detector?: 'tiny' | 'ssd';
  maxSimilarity: number;
  minTarget: number;
  surplus: number;
  review?: boolean;
  auto?: boolean;
  port: number;
}

const defined = <T extends object>(options: T): Partial<T> =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<T>;

export const balance: Verb = (program) => {
  program
    .command('balance <data>')
    .summary('even out the classes with pictures made by CycleGAN')
    .description(
      'Trains one CycleGAN per small class (from the largest class to it), makes pictures from real ones not used before, keeps the best, or those that you choose (--review), and adds them to the data set, marked as generated in its manifest. Interrupt it at will: the same command goes on.',
    )
    .option('--to <sizes>', 'sizes wanted, e.g. happy=4000,sad=4025 (default: level with the largest class)')
    .option('--from <class>', 'class that the others are made from (default: the largest)')
    .option('--out <folder>', 'where the CycleGAN runs and the report go', 'runs/balance')
    .addOption(
      new Option('--preset <name>', 'size and length of the training').choices(ganPresetNames).default('medium'),
    )
    .option('--image-size <n>', 'side of the pictures, a multiple of 4', wholeNumber)
    .option('--ngf <n>', "channels of the generator's first layer", wholeNumber)
    .option('--blocks <n>', 'residual blocks', wholeNumber)
    .option('--epochs <n>', 'epochs; the second half decays the learning rate to 0', wholeNumber)
    .option('--steps-per-epoch <n>', 'default: one pass over the larger class', wholeNumber)
    .option('--batch <n>', 'pictures per step', wholeNumber)
    .option('--lr <rate>', 'learning rate of Adam', positiveNumber)
    .option('--cycle <weight>', 'weight of the cycle loss (default: 10); less lets faces change more', positiveNumber)
    .option(
      '--identity <share>',
      'weight of the identity loss as a share of the cycle weight (default: 0.5); 0 leaves it out, which is faster and lets faces change more',
      nonNegativeNumber,
    )
    .option('--seed <n>', 'the same seed gives the same run', wholeNumber, 1)
    .option('--rematerialise', 'less memory, more time: residual blocks run again in the backward pass')
    .option('--checkpoint-minutes <n>', 'time between two checkpoints within an epoch', positiveNumber, 10)
    .option('--classifier <run>', 'drop pictures that this run (trained on real pictures only) takes for another class')
    .addOption(
      new Option('--detector <name>', 'drop pictures in which this face detector finds no face').choices([
        'tiny',
        'ssd',
      ]),
    )
    .option('--max-similarity <ssim>', 'drop pictures more like their source than this', upToOne, 0.95)
    .option('--min-target <p>', "least probability of the target class, by the --classifier's judgement", upToOne, 0.5)
    .option('--surplus <n>', 'candidates made for each picture wanted', atLeastOne, 1.5)
    .addOption(
      new Option('--auto', 'keep the best discriminator scores of what the checks let through (default)').conflicts(
        'review',
      ),
    )
    .option('--review', 'choose by hand instead, on a page in the browser: source and picture side by side')
    .option('--port <n>', 'port of that page; 0 takes any free one', portNumber, 4142)
    .addHelpText(
      'after',
      `
Examples:
  $ kindergrad balance faces
  $ kindergrad balance faces --to happy=4000,sad=4025 --preset paper --classifier runs/real-only
  $ kindergrad balance faces --review                  (you choose which pictures stay)
  $ kindergrad balance faces --preset smoke            (two processor cores)`,
    )
    .action(async (data: string, flags: Flags) => {
      const { openDevice } = await import('../../engine/node.ts');
      const { balance: run } = await import('../balance/balance.ts');
      const { findJudges } = await import('../balance/judges.ts');
      const preset = ganPresets[flags.preset];
      const { imageSize, ngf, blocks, batch, lr, cycle, identity, rematerialise } = flags;
      const device = await openDevice();
      console.log(`on ${device.name}`);
      if (device.info.software && flags.preset !== 'smoke' && flags.imageSize === undefined && !existsSync(flags.out)) {
        console.log(`  --preset ${flags.preset} takes days on a processor; --preset smoke is made for one`);
      }
      try {
        const state = await interruptible((signal) =>
          run(data, {
            ...defined({ to: flags.to, from: flags.from }),
            out: flags.out,
            run: {
              epochs: flags.epochs ?? preset.epochs,
              stepsPerEpoch: flags.stepsPerEpoch ?? preset.stepsPerEpoch,
              seed: flags.seed,
              checkpointMinutes: flags.checkpointMinutes,
              model: cycleGanConfig({
                ...preset.model,
                ...defined({ imageSize, ngf, ndf: ngf, blocks, batch, lr, lambda: cycle, identity, rematerialise }),
              }),
            },
            surplus: flags.surplus,
            checks: { maxSimilarity: flags.maxSimilarity, minTarget: flags.minTarget },
            review: flags.review ? { port: flags.port } : undefined,
            judges: (classes) => findJudges(classes, flags),
            signal,
            say: (line) => console.log(line),
          }),
        );
        if (state === 'interrupted') process.exitCode = 130;
      } finally {
        await device.close();
      }
    });
};
