/** The agreement report as HTML: one renderer for the file and for the results page of the studio. */

import { plural } from '../plural.ts';
import type { Estimate, RaterSummary, Summary } from './summary.ts';

/** Attributes of the <img> of a picture: a `src`, or what the page needs to load it with its token. */
export type PictureAttributes = (picture: { id: number; path: string }) => string;

export function renderReport(summary: Summary, picture: PictureAttributes): string {
  return [outcome(summary), agreement(summary), pairs(summary), raters(summary), disputed(summary, picture)].join('\n');
}

function outcome({ status, classes, pictures, markedTwice, minVotes }: Summary): string {
  const all = pictures.length;
  const rows: [string, number, string][] = [
    ...classes.map(({ label, count }): [string, number, string] => [label, count, '']),
    ['error', status.error, 'dropped: not a face, or not clear enough'],
    ['still tied', status.tied, 'tied over both rounds: no majority label; the votes are kept'],
    ['second round', status['second round'], 'tied: the same raters mark them a second time'],
    ['incomplete', status.incomplete, `fewer than ${plural(minVotes, 'vote')}`],
  ];
  return `<section><h2>Labels</h2>${scrolling('Labels')}
<table><thead><tr><th scope="col">Outcome</th><th scope="col" class="number">Pictures</th><th scope="col" class="number">Share</th><th scope="col"><span class="visually-hidden">Meaning</span></th></tr></thead><tbody>
${rows.map(([name, count, note]) => `<tr><th scope="row">${escapeHtml(name)}</th><td class="number">${count}</td><td class="number">${percent(count / all)}</td><td class="note">${escapeHtml(note)}</td></tr>`).join('\n')}
</tbody></table></div>
<p class="note">${plural(all, 'picture')}; ${markedTwice} of them marked twice.</p></section>`;
}

function agreement({ agreement: a, bootstrap }: Summary): string {
  const rows: [string, Estimate, (value: number) => string][] = [
    ['Agreement of two raters', a.percent, percent],
    ['Fleiss’ κ', a.fleiss, decimal],
    ['Krippendorff’s α', a.alpha, decimal],
  ];
  const how =
    bootstrap.replicates > 0
      ? `95 % percentile intervals from ${bootstrap.replicates} resamples of ${plural(bootstrap.units, bootstrap.unit)}.`
      : '';
  return `<section><h2>Agreement</h2>${scrolling('Agreement')}
<table><thead><tr><th scope="col">Statistic</th><th scope="col" class="number">Value</th><th scope="col" class="number">95 % interval</th></tr></thead><tbody>
${rows.map(([name, e, format]) => `<tr><th scope="row">${name}</th><td class="number">${format(e.value)}</td><td class="number">${interval(e, format)}</td></tr>`).join('\n')}
</tbody></table></div>
<p class="note">From the first round: ${plural(a.ratings, 'answer')}; ${plural(a.pictures, 'picture')} with two or more. ${how}</p></section>`;
}

/** Around a table that a narrow window scrolls by itself, also with the keyboard, instead of with the whole page. */
const scrolling = (name: string) => `<div class="scroll" tabindex="0" role="region" aria-label="${escapeHtml(name)}">`;

function pairs({ pairs: list, raters: all }: Summary): string {
  if (list.length === 0) return '';
  const names = all.map(({ name }) => name);
  const cell = (a: string, b: string) => {
    if (a === b) return '<td class="self"></td>';
    const pair = list.find(({ raters: [x, y] }) => (x === a && y === b) || (x === b && y === a));
    if (!pair) return '<td></td>';
    const { kappa, n, observed } = pair;
    const title = `${a} and ${b}: ${plural(n, 'picture')}, ${percent(observed)} the same, κ ${decimal(kappa.value)} ${interval(kappa, decimal)}`;
    return `<td class="number ${shade(kappa.value)}" title="${escapeHtml(title)}">${decimal(kappa.value)}<small>${interval(kappa, decimal)}</small></td>`;
  };
  return `<section><h2>Cohen’s κ of every pair</h2>${scrolling('Cohen’s κ of every pair')}
<table class="matrix"><thead><tr><td></td>${names.map((name) => `<th scope="col">${escapeHtml(name)}</th>`).join('')}</tr></thead><tbody>
${names.map((a) => `<tr><th scope="row">${escapeHtml(a)}</th>${names.map((b) => cell(a, b)).join('')}</tr>`).join('\n')}
</tbody></table></div></section>`;
}

