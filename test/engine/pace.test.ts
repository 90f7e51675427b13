import { describe, expect, it, vi } from 'vitest';
import { mul, openDevice, program, tensor } from '../../engine/node.ts';
import { Pace, pauseAt } from '../../engine/runtime/pace.ts';

/** A new pace that has met these lists: nothing is learnt of what came only once. */
function paceThatMet(...works: object[]): Pace {
  const pace = new Pace();
  for (const work of works) run(pace, work, -1000, 1000);
  return pace;
}

const [step, other] = [{}, {}];

/** Runs `work` once, in so many milliseconds, and returns when it was expected, counted from its start. */
function run(pace: Pace, work: object, from: number, took: number, watched = true): number | undefined {
  pace.submitted(work, from);
  const { due, submissions } = pace;
  pace.done(submissions, from + took, watched);
  return due === undefined ? undefined : due - from;
}

describe('what a wait expects', () => {
  it('is nothing at first, and then a little less than the same work took', () => {
    const pace = new Pace();
    expect(pace.due).toBeUndefined();
    expect(run(pace, step, -1000, 10)).toBeUndefined();
    expect(run(pace, step, 0, 10)).toBeUndefined();
    const expected = run(pace, step, 100, 10) ?? 0;
    expect(expected).toBeGreaterThan(8);
    expect(expected).toBeLessThan(10);
    expect(run(pace, other, 200, 10)).toBeUndefined();
    expect(run(pace, step, 300, 10)).toBeCloseTo(expected);
  });

  it('follows a faster run at once, and a slower one slowly', () => {
    const pace = paceThatMet(step);
    run(pace, step, 0, 10);
    const usual = run(pace, step, 100, 10) ?? 0;
    run(pace, step, 200, 1000);
    const after = run(pace, step, 2000, 1000) ?? 0;
    expect(after / usual).toBeGreaterThan(1);
    expect(after / usual).toBeLessThan(1.2);
    run(pace, step, 4000, 5);
    expect(run(pace, step, 5000, 5)).toBeCloseTo(usual / 2);
  });

  it('learns no longer time from a wait that began after the end', () => {
    const pace = paceThatMet(step);
    run(pace, step, 0, 10);
    const usual = run(pace, step, 100, 10) ?? 0;
    run(pace, step, 200, 1000, false);
    expect(run(pace, step, 2000, 10)).toBeCloseTo(usual);
  });

  it('adds up what is queued, and learns from repeats but not from mixtures', () => {
    const pace = paceThatMet(step, other);
    for (const at of [0, 1, 2]) pace.submitted(step, at);
    pace.done(pace.submissions, 30, true);
    const one = run(pace, step, 100, 10) ?? 0;
    expect(one).toBeGreaterThan(8);
    expect(one).toBeLessThan(10);
    pace.submitted(step, 200);
    pace.submitted(other, 200);
    expect(pace.due).toBeUndefined();
    pace.done(pace.submissions, 300, true);
    expect(run(pace, other, 400, 20)).toBeUndefined();
    pace.submitted(step, 500);
    pace.submitted(other, 500);
    pace.submitted(step, 500);
    expect((pace.due ?? 0) - 500).toBeCloseTo(4 * one);
  });

  it('goes on with what was submitted while somebody waited', () => {
    const pace = paceThatMet(step, other);
    run(pace, step, 0, 10);
    const one = run(pace, step, 100, 10) ?? 0;
    pace.submitted(other, 200);
    const { submissions } = pace;
    pace.submitted(step, 205);
    pace.done(submissions, 220, true);
    expect((pace.due ?? 0) - 220).toBeCloseTo(one);
    pace.done(submissions, 225, true); // somebody else who waited for the same
    expect((pace.due ?? 0) - 220).toBeCloseTo(one);
    pace.done(pace.submissions, 230, true);
    expect(pace.due).toBeUndefined();
  });

  it('is nothing where something came for the first time, and holds none of that', () => {
    const pace = paceThatMet(step);
    run(pace, step, 0, 10);
    pace.submitted(step, 100);
    for (let i = 0; i < 1000; i++) pace.submitted({}, 100);
    expect(pace.due).toBeUndefined();
    pace.done(pace.submissions, 500, true);
    const expected = run(pace, step, 600, 10) ?? 0;
    expect(expected).toBeGreaterThan(8);
    expect(expected).toBeLessThan(10);
  });

  it('is nothing with PACE=0', () => {
    vi.stubEnv('PACE', '0');
    const pace = new Pace();
    vi.unstubAllEnvs();
    run(pace, step, -1000, 10);
    run(pace, step, 0, 10);
    expect(run(pace, step, 100, 10)).toBeUndefined();
  });
});

describe('the sleeps of a wait', () => {
  it('go until the work is due, at most 4 ms at a time', () => {
    for (const software of [true, false]) {
      expect(pauseAt(0, 0, 20, 0, software)).toBe(4);
      expect(pauseAt(17, 0, 20, 4, software)).toBe(3);
    }
  });

  it('are short after that, and grow', () => {
    const at = (passed: number): number => pauseAt(20 + passed, 0, 20, 5, true);
    expect(at(0)).toBe(0.1);
    expect(at(4)).toBe(0.5);
    expect(at(10_000)).toBe(4);
    expect(pauseAt(20.2, 0, 20, 5, false)).toBe(0);
    expect(pauseAt(30, 0, 20, 5, false)).toBe(0.5);
  });

  it('begin with turns of the event loop where nothing is known', () => {
    expect(pauseAt(0, 0, undefined, 0, true)).toBe(0);
    expect(pauseAt(0.3, 0, undefined, 4, true)).toBeGreaterThan(0.1);
  });
});

it('waits for runs and reads that come together, whatever they took before', async () => {
  const device = await openDevice();
  const x = tensor(new Float32Array(1000).fill(3), [1000]);
  const short = program(() => ({ y: mul(x, 2) }));
  const long = program(() => {
    let y = x;
    for (let i = 0; i < 200; i++) y = mul(y, 1.01);
    return { y };
  });
  for (let i = 0; i < 3; i++) {
    const results = [await short.run(), await long.run(), await short.run()];
    const read = await Promise.all(results.map(({ y }) => y.floats()));
    expect(read[0]).toEqual(new Float32Array(1000).fill(6));
    expect(read[1][0]).toBeCloseTo(3 * 1.01 ** 200, 3);
    await device.sync();
    await long.run();
    await device.sync();
  }
  for (const part of [short, long]) part.dispose();
  await device.close();
});
