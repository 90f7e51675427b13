import { type Command, Option } from 'commander';
import { ConfigError } from '../../engine/index.ts';
import { classifierNames } from '../../models/index.ts';
import { interruptible } from '../interrupt.ts';
import { parseModelOptions } from '../model-options.ts';
import { positiveNumber, share, shareOrNothing, wholeNumber } from '../options.ts';
import type { TrainConfig, TrainOptions } from '../train/config.ts';
import type { Outcome } from '../train/session.ts';
import type { Verb } from './index.ts';

type Flags = Omit<TrainOptions, 'model' | 'modelOptions' | 'loss' | 'augment'> & {
  resume?: string;
  out?: string;
  set?: string[];
  loss?: string[];
  augment?: string[];
  dryRun?: boolean;
};

export const train: Verb = (program) => {
  const command = program
    .command('train')
    .summary('train a classifier on a folder of pictures per class')
    .description(
      'Trains a classifier on a folder per class and tests it on subjects it has never seen (docs/data.md, docs/runs.md).',
    )
    .argument('[model]', classifierNames.join(', '));
  dataOptions(command);
  trainingOptions(command);
  command
    .option('--out <folder>', 'run folder (default: runs/MODEL-TIME)')
    .option('--resume <run>', 'go on with a run, with its own options')
    .option('--overfit-one-batch', 'train on one batch over and over: shows whether the network can learn at all')
    .option('--dry-run', 'read the data, do one step and one prediction, write nothing')
    .addHelpText(
      'after',
      `
Examples:
  kindergrad synth data/drawn && kindergrad train so-dlse --data data/drawn
  kindergrad train so-dlse --data faces --preset paper --out runs/faces
  kindergrad train --resume runs/faces
  kindergrad train baseline --data faces --set width=0.5 imageSize=64 --epochs 40 --loss lambda=0.02`,
    )
    .action(run);
};

function dataOptions(command: Command): void {
  command
    .option('--data <folder>', 'data set: one folder of pictures per class')
    .addOption(new Option('--targets <kind>', 'what to learn where raters voted').choices(['majority', 'soft']))
    .option('--test-share <share>', 'share of the pictures held out for the test (default: 0.2)', share)
    .option(
      '--val-share <share>',
      'share held out to choose the best checkpoint, 0 for none (smoke 0.1, paper 0)',
      shareOrNothing,
    )
    .option('--generated-in-test', 'let generated pictures into the test, as in the paper')
    .option('--seen-in-test', 'let subjects into the test that the --weights have seen; the report says so');
}

function trainingOptions(command: Command): void {
  command
    .addOption(
      new Option('--preset <name>', 'smoke: minutes on two CPU cores; paper: 700 epochs at full size').choices([
        'smoke',
        'paper',
      ]),
    )
    .option('--epochs <n>', 'passes over the training pictures (smoke 18, paper 700)', wholeNumber)
    .option('--batch-size <n>', 'pictures per step (smoke 32, paper 128)', wholeNumber)
    .option(
      '--micro-batch <n>',
      'pictures per pass, whose gradients are added up; a divisor of the batch size',
      wholeNumber,
    )
    .option('--lr <rate>', 'learning rate of the first step (0.005)', positiveNumber)
    .option('--lr-end <rate>', 'learning rate of the last step (smoke 0.0002, paper 0.0001)', positiveNumber)
    .addOption(new Option('--schedule <name>', 'how it gets there').choices(['linear', 'covpoolfer-steps']))
    .option(
      '--weight-decay <factor>',
      'L2 on the weights of convolutions and FC layers (smoke 0.0005, paper 0.05)',
      Number,
    )
    .option('--adam-eps <eps>', "Adam's epsilon (smoke 1e-8, paper 0.1)", positiveNumber)
    .addOption(new Option('--adam-form <form>', "where Adam's epsilon stands").choices(['tensorflow', 'pytorch']))
    .option('--weights <file>', 'start from the weights in a .safetensors or .pth file')
    .option('--cache <folder>', "compute a frozen extractor's features once and keep them there (vfeso-dlse)")
    .option('--cache-draws <n>', 'augmentation draws of each training picture in the cache', wholeNumber)
    .addOption(new Option('--cache-dtype <type>', 'how the cache stores them').choices(['f16', 'f32']))
    .option('--set <name=value...>', 'model options, e.g. width=0.25 (docs/models.md)')
    .option('--loss <name=value...>', 'loss options, e.g. lambda=0.01 lambda1=10 (docs/models.md)')
    .option('--augment <name=value...>', 'flip=true, rotation=10 (degrees), margin=1.14 (room for the crop)')
    .option('--seed <n>', 'seed of weights, split, order and augmentation (default: 1)', wholeNumber)
    .option('--checkpoint-minutes <n>', 'minutes between checkpoints within an epoch', positiveNumber);
}

async function run(model: string | undefined, flags: Flags): Promise<void> {
  const { resume, out, set = [], loss = [], augment = [], dryRun: dry, ...rest } = flags;
  const { beginRun, dryRun, resumeRun } = await import('../train/session.ts');
  const say = (line: string) => console.log(line);
  const { state } = await interruptible(async (signal): Promise<Pick<Outcome, 'state'>> => {
    if (resume !== undefined) {
      const extra = [model ?? [], out ?? [], dry ?? [], ...set, ...loss, ...augment, ...Object.keys(rest)].flat();
      if (extra.length > 0) {
        throw new ConfigError('--resume takes all options from the run itself.', {
          remedy: `Leave out the others: npx kindergrad train --resume ${resume}`,
        });
      }
      return resumeRun(resume, { signal, say });
    }
    if (model === undefined || rest.data === undefined) {
      throw new ConfigError('A model and --data are needed.', {
        remedy: 'For example: npx kindergrad train so-dlse --data faces (or --resume RUN).',
      });
    }
    const options = {
      ...rest,
      model,
      data: rest.data,
      modelOptions: parseModelOptions(set),
      loss: parseModelOptions(loss) as Partial<TrainConfig['loss']>,
      augment: parseModelOptions(augment) as Partial<TrainConfig['augment']>,
    };
    if (!dry) return beginRun(options, out, { signal, say });
    return { state: await dryRun(options, { signal, say }) };
  });
  if (state === 'interrupted') process.exitCode = 130;
}
