/** The page's section of the kernel ladder. */
import type { Results } from '../results.ts';
import { percent, spread, table } from './format.ts';

export function ladderSection({ ladder, adapter }: Results): string[] {
  if (ladder.length === 0) return [];
  const repeats = adapter.software
    ? 'from the call to the end of its work, so each time includes one submission and its wait (about 0.1 ms here, below which no kernel shows its own speed).'
    : 'as often in one submission as makes it take some milliseconds, which are divided by the number.';
  return [
    '## Kernel ladder',
    `Every kernel that the engine has, with every variant that runs here: naive first, **bold** is what runs. The variants of a kernel are timed in turn, ${repeats} GB/s counts what any algorithm must move. Ceiling: the larger of its shares of the two ceilings above; Winograd can pass 100 %, since GFLOP/s counts the direct convolution’s operations. Error: largest difference from the first variant, relative to the largest value.`,
    table(
      ['work', 'kernel', 'variant', 'ms', 'GFLOP/s', 'GB/s', 'ceiling', 'error'],
      ladder.map((r) => [
        r.title,
        r.kernel,
        r.chosen ? `**${r.variant}**` : r.variant,
        spread(r.median, r.samples),
        r.gflops.toFixed(1),
        r.gbps.toFixed(1),
        percent(r.ceiling),
        r.error.toExponential(1),
      ]),
    ),
  ];
}
