#!/usr/bin/env node
// npm start, npm test, npm run bench: first make sure that this machine has what the task needs, then run it.
// Works before anything is installed, so Node built-ins only.
import { spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { canInstall, installSoftwareVulkan } from './apt.mjs';
import { ensureChromium } from './chromium.mjs';
import { ensureFfmpeg } from './ffmpeg.mjs';
import { ensureFonts } from './fonts.mjs';
import { installPackages, packagesMissing } from './packages.mjs';
import { start } from './start.mjs';
import { SetupError, say } from './terminal.mjs';
import { adapterRemedy, ensureAdapter } from './vulkan.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const kindergrad = join(root, 'bin', 'kindergrad.mjs');
const bench = join(root, 'bench', 'run.ts');
const vitest = [join(root, 'node_modules', 'vitest', 'vitest.mjs'), 'run'];

/**
 * What each task needs and what it does after set-up, to its exit status.
 * @typedef {'packages' | 'adapter' | 'driver' | 'fonts' | 'ffmpeg' | 'chromium'} Need
 * @type {Record<string, { needs: Need[], run?: (more: readonly string[]) => Promise<number> }>}
 */
const tasks = {
  setup: { needs: ['packages', 'adapter', 'fonts', 'ffmpeg', 'chromium'] },
  driver: { needs: ['driver'] },
  start: {
    needs: ['packages', 'adapter', 'fonts'],
    run: (more) => start(root, (args) => node([kindergrad, ...args]), more),
  },
  test: { needs: ['packages', 'adapter', 'fonts', 'ffmpeg', 'chromium'], run: (more) => node([...vitest, ...more]) },
  'test:full': {
    needs: ['packages', 'adapter', 'fonts', 'ffmpeg', 'chromium'],
    run: (more) => node([...vitest, ...more], { TEST_FULL: '1' }),
  },
  bench: { needs: ['packages', 'adapter'], run: (more) => node(['--import', 'tsx', bench, ...more]) },
};

/** @type {Record<Need, string>} */
const plan = {
  packages: 'the npm packages, into node_modules',
  adapter: 'a WebGPU adapter; without one, on Debian or Ubuntu as root, a software Vulkan driver through apt',
  driver: "Mesa's software Vulkan driver, through apt",
  fonts: 'a font for the words in pictures, the same way',
  ffmpeg: 'ffmpeg, for the tests on videos, the same way',
  chromium: 'Chromium, for the tests of the pages, the same way',
};

process.exitCode = await main(process.argv[2] ?? '', process.argv.slice(3));

/** @param {string} name @param {readonly string[]} more arguments for the task's program */
async function main(name, more) {
  const task = tasks[name];
  if (!task) {
    say(`usage: node setup/run.mjs ${Object.keys(tasks).join(' | ')}`);
    return 2;
  }
  process.env.XDG_RUNTIME_DIR ??= tmpdir(); // else Mesa complains on standard error
  try {
    checkNode();
    if (process.env.KINDERGRAD_SETUP !== 'off') await setUp(task.needs);
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    if (error.details) say(`\n${error.details}\n`);
    say(`Set-up stopped: ${error.message}\n  → ${error.remedy}`);
    return 1;
  }
  return task.run ? task.run(more) : 0;
}

/** @param {readonly Need[]} needs */
async function setUp(needs) {
  let announced = false;
  const announce = () => {
    if (announced) return;
    announced = true;
    say('kindergrad prepares this machine, once (KINDERGRAD_SETUP=off skips this):');
    for (const need of needs) say(`  · ${plan[need]}`);
  };
  if (needs.includes('packages')) {
    const reason = packagesMissing(root);
    if (reason) {
      announce();
      say(`  (${reason})`);
      await installPackages(root);
    }
  }
  if (needs.includes('driver')) await installDriver();
  if (needs.includes('adapter')) await ensureAdapter(root, announce);
  if (needs.includes('fonts')) await ensureFonts(announce);
  if (needs.includes('ffmpeg')) await ensureFfmpeg(announce);
  if (needs.includes('chromium')) await ensureChromium(announce);
  if (announced) say('Ready.\n');
}

/** For users who run everything else without root: `sudo node setup/run.mjs driver`. */
async function installDriver() {
  if (!canInstall()) throw new SetupError('Installing the driver takes root and apt.', adapterRemedy());
  await installSoftwareVulkan();
}

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  throw new SetupError(`This is Node ${process.versions.node}.`, 'Install Node 20.19 or newer.');
}

/**
 * Runs Node in the checkout's root, on this terminal.
 * @param {readonly string[]} args a program and its arguments
 * @param {Record<string, string>} [env]
 * @returns {Promise<number>} the exit status
 */
function node(args, env) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { stdio: 'inherit', cwd: root, env: { ...process.env, ...env } });
    // Ctrl-C reaches the child from the terminal; it saves its work and ends, and only then does this process.
    const ignore = () => {};
    const stop = () => child.kill('SIGTERM');
    process.on('SIGINT', ignore).on('SIGTERM', stop);
    child.on('close', (code, signal) => {
      process.off('SIGINT', ignore).off('SIGTERM', stop);
      resolve(code ?? (signal === 'SIGINT' ? 130 : 1));
    });
  });
}
