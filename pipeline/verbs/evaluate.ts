import { Option } from 'commander';
import { stringify } from 'csv-stringify/sync';
import { ConfigError } from '../../engine/index.ts';
import { type Evaluation, formatEvaluation } from '../evaluate/evaluation.ts';
import { writeFileAtomic } from '../files.ts';
import type { CheckpointName } from '../run/checkpoint.ts';
import type { Verb } from './index.ts';

interface Flags {
  data: string;
  checkpoint?: CheckpointName;
  map: string[];
  all?: boolean;
  csv?: string;
}

export const evaluate: Verb = (program) => {
  program
    .command('evaluate <run>')
    .summary('measure a trained run on a data set')
    .description(
      'Prints recall, precision and F1 of each class, the total accuracy and the confusion matrix, for all pictures and, where there are both, for real and generated ones apart. On the data set of the run itself, also where it was moved or copied to, only its held-out pictures count. On another one, what shows subjects that the network has seen is counted and said.',
    )
    .requiredOption('--data <folder>', 'data set: one folder of pictures per class')
    .addOption(new Option('--checkpoint <name>', 'default: best where the run chose one').choices(['best', 'last']))
    .option(
      '--map <class=class...>',
      'classes of the data set that have another name in the run, e.g. neutral=normal',
      [],
    )
    .option('--all', 'test every picture of the folder, also those that the run was trained on')
    .option('--csv <file>', 'write every prediction to a CSV file')
    .addHelpText(
      'after',
      `
Examples:
  kindergrad evaluate runs/faces --data faces
  kindergrad evaluate runs/adults --data babies --map neutral=normal`,
    )
    .action(async (run: string, flags: Flags) => {
      const rename = new Map(flags.map.map(parsePair));
      const { evaluateRun, openTrained } = await import('../evaluate/trained.ts');
      const trained = await openTrained(run, flags.checkpoint);
      const { classes, model } = trained.config;
      const options = { rename, all: flags.all === true, say: (line: string) => console.log(line) };
      const evaluation = await evaluateRun(run, trained, flags.data, options);
      console.log(formatEvaluation(`${model}, ${trained.checkpoint}`, classes, evaluation));
      if (flags.csv) await writeFileAtomic(flags.csv, toCsv(classes, evaluation));
      trained.network.dispose();
    });
};

function parsePair(text: string): [string, string] {
  const [from, to, ...rest] = text.split('=');
  if (from && to && rest.length === 0) return [from, to];
  throw new ConfigError(`--map ${text} is not class=class.`, { remedy: 'For example: --map neutral=normal' });
}

/** A row per picture; where some show known subjects, a column says of each whether it does. */
function toCsv(classes: readonly string[], { predictions, known }: Evaluation): string {
  const rows = predictions.map(({ picture, predicted, probabilities }) => ({
    path: picture.name,
    subject: picture.subject,
    label: classes[picture.label],
    predicted: classes[predicted],
    ...Object.fromEntries(classes.map((name, k) => [`p_${name}`, probabilities[k].toFixed(6)])),
    ...(known && { known: known.has(picture.name) ? 'yes' : 'no' }),
  }));
  return stringify(rows, { header: true });
}
