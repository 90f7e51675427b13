import { answersFolder } from '../label/history.ts';
import { importAnswers, readAnswers } from '../label/import.ts';
import { listPictures } from '../label/pictures.ts';
import { LabelStore } from '../label/store.ts';
import { plural } from '../plural.ts';
import type { Verb } from './index.ts';

export const importLabels: Verb = (program) => {
  program
    .command('import-labels <dir> <file>')
    .summary('add answers from CSV, JSON lines or a Label Studio export')
    .description(
      'Adds the answers in a file to those of a folder of pictures: .csv or .jsonl with the columns path, rater, label (and, if there, round, repeat, at, elapsed), or .json as Label Studio exports it. All rows are added or none; the same file twice adds nothing.',
    )
    .option('--answers <folder>', 'where the answers are kept (default: .kindergrad in the folder of the pictures)')
    .addHelpText('after', '\nExample:\n  kindergrad import-labels faces project-1.json')
    .action(async (folder: string, file: string, options: { answers?: string }) => {
      const rows = await readAnswers(file);
      const { paths } = await listPictures(folder);
      const store = new LabelStore(options.answers ?? answersFolder(folder), paths);
      try {
        const { added, known, answered } = importAnswers(store, rows);
        const notes = [
          known > 0 ? `${known} ${known === 1 ? 'was' : 'were'} imported before` : '',
          answered > 0 ? `${answered} left out because that rater answered here already` : '',
        ].filter(Boolean);
        console.log(`${plural(added, 'answer')} added${notes.length > 0 ? `; ${notes.join('; ')}` : ''}`);
      } finally {
        store.close();
      }
    });
};
