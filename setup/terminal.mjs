// What set-up says while it works: a title, a clock that moves, the outcome. Node built-ins only.
import { spawn } from 'node:child_process';
import { untranslated } from './system.mjs';

/** A reason why set-up cannot go on, and what the user can do about it. */
export class SetupError extends Error {
  /**
   * @param {string} message what failed
   * @param {string} remedy one sentence: what to do
   * @param {string} [details] the last lines of the command that failed
   */
  constructor(message, remedy, details = '') {
    super(message);
    this.remedy = remedy;
    this.details = details;
  }
}

/** @param {string} line */
export function say(line) {
  process.stderr.write(`${line}\n`);
}

/**
 * Runs a command under a title with a moving clock; its output is kept and shown only when it fails.
 * @param {string} title what the command does, in the user's words
 * @param {readonly string[]} command the program and its arguments
 * @param {string} remedy what to do when it fails
 * @param {string} [folder] where it runs
 * @returns {Promise<string>} what the command wrote
 */
export async function step(title, command, remedy, folder) {
  const [program = '', ...args] = command;
  const stop = clock(title);
  const { status, output } = await run(program, args, folder);
  stop(status === 0);
  if (status === 0) return output;
  throw new SetupError(`\`${command.join(' ')}\` failed (exit ${status}).`, remedy, lastLines(output, 15));
}

/**
 * @param {string} program
 * @param {readonly string[]} args
 * @param {string} [folder]
 * @returns {Promise<{ status: number | string, output: string }>}
 */
function run(program, args, folder) {
  return new Promise((resolve) => {
    let output = '';
    const child = spawn(program, args, {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...untranslated, DEBIAN_FRONTEND: 'noninteractive' },
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => {
        output += chunk;
      });
    }
    child.on('error', (error) => resolve({ status: error.message, output }));
    child.on('close', (code, signal) => resolve({ status: code ?? signal ?? 1, output }));
  });
}

/**
 * On a terminal one line counts the seconds; in a log a line every 15 s shows that work goes on.
 * @param {string} title
 * @returns {(ok: boolean) => void} ends the clock
 */
function clock(title) {
  const start = Date.now();
  const seconds = () => `${Math.round((Date.now() - start) / 1000)} s`;
  const terminal = process.stderr.isTTY;
  const show = () =>
    process.stderr.write(terminal ? `\r\x1b[K  … ${title}, ${seconds()}` : `  … ${title}, ${seconds()}\n`);
  if (terminal) show();
  else say(`  … ${title}`);
  const timer = setInterval(show, terminal ? 1000 : 15_000);
  return (ok) => {
    clearInterval(timer);
    process.stderr.write(`${terminal ? '\r\x1b[K' : ''}  ${ok ? '✓' : '✗'} ${title}, ${seconds()}\n`);
  };
}

/**
 * The end of what a program said, without the stack traces of npm.
 * @param {string} text @param {number} count
 */
function lastLines(text, count) {
  const lines = text.split('\n').filter((line) => line.trim() && !/^(npm error)?\s+at /.test(line));
  return lines.slice(-count).join('\n');
}
