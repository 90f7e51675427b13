import { type Command, Option } from 'commander';
import { openDevice } from '../../engine/node.ts';
import { oneOrMore, positiveNumber, share, wholeNumber } from '../options.ts';
import { loadDetector, loadFaceLandmarks } from '../prepare/detectors.ts';
import { inTurn } from '../prepare/in-turn.ts';
import { type PrepareOptions, resolveOptions } from '../prepare/options.ts';
import { prepare as prepareFolder } from '../prepare/prepare.ts';
import { formatCounts, formatRun } from '../prepare/report.ts';
import { findShard } from '../prepare/shard.ts';
import { compareOnCpu, compareOnGpu } from '../prepare/ssim.ts';
import { progress } from '../progress.ts';
import type { Verb } from './index.ts';

interface Flags extends Partial<PrepareOptions> {
  batch: number;
  shard?: string;
  dryRun?: boolean;
  compare: 'gpu' | 'cpu';
}

const zeroOrMore = (text: string) => (text.trim() === '0' ? 0 : positiveNumber(text));

export const prepare: Verb = (program) => {
  const command = program
    .command('prepare <in> <out>')
    .summary('cut faces out of photographs and videos')
    .description(
      'Looks at every photograph and video in a folder, finds the one face in each photo and in every 30th frame, and writes it as a 256×256 picture without any metadata, with a manifest that explains every file, kept or not. Nothing leaves this machine. Run it again after a stop or with more files: what is done stays done.',
    );
  addChoices(command);
  command
    .option('--batch <n>', 'pictures the detector looks at together', oneOrMore, 8)
    .option('--shard <i/n>', 'do only this share of the files, e.g. 0/4 (default: from Slurm or Kubernetes)')
    .option('--dry-run', 'write nothing; list the frames that would be dropped for being alike, with scores')
    .addOption(new Option('--compare <where>', 'where SSIM is computed').choices(['gpu', 'cpu']).default('gpu'))
    .addHelpText(
      'after',
      '\nExamples:\n  kindergrad prepare ~/phone/DCIM data/faces\n  kindergrad prepare clips data/faces --detector ssd --turns best --fps 1\n  kindergrad prepare data/labelled data/faces --folders label\n  kindergrad prepare -- -odd-name data/faces',
    )
    .action(run);
};

function addChoices(command: Command): void {
  command
    .addOption(
      new Option('--detector <name>', 'tiny: fast; ssd: slower, finds more').choices(['tiny', 'ssd']).default('tiny'),
    )
    .option('--confidence <c>', 'a face counts from this confidence on', share, 0.5)
    .addOption(
      new Option(
        '--turns <which>',
        'first: upright, then 90°, 180°, 270° until a face appears; best: the surest of all four',
      )
        .choices(['first', 'best'])
        .default('first'),
    )
    .option(
      '--input-size <px>',
      'side of what the tiny detector looks at; larger finds smaller faces',
      wholeNumber,
      416,
    )
    .option('--every <n>', 'take every n-th frame of a video', wholeNumber, 30)
    .option('--fps <n>', 'take so many frames per second instead', positiveNumber)
    .option(
      '--similarity <s>',
      'drop a frame whose SSIM with a kept one is above this; 1 keeps all',
      positiveNumber,
      0.9,
    )
    .option('--near-duplicates', 'also drop faces that look like one from another file')
    .option('--margin <m>', 'room around the face, as a share of its box', zeroOrMore, 0.25)
    .option('--align', 'turn faces so that the eyes lie level')
    .option('--min-face <px>', 'discard smaller faces', wholeNumber, 0)
    .option('--size <px>', 'side of the finished pictures', wholeNumber, 256)
    .option('--max-megapixels <n>', 'discard larger photographs', positiveNumber, 268)
    .addOption(
      new Option('--folders <meaning>', 'what the folders in <in> stand for')
        .choices(['none', 'subject', 'label'])
        .default('none'),
    );
}

async function run(input: string, output: string, flags: Flags): Promise<void> {
  const { batch, shard: shardText, dryRun, compare, ...choices } = flags;
  const options = resolveOptions(choices);
  const shard = findShard(shardText);
  await openDevice();
  const gpu = inTurn();
  const detector = await loadDetector(options, gpu);
  const landmarks = options.align ? await loadFaceLandmarks(gpu) : undefined;
  const line = progress('preparing');
  const stop = stopOnInterrupt();
  try {
    const done = await prepareFolder(input, output, options, {
      detector,
      landmarks,
      compare: compare === 'gpu' ? compareOnGpu(options.similarity, gpu) : compareOnCpu,
      batchSize: batch,
      shard,
      dryRun: dryRun ?? false,
      signal: stop.signal,
      onProgress: line.update,
      onPair: (source, { name, other, score }) => {
        if (dryRun) console.log(`${source}\t${name}\t${other}\t${score.toFixed(4)}`);
      },
    });
    line.finish();
    console.log(formatCounts(done.counts));
    console.log(formatRun(done, options, dryRun ?? false));
    if (!done.complete) process.exitCode = 130;
  } finally {
    line.finish();
    stop.end();
    detector.dispose();
    landmarks?.dispose();
  }
}

/** The first Ctrl-C lets the run end in order; a second one ends it at once. */
function stopOnInterrupt() {
  const controller = new AbortController();
  const onSignal = () => {
    console.error('\nStopping; what is finished is kept. The same command goes on from here.');
    controller.abort();
  };
  process.once('SIGINT', onSignal);
  process.once('SIGTERM', onSignal);
  const end = () => {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  };
  return { signal: controller.signal, end };
}
