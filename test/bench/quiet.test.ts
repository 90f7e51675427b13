import { describe, expect, it } from 'vitest';
import { Child } from '../../bench/child.ts';
import { type Gauge, ProcessGauge, Quiet } from '../../bench/quiet.ts';

/** A machine on which `spinning(now)` of a core is used by the bench's own processes, and `others` by the rest. */
function machine(spinning: (now: number) => number | undefined, others = 0): Gauge & { time: () => number } {
  let [now, used] = [0, 0];
  return {
    now: () => now,
    time: () => now,
    used: () => (spinning(now) === undefined ? undefined : used),
    machine: () => ({ busy: used + others * now, all: 2 * now }),
    pause: async (ms) => {
      for (let i = 0; i < ms; i++) used += spinning(now++) ?? 0;
    },
  };
}

describe('a turn', () => {
  it('begins after one quiet window', async () => {
    const gauge = machine(() => 0.03);
    expect(await new Quiet(gauge).turn()).toBe(true);
    expect(gauge.time()).toBe(20);
  });

  it('waits until what spins has stopped', async () => {
    const gauge = machine((now) => (now < 100 ? 1 : 0));
    const quiet = new Quiet(gauge);
    expect(await quiet.turn()).toBe(true);
    expect(gauge.time()).toBe(120);
    expect(quiet.report()).toMatchObject({ turns: 1, unquiet: 0, longestWaitMs: 120, measured: true });
  });

  it('does not wait for ever, and says so', async () => {
    const gauge = machine(() => 1);
    const quiet = new Quiet(gauge);
    expect(await quiet.turn()).toBe(false);
    expect(gauge.time()).toBe(500);
    expect(quiet.report()).toMatchObject({ turns: 1, unquiet: 1 });
  });

  it('begins after a fixed pause where CPU time cannot be read', async () => {
    const gauge = machine(() => undefined);
    const quiet = new Quiet(gauge);
    await quiet.turn();
    expect(gauge.time()).toBeGreaterThanOrEqual(100);
    expect(quiet.report().measured).toBe(false);
  });

  it('reports what others took of the machine', async () => {
    const quiet = new Quiet(machine(() => 0.05, 0.5));
    await quiet.turn();
    expect(quiet.report().foreign).toBeCloseTo(0.25, 6);
  });
});

it('after a start, one quiet window is not enough', async () => {
  const gauge = machine((now) => (now < 60 || (now >= 100 && now < 3000) ? 1 : 0));
  expect(await new Quiet(gauge).settleStart()).toBe(true);
  expect(gauge.time()).toBe(3200);
});

it('counts the CPU time of a process that it watches, also after its end', async () => {
  const gauge = new ProcessGauge();
  const before = gauge.used() ?? 0;
  const spin = "console.log('{}'); for (const s = Date.now(); Date.now() - s < 60; ); console.log('{\"done\": 1}')";
  const { child } = await Child.start('spin', [process.execPath, '-e', spin]);
  const unwatch = gauge.watch(child.pid ?? 0);
  expect(await child.ask({})).toEqual({ done: 1 });
  const during = gauge.used();
  if (during !== undefined) expect(during - before).toBeGreaterThan(20);
  unwatch();
  child.close();
});

it('counts a process that has come and gone between two readings', async () => {
  const gauge = new ProcessGauge();
  const spin = "console.log('{}'); for (const s = Date.now(); Date.now() - s < 60; ); console.log('{\"done\": 1}')";
  const { child } = await Child.start('spin', [process.execPath, '-e', spin]);
  const unwatch = gauge.watch(child.pid ?? 0);
  expect(await child.ask({})).toEqual({ done: 1 });
  unwatch();
  child.close();
  const { user, system } = process.cpuUsage();
  const used = gauge.used();
  if (process.platform === 'linux') expect((used ?? 0) - (user + system) / 1000).toBeGreaterThan(20);
});

it('a process that ends before its answer is an error with its name', async () => {
  const { child } = await Child.start('short', [process.execPath, '-e', "console.log('{}')"]);
  await expect(child.ask({})).rejects.toThrow('short ended before its answer');
  child.close();
});