function raters({ raters: list, labels }: Summary): string {
  if (list.length === 0) return '<section><h2>Raters</h2><p>Nobody has answered yet.</p></section>';
  const row = (r: RaterSummary) =>
    `<tr><th scope="row">${escapeHtml(r.name)}</th><td class="number">${r.answers[0]}</td><td class="number">${r.answers[1]}</td><td class="number">${r.undone}</td><td class="number">${Number.isNaN(r.medianSeconds) ? '–' : `${r.medianSeconds.toFixed(1)} s`}</td><td class="number">${percent(r.withMajority)}</td><td class="number">${r.repeats.n === 0 ? '–' : `${percent(r.repeats.observed)} of ${r.repeats.n}, κ ${decimal(r.repeats.kappa)}`}</td></tr>`;
  return `<section><h2>Raters</h2>${scrolling('Raters')}
<table><thead><tr><th scope="col">Rater</th><th scope="col" class="number">Answers</th><th scope="col" class="number">Second round</th><th scope="col" class="number">Undone</th><th scope="col" class="number">Median time</th><th scope="col" class="number">As the majority</th><th scope="col" class="number">Same answer on repeats</th></tr></thead><tbody>
${list.map(row).join('\n')}
</tbody></table></div>
<h3>Against the majority</h3><p class="note">Rows: the majority label. Columns: the rater’s first answer.</p>
<div class="confusions">${list.map((r) => confusion(r, labels)).join('\n')}</div></section>`;
}

function confusion({ name, confusion: table }: RaterSummary, labels: readonly string[]): string {
  const cells = (row: number[]) => {
    const total = row.reduce((a, b) => a + b, 0);
    return row.map((n) => `<td class="number ${total > 0 ? shade(n / total) : ''}">${n}</td>`).join('');
  };
  return `${scrolling(`${name} against the majority`)}<table class="matrix"><caption>${escapeHtml(name)}</caption><thead><tr><td></td>${labels.map((l) => `<th scope="col">${escapeHtml(l)}</th>`).join('')}</tr></thead><tbody>
${table.map((row, k) => `<tr><th scope="row">${escapeHtml(labels[k] ?? '')}</th>${cells(row)}</tr>`).join('\n')}
</tbody></table></div>`;
}

function disputed({ disputed: list, labels }: Summary, picture: PictureAttributes): string {
  if (list.length === 0)
    return '<section><h2>Most disputed pictures</h2><p>No two raters disagree on any picture.</p></section>';
  const figure = (p: Summary['disputed'][number]) => {
    const most = Math.max(...p.votes);
    const bars = labels
      .map((label, k) => {
        const votes = p.votes[k] ?? 0;
        return `<tr><th scope="row">${escapeHtml(label)}</th><td class="number">${votes}</td><td><svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true"><rect width="${Math.round((100 * votes) / most)}" height="8"/></svg></td></tr>`;
      })
      .join('');
    const name = p.label ?? p.status;
    return `<figure><img ${picture(p)} alt="${escapeHtml(p.path)}" loading="lazy"><figcaption><b>${escapeHtml(name)}</b> <span class="note path">${escapeHtml(p.path)}</span><table class="votes"><tbody>${bars}</tbody></table></figcaption></figure>`;
  };
  return `<section><h2>Most disputed pictures</h2><p class="note">By the entropy of the label distribution, the most even first.</p>
<div class="disputed">${list.map(figure).join('\n')}</div></section>`;
}

export function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

export const percent = (share: number) => (Number.isFinite(share) ? `${(100 * share).toFixed(1)} %` : '–');
export const decimal = (value: number) => (Number.isFinite(value) ? value.toFixed(3).replace('-', '−') : '–');
export const interval = ({ low, high }: { low: number; high: number }, format: (value: number) => string) =>
  Number.isFinite(low) && Number.isFinite(high) ? `[${format(low)}, ${format(high)}]` : '';

/** One of eleven shades, 0 to 1. */
const shade = (value: number) =>
  Number.isFinite(value) ? `shade-${Math.round(10 * Math.min(1, Math.max(0, value)))}` : '';
