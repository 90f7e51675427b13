import { applyAggregation } from '../label/apply.ts';
import { answersFolder } from '../label/history.ts';
import { decimal, interval, percent } from '../label/report.ts';
import type { Estimate, Summary } from '../label/summary.ts';
import { wholeNumber } from '../options.ts';
import { plural } from '../plural.ts';
import { progress } from '../progress.ts';
import type { Verb } from './index.ts';
import { names } from './label.ts';

interface Options {
  answers?: string;
  out?: string;
  minVotes?: number;
  exclude?: string[];
  bootstrap: number;
  seed: number;
  secondRound: boolean;
}

export const aggregate: Verb = (program) => {
  program
    .command('aggregate <dir>')
    .summary('turn raters’ answers into labels, soft targets and agreement statistics')
    .description(
      'Counts the answers given on the labelling page: writes the label distribution and the majority label of every picture into manifest.jsonl, opens the second round for tied pictures, and writes a report on how far the raters agree. May run while the page is served.',
    )
    .option(
      '--min-votes <n>',
      'votes a picture needs (default: one from every rater who has answered anything)',
      wholeNumber,
    )
    .option('--exclude <names>', 'raters whose answers are left out, separated by commas', names)
    .option('--bootstrap <n>', 'resamples for the intervals', wholeNumber, 1000)
    .option('--seed <n>', 'seed of the resamples', wholeNumber, 0)
    .option('--no-second-round', 'do not ask raters again about tied pictures')
    .option('--answers <folder>', 'where the answers are kept (default: .kindergrad in the folder of the pictures)')
    .option('--out <folder>', 'where to write (default: the folder of the pictures)')
    .addHelpText(
      'after',
      '\nExample:\n  kindergrad aggregate faces && kindergrad train so-dlse --data faces --targets soft',
    )
    .action(async (folder: string, options: Options) => {
      const line = progress('resampling');
      const { summary, opened, files } = await applyAggregation({
        ...options,
        folder,
        answers: options.answers ?? answersFolder(folder),
        out: options.out ?? folder,
        replicates: options.bootstrap,
        onProgress: (done) => line.update(Math.round(done * options.bootstrap), options.bootstrap),
      }).finally(line.finish);
      print(summary, opened);
      console.log(`Written: ${files.manifest}, ${files.report}, ${files.json}`);
    });
};

function print(summary: Summary, opened: number): void {
  const { status, classes, agreement, raters, minVotes, pictures } = summary;
  const rows: [string, number, string?][] = [
    ...classes.map(({ label, count }): [string, number] => [label, count]),
    ['error', status.error, 'dropped'],
    ['still tied', status.tied, 'tied over both rounds together: no majority label, votes kept'],
    [
      'second round',
      status['second round'],
      opened > 0 ? `tied; ${opened} newly asked a second time` : 'tied; waiting for second votes',
    ],
    ['incomplete', status.incomplete, `fewer than ${plural(minVotes, 'vote')}; see --min-votes and --exclude`],
  ];
  console.log(`${plural(pictures.length, 'picture')}, ${plural(raters.length, 'rater')}`);
  for (const [name, count, note] of rows) {
    if (count > 0 || note === undefined)
      console.log(`  ${name.padEnd(14)}${String(count).padStart(6)}  ${note ?? ''}`.trimEnd());
  }
  const estimate = (name: string, e: Estimate, format: (value: number) => string) =>
    console.log(`  ${name.padEnd(24)}${format(e.value).padStart(8)}  ${interval(e, format)}`.trimEnd());
  console.log(`Agreement in the first round, with 95 % intervals`);
  estimate('of two raters', agreement.percent, percent);
  estimate('Fleiss’ κ', agreement.fleiss, decimal);
  estimate('Krippendorff’s α', agreement.alpha, decimal);
}
