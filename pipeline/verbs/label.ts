import { relative } from 'node:path';
import { ConfigError } from '../../engine/errors.ts';
import { answersFolder } from '../label/history.ts';
import { describeLeftOut, listPictures } from '../label/pictures.ts';
import { isOwnMachine, serveLabels } from '../label/server.ts';
import { LabelStore } from '../label/store.ts';
import { portNumber, share, wholeNumber } from '../options.ts';
import { plural } from '../plural.ts';
import { Refusal } from '../studio/refusal.ts';
import type { Verb } from './index.ts';

interface Options {
  host: string;
  port: number;
  raters?: string[];
  classes?: string[];
  repeat?: number;
  seed?: number;
  answers?: string;
  newTokens?: boolean;
}

/** Names separated by commas; one too many leaves no empty name. */
export const names = (text: string) =>
  text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');

export const label: Verb = (program) => {
  program
    .command('label <dir>')
    .summary('label the pictures of a folder in the browser, with any number of raters')
    .description(
      'Serves a page on which raters label the pictures of a folder, one by one, each in an order of their own and blind to the others. Every answer is on the disk before the page moves on; aggregate turns them into labels.',
    )
    .option(
      '--host <address>',
      'address to serve at; anything but this machine gives every rater a link of their own',
      '127.0.0.1',
    )
    .option('--port <n>', 'port to serve at; 0 takes any free one', portNumber, 4141)
    .option('--raters <names>', 'raters, separated by commas', names)
    .option(
      '--classes <names>',
      'classes, separated by commas; "error" is added by itself (default: happy,sad,normal)',
      names,
    )
    .option('--repeat <share>', 'share of the pictures shown twice, to measure how steady each rater is', share)
    .option('--seed <n>', 'seed of the orders in which pictures are shown', wholeNumber)
    .option('--answers <folder>', 'where the answers are kept (default: .kindergrad in the folder of the pictures)')
    .option('--new-tokens', 'make all links given out before worthless')
    .addHelpText(
      'after',
      '\nExamples:\n  kindergrad label faces --repeat 0.05\n  kindergrad label faces --host 0.0.0.0 --raters ann,ben,carla',
    )
    .action(serve);
};

async function serve(folder: string, options: Options): Promise<void> {
  const answers = options.answers ?? answersFolder(folder);
  const listing = await listPictures(folder);
  const store = new LabelStore(answers, listing.paths, options);
  try {
    addRaters(store, options.raters ?? []);
    if (!isOwnMachine(options.host) && store.raters.length === 0) {
      throw new ConfigError('--host lets others in, and every rater then needs a link of their own.', {
        remedy: 'Name them, for example --raters ann,ben,carla.',
      });
    }
    const { host, port } = options;
    const server = await serveLabels({ folder, answers, store, host, port, print: (line) => console.error(line) });
    console.log(
      `${plural(listing.paths.length, 'picture')} in ${folder}, ${plural(store.raters.length, 'rater')} so far.${describeLeftOut(listing)}`,
    );
    if (server.raterLinks.length === 0) console.log(`  Label    ${server.url}`);
    for (const { name, url } of server.raterLinks) console.log(`  ${name.padEnd(8)} ${url}`);
    console.log(`  Results  ${server.resultsUrl}\n           (for whoever runs the study; raters should not see it)`);
    console.log(`Answers are kept in ${relative('', answers) || answers}. Ctrl-C stops; nothing is lost.`);
    await new Promise<void>((resolve) => {
      process.once('SIGINT', resolve);
      process.once('SIGTERM', resolve);
    });
    await server.close();
  } finally {
    store.close();
  }
}

function addRaters(store: LabelStore, raters: readonly string[]): void {
  for (const name of raters) {
    try {
      store.addRater(name);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      throw new ConfigError(`--raters: "${name}" is not taken.`, { remedy: error.message, cause: error });
    }
  }
}
