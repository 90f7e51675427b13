import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cases } from '../../bench/ladder-cases.ts';
import { type Device, openDevice, scope } from '../../engine/node.ts';
import type { Kernel } from '../../kernels/kernel.ts';

const folder = join(import.meta.dirname, '..', '..', 'kernels');
const isKernel = (value: unknown): value is Kernel =>
  typeof value === 'object' && value !== null && 'variants' in value && 'bindings' in value;

/** Every kernel that a file under kernels/ exports, by name; pairs of kernels in an object too. */
async function kernelNames(): Promise<Set<string>> {
  const names = new Set<string>();
  for (const file of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts')) continue;
    const exported = Object.values((await import(join(folder, file))) as object);
    for (const value of exported.flatMap((v) =>
      isKernel(v) ? [v] : v && typeof v === 'object' ? Object.values(v) : [],
    ))
      if (isKernel(value)) names.add(value.name);
  }
  return names;
}

let device: Device;
beforeAll(async () => {
  device = await openDevice();
});
afterAll(() => device.close());

describe('the kernel ladder', () => {
  it('has every kernel', async () => {
    const names = await kernelNames();
    expect(names.size).toBeGreaterThan(50);
    const listed = new Set(cases.flatMap((one) => one.kernels));
    expect([...names].filter((name) => !listed.has(name))).toEqual([]);
    expect([...listed].filter((name) => !names.has(name))).toEqual([]);
  });

  it.for(cases.filter((one) => !one.heavy && !one.gpuOnly).map((one) => [one.title, one] as const))(
    '%s calls its kernels',
    async ([, one], test) => {
      if (one.softwareOnly && !device.traits.software) return test.skip('only software adapters have its kernels');
      const body = one.make();
      await device.flush();
      const called = new Set<string>();
      device.trace = [];
      try {
        scope(body);
        for (const command of device.trace) if (command.kind === 'call') called.add(command.kernel.name);
      } finally {
        device.trace = undefined;
      }
      expect(one.kernels.filter((name) => !called.has(name))).toEqual([]);
    },
  );
});
