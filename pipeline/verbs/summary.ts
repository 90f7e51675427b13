import { classifierNames, classifierPlan, extractorPlan, toClassifierName } from '../../models/index.ts';
import { modelConfig } from '../model-options.ts';
import { formatSummary } from '../summary.ts';
import type { Verb } from './index.ts';

/** The tables of a model: for VFESO-DLSE the extractor's and then its own. */
export function modelSummary(name: string, pairs: readonly string[]): string {
  const known = toClassifierName(name);
  const config = modelConfig(known, pairs);
  const extractor = extractorPlan(known, config);
  const tables = extractor ? [formatSummary('extractor: vgg16 up to pool4, frozen by default', extractor)] : [];
  return [...tables, formatSummary(name, classifierPlan(known, config))].join('\n\n');
}

export const summary: Verb = (program) => {
  program
    .command('summary')
    .summary("print a model's layers, shapes, parameters and operations")
    .description("Prints a model's layers with output shapes, parameters and floating-point operations per picture.")
    .argument('<model>', classifierNames.join(', '))
    .option(
      '--set <name=value...>',
      'model options, e.g. --set width=0.25 imageSize=48 (docs/models.md lists them)',
      [],
    )
    .addHelpText(
      'after',
      `
Examples:
  $ kindergrad summary so-dlse
  $ kindergrad summary vfeso-dlse --set tailChannels=[128,256,256]`,
    )
    .action((model: string, options: { set: string[] }) => {
      console.log(modelSummary(model, options.set));
    });
};
