/** docs/benchmarks.md, written from a run's results and never by hand. */
import { verdictCells, verdicts } from '../goals.ts';
import { isDisturbed } from '../quiet.ts';
import { kindOf, type Results } from '../results.ts';
import { percent, table } from './format.ts';
import { ladderSection } from './ladder.ts';
import { peerSection } from './peers.ts';
import { stepSection } from './steps.ts';
import { hostSection, precisionSection, switchSection } from './switches.ts';

/** What the run says of its turns: that they were quiet, or which share was not. */
function turnsText({ turns }: Results): string {
  const { turns: count, unquiet, meanWaitMs, longestWaitMs, foreign, measured } = turns;
  const how = measured
    ? `This run: ${count} turns, ${meanWaitMs.toFixed(0)} ms of waiting each on average, ${longestWaitMs.toFixed(0)} ms at most; ${unquiet === 0 ? 'all began quiet.' : `**${unquiet} (${percent(unquiet / count)}) began although it was not quiet yet**.`}`
    : `CPU time cannot be read on this system: every one of the ${count} turns began after a fixed pause, **whether it was quiet or not**.`;
  const others = `Work of others took ${percent(foreign)} of the machine’s CPU time meanwhile`;
  return `${how} ${others}${isDisturbed(turns) ? ', **too much for short works: run it again on an idle machine**.' : '.'}`;
}

/** When a turn begins and how long it lasts: by the CPU's rest on a software adapter, by the GPU's clocks on a GPU. */
const turnRules = (results: Results): string[] =>
  results.adapter.software
    ? [
        `- A turn begins when the machine is quiet: when the bench’s process and those of the peers together used less than a tenth of a core over 20 ms, for which it waits half a second at most, the same for every engine. Threads of the engine before would slow a short piece of work that comes next: OpenBLAS keeps a core spinning for 100 ms after each call. Before the first turn it waits longer, up to two minutes, because V8 goes on compiling the WebAssembly of ONNX Runtime for many seconds after its first run. ${turnsText(results)}`,
        '- What takes a second or more runs once in a turn. What is shorter runs for 100 ms, once at least, after a first run that does not count: it finds caches that another engine filled, and a machine that has slept.',
      ]
    : [
        '- A turn begins behind 20 ms of arithmetic on the GPU, the same for every engine: a GPU that idles for milliseconds lowers its clocks.',
        '- What takes 300 ms or more runs once in a turn. What is shorter runs for 30 ms, once at least, after a first run that does not count. The kernel ladder repeats a kernel in one submission until that takes 15 ms.',
      ];

function methodText(results: Results): string {
  const { ceilings, steps, peers } = results;
  const engines = [...peers, ...steps.flatMap((step) => step.peers)].map(({ engine }) => engine);
  return [
    '- What is compared is measured in the same run, in turn: A B C, A B C, …, each after a warm-up that compiles and plans. Times are wall clock from the call until the device is idle, medians over the rounds, with the least and the most in brackets; without brackets it is a single round. What takes long drops out after fewer rounds than the rest; what a goal stands on has three or more. Machines drift: compare within this page only.',
    ...turnRules(results),
    '- Weights of convolutions are plain inputs here: what an algorithm arranges or transforms for them is done, and timed, in every run. VGG16 and so-dlse inference arrange theirs once, as ONNX Runtime does.',
    '- Inputs are normal random numbers, already on the device. Reading results back is not timed (TensorFlow.js reads one element to know that it is done).',
    ...(engines.some((engine) => engine.includes('freed memory kept'))
      ? [
          '- PyTorch with “freed memory kept” has an allocator that keeps what is freed, as kindergrad keeps its buffers: glibc with MALLOC_MMAP_MAX_=0 and a high MALLOC_TRIM_THRESHOLD_. As it comes, glibc returns large blocks to the kernel, which clears their pages anew in every step.',
        ]
      : []),
    `- Ceilings measured in the same run, best of several shapes: **${ceilings.gflops.toFixed(1)} GFLOP/s** of f32 multiply-adds in registers (two operations each), **${ceilings.gbps.toFixed(1)} GB/s** through a kernel (${ceilings.gbpsBy}; read + written). The driver’s own copyBufferToBuffer moves ${ceilings.copyGbps.toFixed(1)} GB/s.`,
    '- `npm run bench -- compare A.json B.json` tells whether two runs differ by more than their noise.',
  ].join('\n');
}

function goalSection(results: Results): string[] {
  const all = verdicts(results);
  const found = all.filter(({ measured }) => measured !== undefined);
  if (found.length === 0) return [];
  const missing = all.filter(({ measured }) => measured === undefined).map(({ goal }) => goal.name);
  return [
    '## Goals',
    `What the project wants to reach on ${results.adapter.software ? 'a CPU' : 'a GPU'}, and what this run measured of it. Of PyTorch’s settings the fastest counts, TF32 apart.`,
    ...(isDisturbed(results.turns) ? ['**Other work disturbed this run: no verdict below is final.**'] : []),
    table(['goal', 'target', 'measured', 'reached'], found.map(verdictCells)),
    ...(missing.length > 0 ? [`Not measured in this run: ${missing.join('; ')}.`] : []),
  ];
}

/** A GPU's driver describes itself, not the card. */
const adapterName = ({ device, description, software }: Results['adapter']): string =>
  software ? description || device : [device, description].filter(Boolean).join(', ');

export function renderPage(results: Results): string {
  const { adapter, machine, ceilings, data } = results;
  const parts = [
    '# Benchmarks',
    `Written by \`${results.command}\` on ${results.date}, at commit ${results.commit}; do not edit. Adapter: **${adapterName(adapter)}** (${kindOf(adapter)}), ${machine.cores} × ${machine.cpu}, Node ${machine.node}.`,
    ...(adapter.software
      ? [
          'Every number on this page is of a **software adapter**: WGSL compiled for the CPU by Mesa’s llvmpipe. They say how the engines compare on this device, and nothing of a GPU.',
        ]
      : []),
    '## Method',
    methodText(results),
    ...goalSection(results),
    ...peerSection(results.peers, ceilings),
    ...stepSection(results.steps, ceilings),
    ...switchSection(results.switches),
    ...precisionSection(results.precision),
    ...hostSection(results.host),
    ...(data
      ? ['## Data', `${data.picturesPerSecond.toFixed(0)} JPEG pictures of ${data.side} pixels decoded per second.`]
      : []),
    ...ladderSection(results),
  ];
  return `${parts.join('\n\n')}\n`;
}
