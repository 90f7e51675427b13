import { Command, CommanderError } from 'commander';
import { KindergradError } from '../engine/errors.ts';
import { verbs } from './verbs/index.ts';
import { packageVersion } from './version.ts';

/** Runs one command line, e.g. `main(['train', 'so-dlse', '--data', 'faces'])`; returns the exit status. */
export async function main(argv: readonly string[]): Promise<number> {
  const program = new Command('kindergrad')
    .description('Train, evaluate and export facial-expression models on WebGPU.')
    .version(packageVersion(), '-V, --version', 'print the version')
    .showSuggestionAfterError()
    .showHelpAfterError('(add --help for the options)')
    .exitOverride();
  for (const verb of verbs) verb(program);
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode;
    if (error instanceof KindergradError && !process.env.DEBUG) {
      console.error(`${error.name}: ${error.message}`);
      return 1;
    }
    console.error(error);
    return 1;
  }
}
