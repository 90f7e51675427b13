// npm start: the whole road once, with the commands that a user would type.
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { say } from './terminal.mjs';

const data = join('data', 'drawn');

/**
 * Draws the embedded data set unless it is there, and trains on it.
 * @param {string} root the checkout
 * @param {(args: string[]) => Promise<number>} kindergrad runs the command line, to its exit status
 * @param {readonly string[]} more options for the training
 */
export async function start(root, kindergrad, more) {
  const command = (/** @type {string[]} */ ...args) => {
    say(`$ npx kindergrad ${args.join(' ')}`);
    return kindergrad(args);
  };
  if (!existsSync(join(root, data, 'manifest.jsonl'))) {
    // A drawing that was interrupted has pictures but no manifest yet.
    for (const name of ['happy', 'normal', 'sad']) rmSync(join(root, data, name), { recursive: true, force: true });
    const status = await command('synth', data);
    if (status !== 0) return status;
    say('');
  }
  return command('train', 'so-dlse', '--data', data, '--preset', 'smoke', ...more);
}
