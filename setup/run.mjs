#!/usr/bin/env node
// npm start, npm test, npm run bench: first make sure that this machine has what the task needs, then run it.
// Works before anything is installed, so Node built-ins only.
import { spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { canInstall, installSoftwareVulkan } from './apt.mjs';
import { ensureFfmpeg } from './ffmpeg.mjs';
import { installPackages, packagesMissing } from './packages.mjs';
import { SetupError, say } from './terminal.mjs';
import { adapterRemedy, ensureAdapter } from './vulkan.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const kindergrad = join(root, 'bin', 'kindergrad.mjs');
const vitest = [join(root, 'node_modules', 'vitest', 'vitest.mjs'), 'run'];

/**
 * What each task runs after set-up: programs for Node, one after the other, and more environment.
 * @type {Record<string, { needs: ('packages' | 'adapter' | 'driver' | 'ffmpeg')[], run: string[][], env?: Record<string, string> }>}
 */
const tasks = {
  setup: { needs: ['packages', 'adapter', 'ffmpeg'], run: [] },
  driver: { needs: ['driver'], run: [] },
  start: { needs: ['packages', 'adapter'], run: [[kindergrad, 'demo']] },
  test: { needs: ['packages', 'adapter', 'ffmpeg'], run: [vitest] },
  'test:full': { needs: ['packages', 'adapter', 'ffmpeg'], run: [vitest], env: { TEST_FULL: '1' } },
  bench: { needs: ['packages', 'adapter'], run: [['--import', 'tsx', join(root, 'bench', 'run.ts')]] },
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
  for (const program of task.run) {
    const status = await run([...program, ...more], task.env);
    if (status !== 0) return status;
  }
  return 0;
}

/** @param {readonly string[]} needs */
async function setUp(needs) {
  let announced = false;
  const announce = () => {
    if (announced) return;
    announced = true;
    say(`kindergrad prepares this machine, once (KINDERGRAD_SETUP=off skips this):`);
    if (needs.includes('packages')) say('  · the npm packages, into node_modules');
    if (needs.includes('adapter'))
      say('  · a WebGPU adapter; without one, on Debian or Ubuntu as root, a software Vulkan driver through apt');
    if (needs.includes('driver')) say("  · Mesa's software Vulkan driver, through apt");
    if (needs.includes('ffmpeg')) say('  · ffmpeg, for the tests on videos, the same way');
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
  if (needs.includes('ffmpeg')) await ensureFfmpeg(announce);
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
 * @param {readonly string[]} args for Node
 * @param {Record<string, string>} [env]
 * @returns {Promise<number>} the exit status
 */
function run(args, env) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { stdio: 'inherit', cwd: root, env: { ...process.env, ...env } });
    // Ctrl-C reaches the child from the terminal; it saves its work and ends, and only then does this process.
    process.on('SIGINT', () => {});
    process.on('SIGTERM', () => child.kill('SIGTERM'));
    child.on('close', (code, signal) => resolve(code ?? (signal === 'SIGINT' ? 130 : 1)));
  });
}
