import { join } from 'node:path';
import { wholeNumber } from '../options.ts';
import { progress } from '../progress.ts';
import { synthesise } from '../synth/synthesise.ts';
import type { Verb } from './index.ts';

export const synth: Verb = (program) => {
  program
    .command('synth <out>')
    .summary('draw the embedded data set: baby-like faces, three expressions')
    .description(
      'Draws baby-like faces into a new folder: happy, sad and normal in the class imbalance of the paper, several pictures per subject, with a manifest and a contact sheet.',
    )
    .option('--count <n>', 'pictures in all', wholeNumber, 1200)
    .option('--per-subject <n>', 'pictures of each subject', wholeNumber, 8)
    .option('--seed <n>', 'the same seed draws the same pictures', wholeNumber, 1)
    .addHelpText('after', '\nExample:\n  kindergrad synth data/drawn --count 1520')
    .action(async (out: string, options: { count: number; perSubject: number; seed: number }) => {
      const line = progress('drawing');
      const counts = await synthesise(out, { ...options, onProgress: line.update }).finally(line.finish);
      const list = Object.entries(counts).map(([name, n]) => `${n} ${name}`);
      console.log(`${list.join(', ')} in ${out}; look at ${join(out, 'contact-sheet.png')}`);
    });
};
