import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Torch } from '../../bench/peers/torch.ts';
import { lossDifference } from '../../bench/steps.ts';
import { classifier, gan, smallCnn } from '../../bench/workloads.ts';
import { type Device, openDevice } from '../../engine/node.ts';

let device: Device;
let torch: Torch | undefined;
beforeAll(async () => {
  device = await openDevice();
  torch = await Torch.cpu();
});
afterAll(async () => {
  torch?.close();
  await device.close();
});

const small = [
  smallCnn(8),
  classifier('dlp', 'dlp', 6, { width: 1 / 8, imageSize: 36 }),
  classifier('baseline', 'baseline', 6, { width: 1 / 8, imageSize: 56 }),
  classifier('so-dlse', 'so-dlse', 6, { width: 1 / 8, imageSize: 44 }),
  classifier('so-dlse, full', 'so-dlse', 6, { width: 1 / 8, imageSize: 44, spectralPath: 'full' }),
  classifier('vfeso-dlse', 'vfeso-dlse', 6, { width: 1 / 8 }),
  gan(32, 4, 2),
];

it('PyTorch says whether its process keeps freed memory', async (test) => {
  if (!torch) return test.skip('no python3 with torch');
  const kept = await Torch.cpu('kept');
  kept?.close();
  // What keeps it is glibc's; without glibc there is one PyTorch, by one name.
  const glibc = 'glibcVersionRuntime' in (process.report.getReport() as { header: object }).header;
  expect(kept?.name.includes('freed memory kept')).toBe(glibc);
  expect(torch.name).not.toContain('freed memory kept');
});

describe('the steps that are timed beside PyTorch do the same work: three steps from the same weights', () => {
  for (const workload of small) {
    it(workload.title, async (test) => {
      if (!torch) return test.skip('no python3 with torch');
      const step = workload.prepare(device);
      await torch.prepareStep(step);
      for (let i = 0; i < 3; i++) {
        const { losses } = await torch.sample();
        await step.run();
        expect(lossDifference(await step.losses(), losses), `step ${i + 1}`).toBeLessThan(2e-5);
      }
      step.dispose();
    });
  }

  it('a wrong weight shows', async (test) => {
    if (!torch) return test.skip('no python3 with torch');
    const step = small[3].prepare(device);
    await step.run();
    const before = await step.losses();
    await torch.prepareStep(step); // with the weights after the first step
    expect(lossDifference(before, (await torch.sample()).losses)).toBeGreaterThan(1e-3);
    step.dispose();
  });
});
