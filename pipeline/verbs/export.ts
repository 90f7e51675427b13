import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Option } from 'commander';
import { formatBytes } from '../../engine/index.ts';
import { type ExportFormat, exportFormats } from '../export/formats.ts';
import type { CheckpointName } from '../run/checkpoint.ts';
import type { Verb } from './index.ts';

interface Flags {
  format: ExportFormat;
  checkpoint?: CheckpointName;
  out?: string;
}

export const exportVerb: Verb = (program) => {
  program
    .command('export <run>')
    .summary('write a trained classifier for other programs')
    .description(
      "Writes a run's classifier as safetensors (PyTorch's names and shapes) or as ONNX (opset 17, standard operators), and beside it a .json with class names and preprocessing. docs/export.md shows how to use them.",
    )
    .addOption(new Option('--format <name>', 'what to write').choices(exportFormats).default('safetensors'))
    .addOption(new Option('--checkpoint <name>', 'default: best where the run chose one').choices(['best', 'last']))
    .option('--out <path>', 'without ending (default: RUN/export/MODEL)')
    .addHelpText(
      'after',
      `
Examples:
  kindergrad export runs/faces --format onnx
  kindergrad export runs/faces --out faces-classifier`,
    )
    .action(async (run: string, { format, checkpoint, out }: Flags) => {
      const { openTrained } = await import('../evaluate/trained.ts');
      const { exportRun } = await import('../export/export.ts');
      const trained = await openTrained(run, checkpoint);
      const target = out ?? join(run, 'export', trained.config.model);
      const paths = await exportRun(trained, format, target);
      trained.network.dispose();
      for (const path of paths) console.log(`${path}  ${formatBytes((await stat(path)).size)}`);
    });
};
