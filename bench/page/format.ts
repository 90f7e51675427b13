/** How the page writes numbers and tables. */
export const ms = (value: number): string =>
  value >= 100 ? value.toFixed(0) : value >= 1 ? value.toFixed(1) : value.toFixed(3);
export const percent = (value: number): string => `${(100 * value).toFixed(0)} %`;
export const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(0)} MiB`;
export const table = (head: readonly string[], rows: readonly (readonly (string | number)[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');

/** Median, then least and most in brackets. */
export const spread = (median: number, samples: readonly number[]): string =>
  samples.length > 1 ? `${ms(median)} (${ms(Math.min(...samples))}–${ms(Math.max(...samples))})` : ms(median);

/** How fast we are beside an engine, as a multiple of its speed. */
export const times = (ours: number | undefined, theirs: number | undefined): string =>
  ours && theirs ? `${(theirs / ours).toFixed(2)}×` : '–';

export const unique = (values: readonly string[]): string[] => [...new Set(values)];
