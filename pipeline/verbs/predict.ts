import { Option } from 'commander';
import type { CheckpointName } from '../run/checkpoint.ts';
import type { Verb } from './index.ts';

export const predict: Verb = (program) => {
  program
    .command('predict <run> <file...>')
    .summary('name the expression in pictures')
    .description(
      'Prints a row per picture: the likeliest class and the probability of each. The pictures should be faces as in the training data; `kindergrad prepare` cuts faces out of photographs. Files that cannot be read get a row with the reason.',
    )
    .addOption(new Option('--checkpoint <name>', 'default: best where the run chose one').choices(['best', 'last']))
    .option('--json', 'one JSON object a line instead of text')
    .addHelpText('after', '\nExample:\n  kindergrad predict runs/faces new/*.jpg')
    .action(async (run: string, files: string[], flags: { checkpoint?: CheckpointName; json?: boolean }) => {
      const { openTrained, predictFiles } = await import('../evaluate/trained.ts');
      const trained = await openTrained(run, flags.checkpoint);
      const { classes } = trained.config;
      const rows = await predictFiles(trained, files);
      for (const row of rows) {
        if (flags.json) {
          const { probabilities, ...rest } = row;
          const named = probabilities && Object.fromEntries(classes.map((name, k) => [name, probabilities[k]]));
          console.log(JSON.stringify({ ...rest, probabilities: named }));
        } else if (row.probabilities) {
          const shares = classes.map((name, k) => `${name} ${(100 * (row.probabilities?.[k] ?? 0)).toFixed(1)} %`);
          console.log(`${row.file}: ${row.predicted}  (${shares.join(', ')})`);
        } else {
          console.log(`${row.file}: ${row.reason}`);
        }
      }
      trained.network.dispose();
      if (rows.every((row) => row.reason !== undefined)) process.exitCode = 1;
    });
};
