/** Metrics as text tables: for the terminal, and as Markdown for model cards. */
import Table from 'cli-table3';
import type { ClassMetrics, Metrics } from './metrics.ts';

const percent = (value: number) => (100 * value).toFixed(2);
/** Recall, precision and F1; a class without pictures has none. */
export const figuresOf = (
  { support, recall, precision, f1 }: ClassMetrics,
  format: (value: number) => string,
): string[] => [recall, precision, f1].map((value) => (support === 0 ? '–' : format(value)));
const plain = { head: [], border: [], compact: true };

export interface NamedMetrics {
  name: string;
  metrics: Metrics;
}

/** One row a model or part of the data: recall, precision and F1 of each class, then accuracy; all in percent. */
export function metricsTable(classes: readonly string[], rows: readonly NamedMetrics[]): string {
  const table = new Table({
    style: plain,
    colAligns: ['left', ...Array<'right'>(3 * classes.length + 1).fill('right')],
  });
  const groups = classes.map((name) => ({ content: name, colSpan: 3, hAlign: 'center' as const }));
  table.push([{ content: '', rowSpan: 2 }, ...groups, { content: 'Average accuracy', rowSpan: 2, vAlign: 'bottom' }]);
  table.push(classes.flatMap(() => ['Recall', 'Precision', 'F1']));
  for (const { name, metrics } of rows) {
    table.push([
      `${name} (${metrics.total})`,
      ...metrics.perClass.flatMap((m) => figuresOf(m, percent)),
      percent(metrics.accuracy),
    ]);
  }
  return table.toString();
}

/** Counts with the true class down and the predicted class across. */
export function confusionTable(classes: readonly string[], metrics: Metrics): string {
  const table = new Table({ style: plain, colAligns: ['left', ...classes.map(() => 'right' as const)] });
  table.push(['true \\ predicted', ...classes]);
  for (const [k, row] of metrics.confusion.entries()) table.push([classes[k] ?? '', ...row.map(String)]);
  return table.toString();
}

/** "macro recall 87.88, precision 88.32, F1 87.77". */
export function macroLine({ macro }: Metrics): string {
  return `macro recall ${percent(macro.recall)}, precision ${percent(macro.precision)}, F1 ${percent(macro.f1)}`;
}

/** The same table as metricsTable, in Markdown, one line a class. */
export function metricsMarkdown(classes: readonly string[], metrics: Metrics): string {
  const line = (cells: readonly (string | number)[]) => `| ${cells.join(' | ')} |`;
  return [
    line(['class', 'pictures', 'recall %', 'precision %', 'F1 %']),
    line(['---', '--:', '--:', '--:', '--:']),
    ...metrics.perClass.map((m, k) => line([classes[k] ?? '', m.support, ...figuresOf(m, percent)])),
    line([
      'mean over classes',
      '',
      percent(metrics.macro.recall),
      percent(metrics.macro.precision),
      percent(metrics.macro.f1),
    ]),
    line(['**total accuracy**', metrics.total, `**${percent(metrics.accuracy)}**`, '', '']),
  ].join('\n');
}
