import { classifierNames, toClassifierName } from '../../models/index.ts';
import { parseModelOptions } from '../model-options.ts';
import { wholeNumber } from '../options.ts';
import { tuneModel } from '../tune.ts';
import { writeDefaults } from '../tune-defaults.ts';
import type { Verb } from './index.ts';

export const tune: Verb = (program) => {
  program
    .command('tune')
    .summary("measure which kernels suit this machine's adapter best")
    .description(
      'Runs one training step of a model and measures, for each of its products and convolutions, every kernel variant that is ' +
        'correct here. What wins by a margin is kept for this adapter and used from then on; TUNE=0 ignores it.',
    )
    .argument('[model]', classifierNames.join(', '), 'so-dlse')
    .option('--batch <n>', 'pictures in the step: tune with the batch you train with', wholeNumber, 32)
    .option('--set <name=value...>', 'model options, as in train', [])
    .option('--retune', 'measure again what is known already')
    .option(
      '--write-defaults',
      'measure what the committed table for software Vulkan covers, and write it (for contributors)',
    )
    .option('--confirm-defaults', 'the same, keeping of the committed table only what this machine finds faster too')
    .addHelpText('after', '\nExample:\n  kindergrad tune so-dlse --batch 32 --set width=0.25 imageSize=48')
    .action(
      async (
        model: string,
        options: { batch: number; set: string[]; retune?: boolean; writeDefaults?: boolean; confirmDefaults?: boolean },
      ) => {
        const confirm = options.confirmDefaults ?? false;
        if (options.writeDefaults || confirm) {
          const count = await writeDefaults({ retune: options.retune ?? false, confirm }, (title) =>
            console.log(`measuring ${title}`),
          );
          console.log(`${count} choices that beat the untuned ones are in engine/runtime/tuning-lanes.json.`);
          return;
        }
        const { device, measured, before, after } = await tuneModel(toClassifierName(model), {
          batch: options.batch,
          modelOptions: parseModelOptions(options.set),
          retune: options.retune ?? false,
        });
        console.log(device.name);
        for (const line of measured) console.log(`  ${line}`);
        console.log(measured.length > 0 ? `${measured.length} shapes measured.` : 'Nothing new to measure.');
        console.log(
          `A step of ${model} takes ${after.toFixed(3)} s with what was measured, ${before.toFixed(3)} s without.`,
        );
        await device.close();
      },
    );
};
