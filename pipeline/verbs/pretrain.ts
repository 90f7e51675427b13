import { Option } from 'commander';
import { vgg16Pools } from '../../models/index.ts';
import { interruptible } from '../interrupt.ts';
import { parseModelOptions } from '../model-options.ts';
import { positiveNumber, wholeNumber } from '../options.ts';
import { checkpointPath } from '../run/checkpoint.ts';
import type { Verb } from './index.ts';

interface Flags {
  data: string;
  init?: string;
  freezeUpTo: string;
  preset?: 'smoke' | 'paper';
  epochs?: number;
  batchSize?: number;
  lr: number;
  seed?: number;
  seenInTest?: boolean;
  set: string[];
  out?: string;
}

export const pretrain: Verb = (program) => {
  program
    .command('pretrain')
    .summary('train VGG16 on expressions, as the extractor of vfeso-dlse')
    .description(
      'Trains VGG16 by itself on a folder per class, from ImageNet weights or from scratch. Its convolutions are then the frozen extractor of vfeso-dlse.',
    )
    .argument('<network>', 'vgg16')
    .requiredOption('--data <folder>', 'data set: one folder of pictures per class')
    .option('--init <file>', 'start from VGG16 weights (.safetensors or .pth, keys of torchvision or timm)')
    .addOption(
      new Option('--freeze-up-to <pool>', 'leave the weights up to this pool as they are')
        .choices(['none', ...vgg16Pools])
        .default('none'),
    )
    .addOption(
      new Option('--preset <name>', 'smoke: minutes on two CPU cores; paper: full size').choices(['smoke', 'paper']),
    )
    .option('--epochs <n>', 'passes over the training pictures', wholeNumber)
    .option('--batch-size <n>', 'pictures per step', wholeNumber)
    .option('--lr <rate>', 'learning rate of the first step; it falls to a tenth', positiveNumber, 0.0003)
    .option('--seed <n>', 'seed of weights, split, order and augmentation', wholeNumber)
    .option('--seen-in-test', 'let subjects into the test that the --init weights have seen; the report says so')
    .option('--set <name=value...>', 'model options, e.g. width=0.25 imageSize=64 (docs/models.md)', [])
    .option('--out <folder>', 'run folder (default: runs/vgg16-TIME)')
    .addHelpText(
      'after',
      `
Examples:
  kindergrad pretrain vgg16 --data fer --init vgg16-397923af.pth --freeze-up-to pool3 --set width=1 imageSize=224 --out runs/vgg16
  kindergrad train vfeso-dlse --data babies --weights runs/vgg16/checkpoints/best.safetensors --set width=1 imageSize=224`,
    )
    .action(async (network: string, flags: Flags) => {
      if (network !== 'vgg16') program.error(`error: pretrain knows vgg16, not ${network}`);
      const { init, set, out, freezeUpTo, lr, ...rest } = flags;
      const { beginRun } = await import('../train/session.ts');
      const outcome = await interruptible((signal) =>
        beginRun(
          {
            ...rest,
            model: 'vgg16',
            ...(init !== undefined && { weights: init }),
            lr,
            lrEnd: lr / 10,
            adamEps: 1e-8,
            adamForm: 'pytorch',
            weightDecay: 0.0005,
            modelOptions: { ...parseModelOptions(set), freezeUpTo },
          },
          out,
          { signal, say: (line) => console.log(line) },
        ),
      );
      if (outcome.state === 'interrupted') process.exitCode = 130;
      else {
        const { describeTrained } = await import('../evaluate/trained.ts');
        const { checkpoint } = await describeTrained(outcome.run);
        console.log(
          `extractor: npx kindergrad train vfeso-dlse --weights ${checkpointPath(outcome.run, checkpoint)} …`,
        );
      }
    });
};
