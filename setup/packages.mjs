// The npm packages: present, and of the versions that package-lock.json names?
import { readFileSync, statfsSync } from 'node:fs';
import { basename, join } from 'node:path';
import { SetupError, step } from './terminal.mjs';

const NEEDED_MB = 700;

/**
 * Why `npm ci` has to run, or undefined when node_modules matches package-lock.json.
 * @param {string} root the checkout
 */
export function packagesMissing(root) {
  const wanted = lockedVersions(join(root, 'package-lock.json'));
  const found = lockedVersions(join(root, 'node_modules', '.package-lock.json'));
  if (!wanted) return undefined;
  if (!found) return 'node_modules is not there yet';
  for (const [path, entry] of wanted) {
    const installed = found.get(path)?.version;
    const left = entry.optional && installed === undefined; // for another platform, or its install script failed
    if (path !== '' && !left && installed !== entry.version) return `${path} is not at ${entry.version}`;
  }
  return undefined;
}

/** @param {string} root the checkout */
export async function installPackages(root) {
  const free = statfsSync(root);
  const freeMB = Math.floor((free.bavail * free.bsize) / 1e6);
  if (freeMB < NEEDED_MB) {
    throw new SetupError(
      `The npm packages need about ${NEEDED_MB} MB and this disk has ${freeMB} MB free.`,
      'Free some space, or clone to another disk, then run the same command again.',
    );
  }
  await step(
    'installing the npm packages (npm ci)',
    [...npm(), 'ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'],
    'See that this machine reaches its npm registry (npm ping), then run the same command again.',
    root, // not --prefix, which would also move npm's global configuration: a company's registry, its certificates
  );
}

/** The npm that runs this script, else the one on the PATH. */
function npm() {
  const running = process.env.npm_execpath;
  if (running && basename(running) === 'npm-cli.js') return [process.execPath, running];
  return process.platform === 'win32' ? ['cmd', '/c', 'npm'] : ['npm'];
}

/**
 * @param {string} file a lockfile, npm's own or the hidden one it leaves in node_modules
 * @returns {Map<string, { version?: string, optional?: boolean }> | undefined}
 */
function lockedVersions(file) {
  try {
    return new Map(Object.entries(JSON.parse(readFileSync(file, 'utf8')).packages));
  } catch {
    return undefined;
  }
}
