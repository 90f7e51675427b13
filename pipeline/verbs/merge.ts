import { plural } from '../plural.ts';
import { merge as mergeFolders } from '../prepare/merge.ts';
import { formatCounts } from '../prepare/report.ts';
import { compareOnCpu } from '../prepare/ssim.ts';
import type { Verb } from './index.ts';

export const merge: Verb = (program) => {
  program
    .command('merge <out> [folders...]')
    .summary('join what several machines prepared into one data set')
    .description(
      'Joins prepared folders into one, as if a single run had made it. Without folders: the shards that `prepare --shard` left in <out>, all of which must be finished.',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  kindergrad merge data/faces\n  kindergrad merge data/all data/phone data/camera',
    )
    .action(async (out: string, folders: string[]) => {
      const counts = await mergeFolders(out, folders, compareOnCpu);
      console.log(formatCounts(counts));
      console.log(`${plural(counts.faces, 'face')} from ${plural(counts.files, 'file')} in ${out}`);
    });
};
