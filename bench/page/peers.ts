/** The page's section of other engines. */
import type { Ceilings } from '../ceilings.ts';
import { flopsOf } from '../peers/contenders.ts';
import type { PeerRow } from '../results.ts';
import { percent, spread, table, times, unique } from './format.ts';

const shareOfCeiling = (ms: number | undefined, flops: number, { gflops }: Ceilings): string =>
  ms !== undefined && flops > 0 ? percent(flops / ms / 1e6 / gflops) : '–';

export function peerSection(peers: readonly PeerRow[], ceilings: Ceilings): string[] {
  if (peers.length === 0) return [];
  const engines = unique(peers.map((p) => p.engine));
  const comparisons = unique(peers.map((p) => p.comparison));
  const of = (comparison: string, engine: string) =>
    peers.find((p) => p.comparison === comparison && p.engine === engine);
  const rows = comparisons.map((comparison) => {
    const flops = flopsOf(comparison);
    return [
      comparison,
      ...engines.map((engine) => {
        const { median, samples = [] } = of(comparison, engine) ?? {};
        if (median === undefined) return '–';
        const rate = flops > 0 ? `, ${(flops / median / 1e6).toFixed(1)} GFLOP/s` : '';
        return `${spread(median, samples)} ms${rate}`;
      }),
    ];
  });
  const ratios = comparisons.map((comparison) => [
    comparison,
    shareOfCeiling(of(comparison, engines[0])?.median, flopsOf(comparison), ceilings),
    ...engines.slice(1).map((engine) => times(of(comparison, engines[0])?.median, of(comparison, engine)?.median)),
  ]);
  const eigh = 'eigh 32 × 64×64';
  const logEig = 'log-eig 32 × 64×64 forward + backward';
  const across = engines
    .slice(1)
    .map((engine) => ({ engine, ratio: times(of(logEig, engines[0])?.median, of(eigh, engine)?.median) }))
    .filter(({ engine, ratio }) => ratio !== '–' && of(logEig, engine)?.median === undefined);
  const failures = peers.filter((p) => p.failure).map((p) => `- ${p.engine}: ${p.comparison}: ${p.failure}`);
  return [
    '## Against other engines',
    'Milliseconds, median (least–most), one engine after the other in every round, each turn on a quiet machine, all in one process on one device; PyTorch in a process of its own that measures when asked. Convolutions: 3×3, padding 1, batch 8, “64@56” is 64 channels in and out on 56×56. A gradient includes its forward pass for every engine, because the others’ APIs know no other way; GFLOP/s counts two multiply-add passes there, of a direct convolution whatever the algorithm. “–”: the engine cannot do it, or was not asked.',
    table(['work', ...engines], rows),
    `The share of the multiply-add ceiling that ${engines[0]} reaches (Winograd can pass 100 %, since a direct convolution’s operations are counted), and how many times as fast as each engine it is (below 1: slower):`,
    table(['work', 'ceiling', ...engines.slice(1)], ratios),
    ...across.map(
      ({ engine, ratio }) =>
        `${engine} has no gradient of an eigendecomposition: our ${logEig} is ${ratio} as fast as its forward pass alone.`,
    ),
    ...(failures.length > 0 ? [`What failed:\n\n${failures.join('\n')}`] : []),
  ];
}
