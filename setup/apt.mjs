// Debian and Ubuntu, as root: Mesa's software Vulkan driver (lavapipe) and ffmpeg, with apt.
import { execFileSync } from 'node:child_process';
import { existsSync, statfsSync } from 'node:fs';
import { addSuite, archives } from './backports.mjs';
import { osRelease, untranslated } from './system.mjs';
import { SetupError, say, step } from './terminal.mjs';

/** Dawn refuses lavapipe up to this major version of Mesa (22.3, Debian 12's own, was tried). */
const REFUSED_MESA = 22;
const NEEDED_MB = 400;
const NETWORK = 'See that this machine reaches its package mirror (apt-get update), then run the same command again.';

/** May set-up install system packages here? */
export function canInstall() {
  return process.getuid?.() === 0 && existsSync('/usr/bin/apt-get');
}

export async function installSoftwareVulkan() {
  needSpace();
  const warnings = await updateLists();
  const system = osRelease();
  const suite = `${system.VERSION_CODENAME}-backports`;
  const version = candidate();
  if (!version) {
    throw new SetupError(
      'apt knows no package mesa-vulkan-drivers.',
      "See that apt's sources name your distribution's archive and that it can be reached (apt-get update).",
      warnings,
    );
  }
  /** @type {string[]} */
  let from = [];
  if (mesaMajor(version) <= REFUSED_MESA) {
    if (system.ID !== 'debian') {
      throw new SetupError(
        `${system.PRETTY_NAME ?? 'This system'} offers Mesa ${version}, which Dawn refuses.`,
        'Upgrade the distribution, or install the Vulkan driver of the graphics card.',
      );
    }
    if (!archives().some((archive) => archive.suite === suite)) {
      addSuite(system.VERSION_CODENAME ?? '', suite);
      await updateLists(`the package lists again, with ${suite}`);
    }
    from = ['-t', suite];
  }
  await install('the Vulkan loader', ['libvulkan1']);
  await install("Mesa's software Vulkan driver (about 55 MB to download)", [...from, 'mesa-vulkan-drivers']);
}

export async function installFfmpeg() {
  needSpace();
  await updateLists();
  await install('ffmpeg', ['ffmpeg']);
}

export async function installChromium() {
  needSpace();
  await updateLists();
  await install('Chromium (about 100 MB to download)', ['chromium', 'fonts-dejavu-core']);
}

export async function installFonts() {
  await updateLists();
  await install('a font', ['fontconfig-config', 'fonts-dejavu-core']);
}

/**
 * Installs what set-up can do without, where it may; a failure is said and does not stop set-up.
 * @param {() => void} announce called before anything is installed
 * @param {() => Promise<void>} install
 * @returns {Promise<boolean>} whether it is there now
 */
export async function installOptional(announce, install) {
  if (!canInstall()) return false;
  announce();
  try {
    await install();
    return true;
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    say(`  ! ${error.message}`);
    return false;
  }
}

/** @param {string} what @param {readonly string[]} packages names, options of apt-get before them */
async function install(what, packages) {
  await step(
    `installing ${what} with apt`,
    ['apt-get', '-o', 'DPkg::Lock::Timeout=300', 'install', '-y', '--no-install-recommends', ...packages],
    NETWORK,
  );
}

/**
 * @param {string} what
 * @returns {Promise<string>} apt's warnings: a mirror that cannot be reached is no error to it
 */
async function updateLists(what = 'the package lists') {
  const output = await step(
    `reading ${what} (apt-get update)`,
    ['apt-get', '-o', 'DPkg::Lock::Timeout=300', 'update'],
    NETWORK,
  );
  return output
    .split('\n')
    .filter((line) => /^[WE]:/.test(line))
    .slice(0, 5)
    .join('\n');
}

function needSpace() {
  const { bavail, bsize } = statfsSync('/usr');
  const freeMB = Math.floor((bavail * bsize) / 1e6);
  if (freeMB >= NEEDED_MB) return;
  throw new SetupError(
    `Installing with apt needs about ${NEEDED_MB} MB and the system disk has ${freeMB} MB free.`,
    'Free some space, then run the same command again.',
  );
}

/** The version of Mesa's drivers that apt would install by itself. */
function candidate() {
  const policy = execFileSync('apt-cache', ['policy', 'mesa-vulkan-drivers'], { encoding: 'utf8', env: untranslated });
  return policy.match(/Candidate: (\d\S*)/)?.[1];
}

/** @param {string} version e.g. '25.0.7-2~bpo12+1', perhaps after an epoch '1:' */
function mesaMajor(version) {
  return Number(version.match(/^(?:\d+:)?(\d+)/)?.[1] ?? 0);
}
