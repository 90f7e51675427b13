import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { packageVersion } from '../../pipeline/version.ts';

const bin = join(import.meta.dirname, '..', '..', 'bin', 'kindergrad.mjs');

function doctor(args: string[], env: Record<string, string> = {}) {
  return spawnSync(process.execPath, [bin, 'doctor', ...args], { encoding: 'utf8', env: { ...process.env, ...env } });
}

it('finds the adapter, runs a kernel on it, and says in words whether training can run', () => {
  const { status, stdout } = doctor([]);
  expect(status).toBe(0);
  expect(stdout).toMatch(/^kindergrad \d+\.\d+\.\d+ · node \d+\.\d+\.\d+ · webgpu \d+/);
  expect(stdout).toMatch(/✓ kernel +ran and was exact, \d+ ms/);
  expect(stdout).toMatch(/Training runs here/);
});

it('prints JSON, and names an ffmpeg that does not run', () => {
  const { status, stdout } = doctor(['--json'], { FFMPEG_BIN: '/nowhere/ffmpeg' });
  expect(status).toBe(0);
  const { adapters, findings, canTrain } = JSON.parse(stdout);
  expect(canTrain).toBe(true);
  expect(adapters[0].limits.maxStorageBufferBindingSize).toBeGreaterThanOrEqual(2 ** 27);
  expect(findings).toContainEqual(
    expect.objectContaining({ subject: 'ffmpeg', state: 'lacking', found: expect.stringContaining('/nowhere/ffmpeg') }),
  );
});

it('prints the version it is', () => {
  const { status, stdout } = spawnSync(process.execPath, [bin, '--version'], { encoding: 'utf8' });
  expect({ status, stdout }).toEqual({ status: 0, stdout: `${packageVersion()}\n` });
});

// Metal and Direct3D have no such switch.
const skip = process.platform !== 'linux';
it('exits with 1 and names the remedy where no driver is found', { skip }, () => {
  const absent = { VK_DRIVER_FILES: '/nowhere.json', VK_ICD_FILENAMES: '/nowhere.json' };
  const { status, stdout, stderr } = doctor([], absent);
  expect(status).toBe(1);
  expect(stdout).toMatch(/✗ adapter +none\n +→ VK_DRIVER_FILES names \/nowhere\.json, which is not there/);
  expect(stdout).toMatch(/Training cannot run on this machine yet\./);
  expect(stderr).not.toMatch(/^\s+at .*\.ts:/m);
  const tune = spawnSync(process.execPath, [bin, 'tune'], { encoding: 'utf8', env: { ...process.env, ...absent } });
  expect(tune.status).toBe(1);
  expect(tune.stderr).toMatch(/DeviceError: No WebGPU adapter was found\.\n +→ Run `npx kindergrad doctor`/);
});
