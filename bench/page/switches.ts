/** The page's sections of what can be turned off or rounded, and of what the host pays. */
import type { HostCosts } from '../host.ts';
import type { HalfRow } from '../precision.ts';
import { notMeasured } from '../switches/list.ts';
import type { SwitchRow } from '../switches/measure.ts';
import { ms, spread, table } from './format.ts';

const change = (off: number | undefined, on: number | undefined, unit = (n: number): string => `${n}`): string => {
  const text = (value: number | undefined): string => (value === undefined ? 'eager' : unit(value));
  return text(off) === text(on) ? text(on) : `${text(off)} → ${text(on)}`;
};
const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(0)} MiB`;

export function switchSection(switches: readonly SwitchRow[]): string[] {
  if (switches.length === 0) return [];
  return [
    '## Switches',
    'Every speed-up that has an off switch ([environment.md](environment.md)), off and on in turn, each side in a process of its own with the variable set. Off/on is how many times as fast it makes the work: 1.00 is no difference. Dispatches and the temporaries’ bytes: of one run, what runs seldom not counted. Same bits: losses, weights and statistics after two steps, or the logits, are equal to the bit; else the largest difference of a loss of the first step, or of a logit, relative to the largest. A first run starts a new process with an empty driver cache for every sample, and traces, plans and compiles.',
    table(
      ['switch', 'work', 'off, ms', 'on, ms', 'off/on', 'dispatches', 'temporaries', 'same bits'],
      switches.map((s) => [
        `\`${s.off}\``,
        s.times === 'run' ? s.work : `${s.work}, ${s.times}`,
        spread(s.offMedian, s.offSamples),
        spread(s.onMedian, s.onSamples),
        `${(s.offMedian / s.onMedian).toFixed(2)}×`,
        change(s.offDispatches, s.onDispatches),
        change(s.offTemporaries, s.onTemporaries, mebibytes),
        s.sameBits ? 'yes' : s.error === 0 ? 'the first loss only' : `no: ${s.error.toExponential(0)}`,
      ]),
    ),
    `Not here: ${Object.entries(notMeasured)
      .map(([variable, why]) => `\`${variable}\` ${why}`)
      .join('. ')}.`,
  ];
}

export function precisionSection(rows: readonly HalfRow[]): string[] {
  if (rows.length === 0) return [];
  const rate = ({ variant, gflops, median, samples }: HalfRow['half']): string[] => [
    variant,
    `${spread(median, samples)} ms, ${gflops.toFixed(1)} GFLOP/s`,
  ];
  return [
    '## Half precision',
    "What [`setFloat32MatmulPrecision('medium')`](precision.md) may run, beside the fastest variant in f32; all variants of a kernel in turn. Rounding, packing and scaling of operands are timed. **Bold**: what `medium` runs when nothing is forced; else it runs f32 there. Errors are relative to the largest value, against the naive f32 kernel.",
    table(
      ['work', 'kernel', 'fastest f32', '', 'halves', '', 'f32/halves', 'error f32', 'error halves'],
      rows.map((r) => {
        const [variant, speed] = rate(r.half);
        return [
          r.title,
          r.kernel,
          ...rate(r.f32),
          r.chosen ? `**${variant}**` : variant,
          speed,
          `${(r.f32.median / r.half.median).toFixed(2)}×`,
          r.f32Error.toExponential(0),
          r.halfError.toExponential(0),
        ];
      }),
    ),
  ];
}

const size = (bytes: number): string => (bytes >= 2 ** 20 ? `${bytes / 2 ** 20} MiB` : `${bytes / 2 ** 10} KiB`);
const rate = (bytes: number, milliseconds: number): string =>
  `${ms(milliseconds)} ms, ${(bytes / milliseconds / 2 ** 30 / 1e-3).toFixed(2)} GiB/s`;

export function hostSection(host: HostCosts | undefined): string[] {
  if (!host) return [];
  return [
    '## What the host pays',
    'The native calls of a dispatch, microseconds each, in loops of 1000; “finish and submit” is the driver’s recording, per dispatch. The JavaScript around them is the engine’s loop over a step’s dispatches with calls that do nothing, right after the step has run. What a replayed step pays for each dispatch, with its encoder, pass and submit, stands with the training steps.',
    table(
      ['call', 'fastest loop', 'median'],
      host.calls.map(({ name, least, median }) => [name, `${least.toFixed(2)} µs`, `${median.toFixed(2)} µs`]),
    ),
    'Reading a tensor back, from the call to the values, through the staging buffers that the engine keeps:',
    table(
      ['bytes', 'into a new array', 'into the caller’s array'],
      host.reads.map(({ bytes, fresh, reused }) => [size(bytes), rate(bytes, fresh), rate(bytes, reused)]),
    ),
  ];
}
