/** The committed table of kernel choices for software Vulkan: the steps it is measured on, and the file. */
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import * as k from '../engine/node.ts';
import { type ClassifierName, CycleGan } from '../models/index.ts';
import { ganPresets } from './balance/config.ts';
import { cpuName } from './cpu.ts';
import { presetModelOptions } from './train/config.ts';
import { classifierStep } from './tune.ts';

const table = fileURLToPath(k.LANES_DEFAULTS);

interface Work {
  readonly title: string;
  readonly run: () => Promise<void>;
}

const classifiers = ['dlp', 'baseline', 'so-dl', 'so-dlse', 'vfeso-dlse'] as const;

const classifier = (title: string, name: ClassifierName, modelOptions: Record<string, unknown>): Work => ({
  title,
  run: async () => {
    const step = classifierStep(name, { batch: 32, modelOptions });
    await step.run();
    step.dispose();
  },
});

/** Whose full size software Vulkan bears: the dense layers of `dlp` exceed its bindings, VGG16's 224 pixels any patience. */
const fullSize: readonly ClassifierName[] = ['baseline', 'so-dl', 'so-dlse'];

const classifierWork = classifiers.flatMap((name) => {
  const smoke = classifier(`${name}, smoke`, name, presetModelOptions(name, 'smoke'));
  return fullSize.includes(name) ? [smoke, classifier(`${name}, 100 × 100`, name, {})] : [smoke];
});

const cycleGan: Work = {
  title: 'CycleGAN, smoke',
  run: async () => {
    const { model: config } = ganPresets.smoke;
    const model = new CycleGan(config, new k.Generator(1));
    const side = config.imageSize;
    const picture = new k.Generator(2).normal(side * side * 3);
    const [a, b] = [0, 1].map(() => k.tensor(picture, [1, side, side, 3]));
    const step = model.trainStep({ a: () => a, b: () => b });
    model.pools.A.decide();
    model.pools.B.decide();
    await step.run();
    for (const part of [step, model, a, b]) part.dispose();
  },
};

/** One product or convolution with its gradients, as `npm run bench` times them. */
const single = (title: string, shape: number[], make: (x: k.Tensor) => k.Tensor): Work => ({
  title,
  run: async () => {
    const x = k.tensor(new k.Generator(3).normal(k.sizeOf(shape)), shape, { requiresGrad: true });
    const step = k.program(() => {
      const y = make(x);
      k.backward(
        y,
        k.noGrad(() => k.affine(y, 1, 0)),
      );
      return y;
    });
    await step.run();
    step.dispose();
    x.dispose();
  },
});

const weights = (...shape: number[]): k.Tensor =>
  k.tensor(new k.Generator(4).normal(k.sizeOf(shape)), shape, { requiresGrad: true });

const conv = (batch: number, side: number, cin: number, cout: number, activation?: 'relu'): Work => {
  const w = weights(3, 3, cin, cout);
  return single(`conv ${cin}→${cout}@${side}`, [batch, side, side, cin], (x) =>
    k.conv2d(x, w, undefined, { padding: 1, ...(activation && { activation }) }),
  );
};

const benchWork = (): Work[] => {
  const w = weights(1024, 1024);
  return [
    single('matmul 1024³', [1024, 1024], (x) => k.matmul(x, w)),
    conv(64, 28, 1, 16, 'relu'),
    conv(64, 14, 16, 32, 'relu'),
    conv(8, 56, 64, 64),
    conv(8, 28, 128, 128),
    conv(8, 28, 256, 256),
    conv(8, 100, 3, 64),
  ];
};

/** What both found faster, with the figures of the later: a choice by one rung's name, whatever its text has become since. */
export function agreed(earlier: k.DefaultsFile['choices'], later: k.DefaultsFile['choices']): Record<string, string> {
  const rung = (value: string | undefined): string | undefined => value?.split(' #')[0];
  return Object.fromEntries(Object.entries(later).filter(([key, value]) => rung(earlier[key]) === rung(value)));
}

/**
 * Measures what is missing of all that the table covers, and writes it. What has been measured before on this machine is
 * not measured again, so that an interrupted run goes on where it was. To confirm keeps of the table that is there only
 * what this machine chose too: what one CPU gains a tenth by may cost another as much.
 */
export async function writeDefaults(
  { retune, confirm }: { readonly retune: boolean; readonly confirm: boolean },
  onWork: (title: string) => void,
): Promise<number> {
  const device = await k.openDevice();
  if (device.traits.family !== 'lanes') {
    await device.close();
    throw new k.ConfigError(`The committed table is for software Vulkan; this is ${device.name}.`, {
      remedy:
        'Run it with VK_DRIVER_FILES naming lvp_icd.json; `kindergrad tune MODEL` measures for this adapter alone.',
    });
  }
  device.tuner.mode = retune ? 'all' : 'missing';
  for (const { title, run } of [...benchWork(), cycleGan, ...classifierWork]) {
    onWork(title);
    await run();
    await device.sync();
  }
  const before = confirm ? (JSON.parse(await readFile(table, 'utf8')) as k.DefaultsFile) : undefined;
  const file: k.DefaultsFile = {
    about:
      'Kernel choices for software Vulkan that beat the untuned ones. Made by `npx kindergrad tune --write-defaults`; do not edit. How they are used: docs/architecture.md.',
    adapter: device.info.description,
    date: new Date().toISOString().slice(0, 10),
    cpus: [...new Set([...(before?.cpus ?? []), cpuName()])],
    choices: before ? agreed(before.choices, device.tuner.won) : device.tuner.won,
  };
  await writeFile(table, `${JSON.stringify(file, null, 2)}\n`);
  await device.close();
  return Object.keys(file.choices).length;
}
