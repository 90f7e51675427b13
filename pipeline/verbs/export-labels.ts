import { Option } from 'commander';
import { type ExportFormat, exportFormats, exportLabels } from '../label/export.ts';
import { answersFolder, openHistory } from '../label/history.ts';
import { wholeNumber } from '../options.ts';
import { progress } from '../progress.ts';
import type { Verb } from './index.ts';

interface Options {
  format: ExportFormat;
  out: string;
  links?: boolean;
  minVotes?: number;
  answers?: string;
}

export const exportLabelsVerb: Verb = (program) => {
  program
    .command('export-labels <dir>')
    .summary('write raters’ answers as CSV, JSON lines or Label Studio tasks, or the pictures as a folder per class')
    .addOption(new Option('--format <name>', 'what to write').choices(exportFormats).makeOptionMandatory())
    .requiredOption('--out <path>', 'the file to write, or for folders a new folder')
    .option('--links', 'folders: symbolic links to the pictures instead of copies')
    .option('--min-votes <n>', 'folders: votes a picture needs (default: one from every rater)', wholeNumber)
    .option('--answers <folder>', 'where the answers are kept (default: .kindergrad in the folder of the pictures)')
    .addHelpText(
      'after',
      '\nExamples:\n  kindergrad export-labels faces --format csv --out answers.csv\n  kindergrad export-labels faces --format folders --out faces-by-class',
    )
    .action(async (folder: string, options: Options) => {
      const { history } = await openHistory(options.answers ?? answersFolder(folder));
      const line = progress('placing');
      const count = await exportLabels(history, { ...options, folder, onProgress: line.update }).finally(line.finish);
      console.log(`${count} ${options.format === 'folders' ? 'pictures' : 'answers'} in ${options.out}`);
    });
};
