/** docs/benchmarks.md, written from a run's results and never by hand. */
import { flopsOf } from './peers/contenders.ts';
import { kindOf, type Results } from './results.ts';

const ms = (value: number): string =>
  value >= 100 ? value.toFixed(0) : value >= 1 ? value.toFixed(1) : value.toFixed(3);
const percent = (value: number): string => `${(100 * value).toFixed(0)} %`;
const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
const table = (head: readonly string[], rows: readonly (readonly (string | number)[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');

function peerTable(results: Results): string {
  const engines = [...new Set(results.peers.map((p) => p.engine))];
  const comparisons = [...new Set(results.peers.map((p) => p.comparison))];
  const rows = comparisons.map((comparison) => {
    const of = (engine: string) => results.peers.find((p) => p.comparison === comparison && p.engine === engine);
    const ours = of(engines[0])?.median;
    const flops = flopsOf(comparison);
    return [
      comparison,
      ...engines.map((engine, i) => {
        const median = of(engine)?.median;
        if (median === undefined) return '–';
        const rate = flops > 0 ? `, ${(flops / median / 1e6).toFixed(1)} GFLOP/s` : '';
        const ratio = i > 0 && ours ? ` (${(median / ours).toFixed(2)}×)` : '';
        return `${ms(median)} ms${rate}${ratio}`;
      }),
    ];
  });
  return table(['work', ...engines], rows);
}

export function renderPage(results: Results): string {
  const { adapter, machine, ceilings } = results;
  const parts = [
    '# Benchmarks',
    `Written by \`${results.command}\` on ${results.date}; do not edit. Adapter: **${adapter.description || adapter.device}** (${kindOf(adapter)}), ${machine.cores} × ${machine.cpu}, Node ${machine.node}.`,
    `Ceilings measured in the same run: ${ceilings.gflops.toFixed(1)} GFLOP/s of f32 multiply-adds in registers, ${ceilings.gbps.toFixed(1)} GB/s of a copy kernel (read + written). Times are medians; machines drift, so compare within this page only.`,
  ];
  if (results.peers.length > 0) {
    parts.push(
      '## Against other engines',
      'WebGPU engines on the same device in the same run, in turn; PyTorch in a process of its own. In brackets: how many times our time the other takes. A gradient includes its forward pass for every engine.',
      peerTable(results),
    );
    const failures = results.peers.filter((p) => p.failure).map((p) => `- ${p.engine}: ${p.comparison}: ${p.failure}`);
    if (failures.length > 0) parts.push(failures.join('\n'));
  }
  if (results.steps.length > 0) {
    parts.push(
      '## Training steps',
      table(
        [
          'step',
          'batch',
          'median',
          'first',
          'dispatches',
          'host per dispatch',
          'temporaries (unshared)',
          'dominant kernels',
        ],
        results.steps.map((s) => [
          s.title,
          s.batch,
          `${ms(s.median)} ms`,
          `${ms(s.first)} ms`,
          s.dispatches,
          `${s.hostMicroseconds.toFixed(1)} µs`,
          `${mib(s.temporaryBytes)} (${mib(s.unsharedBytes)})`,
          s.dominant
            .slice(0, 3)
            .map((d) => `${d.kernel} ${percent(d.share)}`)
            .join(', '),
        ]),
      ),
    );
  }
  if (results.data) {
    parts.push(
      '## Data',
      `${results.data.picturesPerSecond.toFixed(0)} JPEG pictures of ${results.data.side} pixels decoded per second.`,
    );
  }
  if (results.ladder.length > 0) {
    parts.push(
      '## Kernel ladder',
      'Every variant of every kernel, naive first; **bold** is what runs untuned. Ceiling: share of the nearer of the two. Error: largest difference from the naive variant, relative to the largest value.',
      table(
        ['work', 'kernel', 'variant', 'median', 'GFLOP/s', 'GB/s', 'ceiling', 'error'],
        results.ladder.map((r) => [
          r.title,
          r.kernel,
          r.chosen ? `**${r.variant}**` : r.variant,
          `${ms(r.median)} ms`,
          r.gflops.toFixed(1),
          r.gbps.toFixed(1),
          percent(r.ceiling),
          r.error.toExponential(1),
        ]),
      ),
    );
  }
  return `${parts.join('\n\n')}\n`;
}
