import { formatBytes } from '../../engine/node.ts';
import { type AdapterReport, type Diagnosis, diagnose, type Finding } from '../doctor.ts';
import type { Verb } from './index.ts';

export const doctor: Verb = (program) => {
  program
    .command('doctor')
    .summary('what this machine has and lacks, and what to do about it')
    .description(
      'Looks at the adapter, its driver and limits, the caches, memory, disk and ffmpeg. Exits with 1 when training cannot run here.',
    )
    .option('--json', 'print the findings as JSON')
    .addHelpText('after', '\nExample:\n  kindergrad doctor --json > doctor.json')
    .action(async (options: { json?: boolean }) => {
      const diagnosis = await diagnose();
      console.log(options.json ? JSON.stringify(diagnosis, null, 2) : inWords(diagnosis));
      if (!diagnosis.canTrain) process.exitCode = 1;
    });
};

function inWords({ versions, adapters, findings, canTrain }: Diagnosis): string {
  const lines = [
    Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(' · '),
    '',
  ];
  for (const adapter of adapters) lines.push(...adapterLines(adapter), '');
  const width = Math.max(...findings.map((finding) => finding.subject.length));
  for (const finding of findings) lines.push(...findingLines(finding, width));
  lines.push('', verdict(canTrain, adapters[0]));
  return lines.join('\n');
}

/** The optional features that some kernel, or the profiler, makes use of; --json lists all. */
const used = ['subgroups', 'subgroup-size-control', 'shader-f16', 'timestamp-query'];

function adapterLines({ name, driver, software, subgroupSizes, features, limits }: AdapterReport): string[] {
  const { maxBufferSize = 0, maxStorageBufferBindingSize = 0 } = limits;
  const { maxComputeInvocationsPerWorkgroup, maxComputeWorkgroupStorageSize = 0 } = limits;
  return [
    `${name} (${software ? 'software, on the CPU' : 'hardware'})`,
    `  driver     ${driver || 'unnamed'}`,
    `  subgroups  ${subgroupSizes} lanes`,
    `  memory     largest buffer ${formatBytes(maxBufferSize)}, largest binding ${formatBytes(maxStorageBufferBindingSize)}`,
    `  workgroup  ${maxComputeInvocationsPerWorkgroup} invocations, ${formatBytes(maxComputeWorkgroupStorageSize)} shared`,
    `  features   ${used.filter((name) => features.includes(name)).join(', ') || 'none of those used'}`,
  ];
}

const signs = { fine: '✓', lacking: '!', blocking: '✗' };

function findingLines({ subject, state, found, remedy }: Finding, width: number): string[] {
  const line = `${signs[state]} ${subject.padEnd(width)}  ${found}`;
  return remedy ? [line, `  ${' '.repeat(width)}  → ${remedy}`] : [line];
}

function verdict(canTrain: boolean, adapter: AdapterReport | undefined): string {
  if (!canTrain) return 'Training cannot run on this machine yet.';
  return adapter?.software ? 'Training runs here, on the CPU.' : 'Training runs here.';
}
