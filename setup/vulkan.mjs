// A WebGPU adapter: is there one that Dawn accepts, and if not, how does this system get one?
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join, relative } from 'node:path';
import { canInstall, installSoftwareVulkan } from './apt.mjs';
import { osRelease } from './system.mjs';
import { SetupError, say } from './terminal.mjs';

/** @typedef {{ vendor: string, architecture: string, name: string, description: string, software: boolean }} Adapter */

/**
 * Finds an adapter; where there is none and apt may be used, installs Mesa's software driver.
 * @param {string} root the checkout
 * @param {() => void} announce called before anything is installed
 */
export async function ensureAdapter(root, announce) {
  const cache = join(root, 'node_modules', '.cache', 'kindergrad', 'adapter.json');
  if (readKey(cache) === machineKey(root)) return;
  let { adapter, reason } = probeAdapter();
  if (!adapter) {
    if (absentDriver() || !canInstall()) throw new SetupError(`No WebGPU adapter: ${reason}`, adapterRemedy());
    announce();
    await installSoftwareVulkan();
    ({ adapter, reason } = probeAdapter());
    if (!adapter) {
      throw new SetupError(
        `Mesa's software driver is installed, yet Dawn refuses it: ${reason}`,
        'Run `VK_LOADER_DEBUG=all npx kindergrad doctor` to see which drivers the Vulkan loader finds.',
      );
    }
    say(`  ✓ adapter: ${adapter.description || adapter.name}${adapter.software ? ' (software, runs on the CPU)' : ''}`);
    if (existsSync('/dev/nvidia0')) {
      say('  ! An NVIDIA card is here, but its Vulkan driver is not: install it, or in a container let the graphics');
      say('    capability in (NVIDIA_DRIVER_CAPABILITIES=all). Until then everything runs on the CPU.');
    }
  }
  writeKey(cache, machineKey(root));
}

/**
 * @returns {{ adapter?: Adapter, reason: string }} the adapter Dawn gives, or why it gives none
 */
export function probeAdapter() {
  const child = spawnSync(process.execPath, [join(import.meta.dirname, 'probe.mjs')], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  if (child.status === 0) return { adapter: JSON.parse(child.stdout), reason: '' };
  const lines = child.stderr.split('\n').map((line) => line.replace(/^(Warning|Error): /, '').trim());
  const reason = lines.find((line) => line && !line.includes('XDG_RUNTIME_DIR'));
  const ended = child.signal
    ? `the probe was ended by ${child.signal}`
    : 'Dawn finds no Vulkan, Metal or Direct3D 12 driver';
  return { reason: reason ?? ended };
}

/** A variable that lets the Vulkan loader look at a file alone that is not there; undefined where none does. */
function absentDriver() {
  for (const name of ['VK_DRIVER_FILES', 'VK_ICD_FILENAMES']) {
    const files = (process.env[name] ?? '').split(delimiter).filter((file) => file && !existsSync(file));
    if (files.length > 0)
      return `${name} names ${files.join(', ')}, which is not there: unset it, or name a driver's .json file.`;
  }
  return undefined;
}

/** One sentence: what to install on this system to get an adapter. */
export function adapterRemedy() {
  const absent = absentDriver();
  if (absent) return absent;
  if (process.platform === 'darwin')
    return 'Dawn uses Metal: update macOS, and run outside a virtual machine without graphics.';
  if (process.platform === 'win32') return 'Dawn uses Direct3D 12: install the driver of the graphics card.';
  const sudo = process.getuid?.() === 0 ? 'node' : 'sudo $(which node)';
  const command = `${sudo} ${relative(process.cwd(), join(import.meta.dirname, 'run.mjs'))} driver`;
  const system = osRelease();
  const family = `${system.ID ?? ''} ${system.ID_LIKE ?? ''}`;
  if (/alpine/.test(family))
    return 'The webgpu package needs glibc: use a Debian or Ubuntu image (20.19 or newer of Node on it).';
  if (/debian|ubuntu/.test(family))
    return `Run \`${command}\` once: it installs Mesa's software Vulkan driver with apt.`;
  if (/fedora|rhel/.test(family)) return 'Run `sudo dnf install mesa-vulkan-drivers vulkan-loader`.';
  if (/arch/.test(family)) return 'Run `sudo pacman -S vulkan-swrast vulkan-icd-loader`.';
  if (/suse/.test(family)) return 'Run `sudo zypper install libvulkan_lvp libvulkan1`.';
  return "Install the graphics card's Vulkan driver, or Mesa's software one (lavapipe, Mesa 25 or newer).";
}

/**
 * Whatever decides the probe's answer: versions, drivers, graphics devices, the variables the Vulkan loader reads. While
 * it stays the same, a good answer holds and the probe need not run.
 * @param {string} root the checkout
 */
function machineKey(root) {
  const folders = [
    '/etc/vulkan',
    '/usr/share/vulkan',
    '/usr/local/share/vulkan',
    join(homedir(), '.local/share/vulkan'),
  ];
  const drivers = folders.flatMap((folder) =>
    list(join(folder, 'icd.d')).map((name) => stamp(join(folder, 'icd.d', name))),
  );
  const variables = Object.entries(process.env).filter(([name]) => /^(VK_|LD_LIBRARY_PATH$)/.test(name));
  const devices = [...list('/dev/dri'), ...list('/dev').filter((name) => name.startsWith('nvidia'))];
  const facts = [
    process.version,
    process.arch,
    version(join(root, 'package.json')),
    version(join(root, 'node_modules', 'webgpu', 'package.json')),
    stamp('/var/lib/dpkg/status'),
    ...drivers,
    ...devices,
    ...variables.map((pair) => pair.join('=')).sort(),
  ];
  return createHash('sha256').update(facts.join('\n')).digest('hex');
}

/** @param {string} file a package.json */
function version(file) {
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).version : 'absent';
}

/** @param {string} folder @returns {string[]} the names in it, none where it is absent */
function list(folder) {
  return existsSync(folder) ? readdirSync(folder).sort() : [];
}

/** @param {string} file */
function stamp(file) {
  return existsSync(file) ? `${file} ${statSync(file).mtimeMs}` : `${file} absent`;
}

/** @param {string} file */
function readKey(file) {
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
}

/** @param {string} file @param {string} key */
function writeKey(file, key) {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, key);
}
