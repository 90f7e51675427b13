/** What this machine has and lacks for training: the answers behind `kindergrad doctor`. */
import { constants, existsSync, readFileSync } from 'node:fs';
import { access, statfs } from 'node:fs/promises';
import { freemem, homedir, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { cacheFolder, formatBytes, KindergradError, matmul, nodePlatform, openDevice, tensor } from '../engine/node.ts';
import { findFfmpeg } from '../setup/ffmpeg.mjs';
import { adapterRemedy } from '../setup/vulkan.mjs';
import { findUp, packageVersion } from './version.ts';

/** One thing looked at. `lacking` costs speed or a feature; `blocking` means that training cannot run. */
export interface Finding {
  subject: string;
  state: 'fine' | 'lacking' | 'blocking';
  found: string;
  remedy?: string;
}

/** An adapter in plain words, with what decides which kernels run and how large a tensor may be. */
export interface AdapterReport {
  name: string;
  driver: string;
  software: boolean;
  /** Lanes that run together: one number where the driver has one size. */
  subgroupSizes: string;
  features: string[];
  limits: Record<string, number>;
}

export interface Diagnosis {
  versions: Record<string, string>;
  adapters: AdapterReport[];
  findings: Finding[];
  canTrain: boolean;
}

const LIMITS = [
  'maxBufferSize',
  'maxStorageBufferBindingSize',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupsPerDimension',
  'maxStorageBuffersPerShaderStage',
  'maxImmediateSize',
] as const;

const GIB = 2 ** 30;

/** Looks at everything; never throws for what it finds. */
export async function diagnose(): Promise<Diagnosis> {
  const { adapters, finding } = await findAdapters();
  const findings = [finding];
  if (adapters.length > 0) findings.push(await computes());
  if (adapters[0]?.driver.includes('Mesa')) findings.push(await shaderCache());
  findings.push(await folder('tuning cache', cacheFolder(), 'Set KINDERGRAD_CACHE to a folder that you may write to.'));
  findings.push(memory(), await disk(), await pictures(), ffmpeg());
  return { versions: versions(), adapters, findings, canTrain: findings.every((f) => f.state !== 'blocking') };
}

/** Read from the packages' own files: loading a package is tried elsewhere. */
function versions(): Record<string, string> {
  const package_ = (name: string): string => {
    const file = findUp(join('node_modules', name, 'package.json'), import.meta.dirname);
    return file ? JSON.parse(readFileSync(file, 'utf8')).version : 'not installed';
  };
  return {
    kindergrad: packageVersion(),
    node: process.versions.node,
    webgpu: package_('webgpu'),
    sharp: package_('sharp'),
    system: `${process.platform} ${process.arch}`,
  };
}

/** An error as a finding, with its own remedy where it has one. */
function failure(subject: string, error: unknown, remedy: string): Finding {
  const found = error instanceof Error ? error.message.split('\n')[0] : String(error);
  const own = error instanceof KindergradError ? error.remedy : undefined;
  return { subject, state: 'blocking', found, remedy: own ?? remedy };
}

/** The adapters Dawn offers, the one that training would use first. */
async function findAdapters(): Promise<{ adapters: AdapterReport[]; finding: Finding }> {
  const subject = 'adapter';
  try {
    const gpu = await nodePlatform.gpu();
    const requests: GPURequestAdapterOptions[] = [
      { powerPreference: 'high-performance' },
      { powerPreference: 'low-power' },
      { forceFallbackAdapter: true },
    ];
    const reports: AdapterReport[] = [];
    for (const request of requests) {
      const adapter = await gpu.requestAdapter(request);
      if (!adapter) continue;
      const report = describe(adapter);
      if (!reports.some((other) => other.name === report.name && other.driver === report.driver)) reports.push(report);
    }
    const [first] = reports;
    if (!first) {
      return { adapters: [], finding: { subject, state: 'blocking', found: 'none', remedy: adapterRemedy() } };
    }
    if (!first.software) return { adapters: reports, finding: { subject, state: 'fine', found: first.name } };
    return {
      adapters: reports,
      finding: {
        subject,
        state: 'lacking',
        found: `${first.name} is software: all kernels run on the CPU`,
        remedy: 'Use the small presets; for full training install the Vulkan driver of a graphics card.',
      },
    };
  } catch (error) {
    return { adapters: [], finding: { ...failure(subject, error, adapterRemedy()), remedy: adapterRemedy() } };
  }
}

function describe(adapter: GPUAdapter): AdapterReport {
  const { vendor, architecture, device, description, isFallbackAdapter, subgroupMinSize, subgroupMaxSize } =
    adapter.info;
  const limits = adapter.limits as unknown as Record<string, number | undefined>;
  return {
    name: device.replace(/^(llvmpipe).*/, '$1') || `${vendor} ${architecture}`,
    driver: description,
    software: isFallbackAdapter || /llvmpipe|swiftshader/i.test(`${device} ${description}`),
    subgroupSizes: subgroupMinSize === subgroupMaxSize ? `${subgroupMinSize}` : `${subgroupMinSize}–${subgroupMaxSize}`,
    features: [...adapter.features].sort(),
    limits: Object.fromEntries(LIMITS.map((name) => [name, limits[name] ?? 0])),
  };
}

/** Compiles, runs and reads back one matrix product of whole numbers, which must be exact. */
async function computes(): Promise<Finding> {
  const subject = 'kernel';
  try {
    const start = performance.now();
    const device = await openDevice();
    const product = await matmul(
      tensor([
        [1, 2, 3],
        [4, 5, 6],
      ]),
      tensor([
        [7, 8],
        [9, 10],
        [11, 12],
      ]),
    ).floats();
    await device.close();
    const ms = Math.round(performance.now() - start);
    if (product.join(' ') === '58 64 139 154') return { subject, state: 'fine', found: `ran and was exact, ${ms} ms` };
    return {
      subject,
      state: 'blocking',
      found: `a 2×3 by 3×2 product gave ${product.join(' ')} instead of 58 64 139 154`,
      remedy: 'The driver computes wrongly: install a newer one.',
    };
  } catch (error) {
    return failure(subject, error, 'The driver cannot run a kernel: install a newer one.');
  }
}

/** Mesa keeps compiled kernels on disk; without that every start compiles them anew. */
async function shaderCache(): Promise<Finding> {
  const subject = 'shader cache';
  const remedy = 'Give Mesa a folder that you may write to: set MESA_SHADER_CACHE_DIR, or XDG_CACHE_HOME.';
  if (/^(1|true)$/i.test(process.env.MESA_SHADER_CACHE_DISABLE ?? '')) {
    return { subject, state: 'lacking', found: 'switched off', remedy: 'Unset MESA_SHADER_CACHE_DISABLE.' };
  }
  const path = process.env.MESA_SHADER_CACHE_DIR ?? process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache');
  return folder(subject, path, remedy);
}

/** Fine when `path`, or the nearest folder above it that exists, may be written to. */
async function folder(subject: string, path: string, remedy: string): Promise<Finding> {
  let existing = path;
  while (!existsSync(existing) && dirname(existing) !== existing) existing = dirname(existing);
  try {
    await access(existing, constants.W_OK);
    return { subject, state: 'fine', found: path };
  } catch {
    return { subject, state: 'lacking', found: `${path} cannot be written`, remedy };
  }
}

function memory(): Finding {
  const free = process.constrainedMemory() ? Math.min(freemem(), process.availableMemory()) : freemem();
  const found = `${formatBytes(free)} of ${formatBytes(totalmem())} free`;
  if (free >= 2 * GIB) return { subject: 'memory', state: 'fine', found };
  return { subject: 'memory', state: 'lacking', found, remedy: 'Close other programs, or train with a smaller batch.' };
}

async function disk(): Promise<Finding> {
  const { bavail, bsize } = await statfs(process.cwd());
  const free = bavail * bsize;
  const found = `${formatBytes(free)} free in ${process.cwd()}`;
  if (free >= GIB) return { subject: 'disk', state: 'fine', found };
  return { subject: 'disk', state: 'lacking', found, remedy: 'Run folders hold checkpoints: free some space.' };
}

async function pictures(): Promise<Finding> {
  const subject = 'pictures';
  try {
    const { versions } = (await import('sharp')).default;
    return { subject, state: 'fine', found: `sharp ${versions.sharp}, libvips ${versions.vips}` };
  } catch (error) {
    return failure(subject, error, 'Run `npm ci` again: sharp does not load.');
  }
}

function ffmpeg(): Finding {
  const subject = 'ffmpeg';
  const found = findFfmpeg();
  if (found) return { subject, state: 'fine', found: `${found.path}, version ${found.version}` };
  const named = process.env.FFMPEG_BIN;
  return {
    subject,
    state: 'lacking',
    found: named ? `FFMPEG_BIN names ${named}, which does not run` : 'none: videos cannot be read, pictures can',
    remedy: named ? 'Set FFMPEG_BIN to an ffmpeg program.' : 'Install ffmpeg, or set FFMPEG_BIN to its path.',
  };
}
