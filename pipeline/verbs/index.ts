import type { Command } from 'commander';
import { aggregate } from './aggregate.ts';
import { balance } from './balance.ts';
import { doctor } from './doctor.ts';
import { evaluate } from './evaluate.ts';
import { exportVerb } from './export.ts';
import { exportLabelsVerb } from './export-labels.ts';
import { importLabels } from './import-labels.ts';
import { label } from './label.ts';
import { merge } from './merge.ts';
import { predict } from './predict.ts';
import { prepare } from './prepare.ts';
import { pretrain } from './pretrain.ts';
import { summary } from './summary.ts';
import { synth } from './synth.ts';
import { train } from './train.ts';
import { tune } from './tune.ts';

/**
 * Adds one verb to the command line. A verb file parses options, prints, and calls one function of pipeline/; the work
 * itself lives there. Every verb has a summary, and an example through `addHelpText('after', …)`.
 */
export type Verb = (program: Command) => void;

/** In the order of the pipeline, which is the order of `kindergrad --help`. */
export const verbs: readonly Verb[] = [
  synth,
  prepare,
  merge,
  label,
  aggregate,
  exportLabelsVerb,
  importLabels,
  balance,
  pretrain,
  train,
  evaluate,
  predict,
  exportVerb,
  summary,
  tune,
  doctor,
];
