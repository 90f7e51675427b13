/** The page's section of training steps. */
import type { Ceilings } from '../ceilings.ts';
import { peakRatios, type StepRow } from '../steps.ts';
import { mib, ms, percent, spread, table, times, unique } from './format.ts';

export function stepSection(steps: readonly StepRow[], { gflops }: Ceilings): string[] {
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
  return [
    '## Training steps',
    [
      'A step is forward, backward and optimiser on a batch that is already on the device; so-dlse and its like are the full width of docs/models.md.',
      'The host’s time of a dispatch is that of a whole run until the queue has it, by the number of its dispatches: JavaScript with its native calls, found with empty caches, since the kernels of the run before went through them; in brackets what of it is the submission, where Dawn and the driver record what the calls have asked for.',
      engines.length > 0
        ? 'PyTorch runs the same step from the same weights and inputs (bench/peers/torch_steps.py, whose networks are those that the models are tested against), in turn with ours, each timed in its own process, activations channels_last for the classifiers. “N× PyTorch” is PyTorch’s time over ours: above 1 we are faster. The loss difference is relative, of the first step from the same weights: it shows that both did the same work. ReEig changes no eigenvalue of these inputs, so both leave its decompositions out, except in the row that says so.'
        : '',
    ].join(' '),
    table(
      [
        'step',
        'batch',
        'kindergrad',
        ...engines.flatMap((engine) => [engine, 'ratio (× PyTorch)', 'loss difference']),
        'GFLOP/s (ceiling)',
        'rounds',
        'first step',
        'dispatches',
        'host per dispatch (submission)',
      ],
      steps.map((s) => [
        s.title,
        s.batch,
        `${spread(s.median, s.samples)} ms`,
        ...peerCells(s),
        `${(s.flops / s.median / 1e6).toFixed(1)} (${percent(s.flops / s.median / 1e6 / gflops)})`,
        s.samples.length,
        `${ms(s.first)} ms`,
        s.dispatches,
        `${s.hostMicroseconds.toFixed(1)} (${s.submissionMicroseconds.toFixed(1)}) µs`,
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
