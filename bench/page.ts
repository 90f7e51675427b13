/** docs/benchmarks.md, written from a run's results and never by hand. */
import { flopsOf } from './peers/contenders.ts';
import { kindOf, type PeerRow, type Results } from './results.ts';
import { peakRatios, type StepRow } from './steps.ts';

const ms = (value: number): string =>
  value >= 100 ? value.toFixed(0) : value >= 1 ? value.toFixed(1) : value.toFixed(3);
const percent = (value: number): string => `${(100 * value).toFixed(0)} %`;
const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
const table = (head: readonly string[], rows: readonly (readonly (string | number)[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');

/** Median, then least and most in brackets. */
const spread = (median: number, samples: readonly number[]): string =>
  samples.length > 1 ? `${ms(median)} (${ms(Math.min(...samples))}–${ms(Math.max(...samples))})` : ms(median);

/** How fast we are beside an engine, as a multiple of its speed. */
const times = (ours: number | undefined, theirs: number | undefined): string =>
  ours && theirs ? `${(theirs / ours).toFixed(2)}×` : '–';

const unique = (values: readonly string[]): string[] => [...new Set(values)];

function peerSection(peers: readonly PeerRow[]): string[] {
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
    'Milliseconds, median (least–most), one engine after the other in every round, all in one process on one device; PyTorch in a process of its own that measures when asked. Convolutions: 3×3, padding 1, batch 8, “64@56” is 64 channels in and out on 56×56. A gradient includes its forward pass for every engine, because the others’ APIs know no other way; GFLOP/s counts two multiply-add passes there, of a direct convolution whatever the algorithm. “–”: the engine cannot do it, or was not asked.',
    table(['work', ...engines], rows),
    `How many times faster than each engine kindergrad is (below 1: slower):`,
    table(['work', ...engines.slice(1)], ratios),
    ...across.map(
      ({ engine, ratio }) =>
        `${engine} has no gradient of an eigendecomposition: our ${logEig} is ${ratio} as fast as its forward pass alone.`,
    ),
    ...(failures.length > 0 ? [`What failed:\n\n${failures.join('\n')}`] : []),
  ];
}

function stepSection(steps: readonly StepRow[]): string[] {
  if (steps.length === 0) return [];
  const engines = unique(steps.flatMap((s) => s.peers.map((p) => p.engine)));
  const peerCells = (s: StepRow): string[] =>
    engines.flatMap((engine) => {
      const peer = s.peers.find((p) => p.engine === engine);
      if (!peer) return ['–', '–', '–'];
      return [
        `${spread(peer.median, peer.samples)} ms`,
        times(s.median, peer.median),
        peer.lossDifference.toExponential(0),
      ];
    });
  const gradients = engines.length > 0;
  return [
    '## Training steps',
    [
      'A step is forward, backward and optimiser on a batch that is already on the device; so-dlse and its like are the full width of docs/models.md.',
      gradients
        ? 'PyTorch runs the same step from the same weights and inputs (bench/peers/torch_steps.py, whose networks are those that the models are tested against), in turn with ours, each timed in its own process, activations channels_last for the classifiers. “N× PyTorch” is PyTorch’s time over ours: above 1 we are faster. The loss difference is relative, of the first step from the same weights: it shows that both did the same work. ReEig changes no eigenvalue of these inputs, so both leave its decompositions out, except in the row that says so.'
        : '',
    ].join(' '),
    table(
      [
        'step',
        'batch',
        'kindergrad',
        ...engines.flatMap((engine) => [engine, 'ratio (× PyTorch)', 'loss difference']),
        'rounds',
        'first step',
        'dispatches',
        'host per dispatch',
      ],
      steps.map((s) => [
        s.title,
        s.batch,
        `${spread(s.median, s.samples)} ms`,
        ...peerCells(s),
        s.samples.length,
        `${ms(s.first)} ms`,
        s.dispatches,
        `${s.hostMicroseconds.toFixed(1)} µs`,
      ]),
    ),
    'Where the time goes (GPU timestamps, each dispatch in a pass of its own):',
    table(
      ['step', 'kernels with the largest share'],
      steps.map((s) => [s.title, s.dominant.map((d) => `${d.kernel} ${percent(d.share)}`).join(', ')]),
    ),
    '### Memory of a step',
    'Peak: all buffers at once, highest during the run. Saved: what the forward pass keeps for the backward pass, weights and inputs not counted. Temporaries: the buffers that a program shares between values whose lives do not overlap, and what those would take without sharing. State: saved + weights + gradients + optimiser moments, the least that a step without rematerialisation needs.',
    table(
      [
        'step',
        'peak',
        'temporaries (unshared)',
        'saved',
        'weights',
        'optimiser',
        'peak / (saved + weights)',
        'peak / state',
      ],
      steps.map(({ title, memory: m }) => [
        title,
        mib(m.peakBytes),
        `${mib(m.temporaryBytes)} (${mib(m.unsharedBytes)})`,
        mib(m.savedBytes),
        mib(m.weightBytes),
        mib(m.optimizerBytes),
        `${peakRatios(m).least.toFixed(2)}×`,
        `${peakRatios(m).state.toFixed(2)}×`,
      ]),
    ),
  ];
}

function ladderSection({ ladder }: Results): string[] {
  if (ladder.length === 0) return [];
  return [
    '## Kernel ladder',
    'Every kernel that the engine has, with every variant that runs here: naive first, **bold** is what runs. The variants of a kernel are timed in turn, from the call to the end of its work, so each time includes one submission and its wait (about 0.1 ms here, below which no kernel shows its own speed). GB/s counts what any algorithm must move. Ceiling: the larger of its shares of the two ceilings above; Winograd can pass 100 %, since GFLOP/s counts the direct convolution’s operations. Error: largest difference from the first variant, relative to the largest value.',
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

export function renderPage(results: Results): string {
  const { adapter, machine, ceilings, data } = results;
  const parts = [
    '# Benchmarks',
    `Written by \`${results.command}\` on ${results.date}, at commit ${results.commit}; do not edit. Adapter: **${adapter.description || adapter.device}** (${kindOf(adapter)}), ${machine.cores} × ${machine.cpu}, Node ${machine.node}.`,
    ...(adapter.software
      ? [
          'Every number on this page is of a **software adapter**: WGSL compiled for the CPU by Mesa’s llvmpipe. They say how the engines compare on this device, and nothing of a GPU.',
        ]
      : []),
    '## Method',
    [
      '- What is compared is measured in the same run, in turn: A B C, A B C, …, each after a warm-up that compiles and plans. Times are wall clock from the call until the device is idle, medians over the rounds, with the least and the most in brackets; without brackets it is a single round, of work that takes too long for more. Machines drift: compare within this page only.',
      '- Turns follow each other without a pause. Threads of the engine before may still spin for some milliseconds (the WebAssembly pool of ONNX Runtime does), which slows a short piece of work that comes next: PyTorch, whose turn comes after it, suffers most: look at the least of its samples too, and do not take its times of short works for what it does alone.',
      '- Weights of convolutions are plain inputs here: what an algorithm arranges or transforms for them is done, and timed, in every run. VGG16 and so-dlse inference arrange theirs once, as ONNX Runtime does.',
      '- Inputs are normal random numbers, already on the device. Reading results back is not timed (TensorFlow.js reads one element to know that it is done).',
      `- Ceilings measured in the same run, best of several shapes: **${ceilings.gflops.toFixed(1)} GFLOP/s** of f32 multiply-adds in registers (two operations each), **${ceilings.gbps.toFixed(1)} GB/s** through a kernel (${ceilings.gbpsBy}; read + written). The driver’s own copyBufferToBuffer moves ${ceilings.copyGbps.toFixed(1)} GB/s, which no kernel here reaches.`,
      '- `npm run bench -- compare A.json B.json` tells whether two runs differ by more than their noise.',
    ].join('\n'),
    ...peerSection(results.peers),
    ...stepSection(results.steps),
    ...(data
      ? ['## Data', `${data.picturesPerSecond.toFixed(0)} JPEG pictures of ${data.side} pixels decoded per second.`]
      : []),
    ...ladderSection(results),
  ];
  return `${parts.join('\n\n')}\n`;
}
