/** report.html: one self-contained page about a training run. */
import { readFile } from 'node:fs/promises';
import sharp from 'sharp';
import type { Evaluation } from '../evaluate/evaluation.ts';
import type { Metrics } from '../evaluate/metrics.ts';
import { figuresOf } from '../evaluate/table.ts';
import { plural } from '../plural.ts';
import { lineChart, type Series, smooth, thin } from './charts.ts';
import type { RunEvent } from './folder.ts';

export interface ReportInput {
  title: string;
  /** Short facts under the title: model, data, device, duration. */
  facts: readonly (readonly [string, string])[];
  classes: readonly string[];
  events: readonly RunEvent[];
  evaluation: Evaluation;
  skipped: readonly { name: string; reason: string }[];
  config: unknown;
}

/** Text made safe to stand in a page. */
export const html = (text: unknown) => String(text).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
const percent = (value: number) => `${(100 * value).toFixed(1)} %`;

export async function renderReport(input: ReportInput): Promise<string> {
  const { all, real, generated } = input.evaluation;
  const parts: string[] = [
    `<h1>${html(input.title)}</h1>`,
    `<dl class="facts">${input.facts.map(([name, value]) => `<div><dt>${html(name)}</dt><dd>${html(value)}</dd></div>`).join('')}</dl>`,
    `<p class="score"><b>${percent(all.accuracy)}</b> of ${plural(all.total, 'held-out picture')} right <span>(mean recall over the classes ${percent(all.macro.recall)})</span></p>`,
    ...(input.evaluation.caveat ? [`<p class="caveat">${html(input.evaluation.caveat)}</p>`] : []),
    '<h2>Training</h2>',
    `<div class="charts">${curves(input.events)
      .map((svg) => `<figure>${svg}</figure>`)
      .join('')}</div>`,
    '<h2>Test</h2>',
    `<div class="tables">${confusion(input.classes, all)}${perClass(input.classes, all)}</div>`,
  ];
  if (generated && real) {
    parts.push(
      `<p>Real pictures alone: ${percent(real.accuracy)} of ${real.total}. Generated pictures alone: ${percent(generated.accuracy)} of ${generated.total}.</p>`,
    );
  }
  parts.push('<h2>Pictures</h2>', await samples(input));
  if (input.skipped.length > 0) {
    const shown = input.skipped
      .slice(0, 200)
      .map(({ name, reason }) => `<li><code>${html(name)}</code> ${html(reason)}</li>`);
    parts.push(`<h2>Left out: ${plural(input.skipped.length, 'file')}</h2><ul>${shown.join('')}</ul>`);
  }
  parts.push(
    `<details><summary>Every option of this run</summary><pre>${html(JSON.stringify(input.config, null, 2))}</pre></details>`,
  );
  return page(input.title, parts.join('\n'));
}

/** A self-contained page in the project's plain style, light and dark. @param more styles of its own */
export function page(title: string, body: string, more = ''): string {
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${html(title)}</title><style>${style}${more}</style></head><body><main>${body}</main></body></html>\n`;
}

function series(
  events: readonly RunEvent[],
  kind: RunEvent['event'],
  key: string,
  x: 'step' | 'epoch',
): [number, number][] {
  return events.flatMap((event) => {
    const value = event[key];
    return event.event === kind && typeof value === 'number' ? [[event[x], value] as [number, number]] : [];
  });
}

function curves(events: readonly RunEvent[]): string[] {
  const steps = series(events, 'step', 'loss', 'step');
  const window = Math.max(1, Math.round(steps.length / 40));
  const charts = [
    lineChart(
      [
        { name: 'loss', points: thin(steps), faint: true },
        { name: `loss, mean of ${window} steps`, points: thin(smooth(steps, window)) },
      ],
      { xName: 'step', yName: 'loss' },
    ),
  ];
  const accuracy: Series[] = [
    { name: 'training accuracy', points: series(events, 'epoch', 'trainAccuracy', 'epoch') },
    { name: 'validation accuracy', points: series(events, 'epoch', 'valAccuracy', 'epoch') },
  ].filter(({ points }) => points.length > 0);
  if (accuracy.length > 0) charts.push(lineChart(accuracy, { xName: 'epoch', yName: 'accuracy', yMax: 1 }));
  const parts: Series[] = [
    { name: 'cross-entropy', points: thin(smooth(series(events, 'step', 'crossEntropy', 'step'), window)) },
    { name: 'distance loss', points: thin(smooth(series(events, 'step', 'distanceLoss', 'step'), window)) },
  ].filter(({ points }) => points.length > 0);
  if (parts.length > 1) charts.push(lineChart(parts, { xName: 'step', yName: 'parts of the loss' }));
  charts.push(
    lineChart([{ name: 'learning rate', points: thin(series(events, 'step', 'lr', 'step')) }], {
      xName: 'step',
      yName: '',
    }),
  );
  return charts;
}

function confusion(classes: readonly string[], metrics: Metrics): string {
  const head = classes.map((name) => `<th>${html(name)}</th>`).join('');
  const rows = metrics.confusion.map((row, k) => {
    const support = Math.max(1, metrics.perClass[k]?.support ?? 0);
    const cells = row.map((count, j) => {
      const colour = j === k ? '59,130,196' : '217,119,43';
      return `<td style="background:rgba(${colour},${(0.75 * count) / support})">${count}</td>`;
    });
    return `<tr><th>${html(classes[k])}</th>${cells.join('')}</tr>`;
  });
  return `<div class="scroll" tabindex="0" role="region" aria-label="Confusion matrix"><table class="confusion"><caption>True class down, prediction across</caption><tr><td></td>${head}</tr>${rows.join('')}</table></div>`;
}

function perClass(classes: readonly string[], metrics: Metrics): string {
  const rows = metrics.perClass.map(
    (m, k) =>
      `<tr><th>${html(classes[k])}</th>${[m.support, ...figuresOf(m, percent)].map((cell) => `<td>${cell}</td>`).join('')}</tr>`,
  );
  const { recall, precision, f1 } = metrics.macro;
  return `<div class="scroll" tabindex="0" role="region" aria-label="Per class"><table><caption>Per class</caption><tr><td></td><th>pictures</th><th>recall</th><th>precision</th><th>F1</th></tr>${rows.join('')}<tr><th>mean</th><td></td><td>${percent(recall)}</td><td>${percent(precision)}</td><td>${percent(f1)}</td></tr></table></div>`;
}

/** Mistakes first, the surest ones in front: they teach the most. Then pictures that were told apart. */
async function samples({ evaluation, classes }: ReportInput): Promise<string> {
  const sure = [...evaluation.predictions].sort((a, b) => Math.max(...b.probabilities) - Math.max(...a.probabilities));
  const wrong = sure.filter(({ picture, predicted }) => predicted !== picture.label);
  const right = classes.flatMap((_, k) => sure.filter((p) => p.predicted === k && p.picture.label === k).slice(0, 6));
  const grid = async (list: typeof sure) => {
    const figures = await Promise.all(
      list.map(async ({ picture, predicted, probabilities }) => {
        const jpeg = await sharp(await readFile(picture.file))
          .autoOrient()
          .resize(112, 112, { fit: 'cover' })
          .jpeg({ quality: 80 })
          .toBuffer();
        const text =
          predicted === picture.label
            ? html(classes[predicted])
            : `${html(classes[picture.label])}, taken for <b>${html(classes[predicted])}</b>`;
        return `<figure><img alt="" src="data:image/jpeg;base64,${jpeg.toString('base64')}"><figcaption>${text}<br>${percent(probabilities[predicted] ?? 0)} sure</figcaption></figure>`;
      }),
    );
    return `<div class="grid">${figures.join('')}</div>`;
  };
  const mistakes =
    wrong.length > 0
      ? `<h3>Mistakes (${Math.min(24, wrong.length)} of ${wrong.length})</h3>${await grid(wrong.slice(0, 24))}`
      : '<p>No mistakes.</p>';
  return `${mistakes}<h3>Right</h3>${await grid(right)}`;
}

const style = `
:root{color-scheme:light dark;--text:#1d2229;--soft:#5d6673;--line:#d9dde3;--ground:#fff}
@media(prefers-color-scheme:dark){:root{--text:#e7eaee;--soft:#9aa3ae;--line:#363c45;--ground:#15181c}}
body{margin:0;background:var(--ground);color:var(--text);font:15px/1.5 system-ui,sans-serif}
main{max-width:1300px;margin:auto;padding:2rem 1.5rem 4rem}
h1{font-size:1.6rem;margin:0 0 1rem}h2{margin:2.5rem 0 .8rem;border-bottom:1px solid var(--line);padding-bottom:.3rem}h3{margin:1.4rem 0 .6rem}
.facts{display:flex;flex-wrap:wrap;gap:.4rem 2rem;margin:0}.facts dt{color:var(--soft);font-size:.8rem}.facts dd{margin:0}
.score{font-size:1.15rem}.score b{font-size:2rem}.score span,caption,figcaption{color:var(--soft)}
.caveat{border-left:4px solid #d9772b;padding-left:.8rem}
.charts,.tables,.grid{display:flex;flex-wrap:wrap;gap:1rem;align-items:flex-start}
figure{margin:0}.charts figure{flex:1 1 460px;max-width:640px}.charts svg{width:100%;height:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}caption{text-align:left;padding-bottom:.4rem}
th,td{padding:.35rem .8rem;border:1px solid var(--line);text-align:right;white-space:nowrap}th{font-weight:600}.scroll{overflow-x:auto;max-width:100%}
.tables{gap:3rem}.grid figure{width:112px}.grid img{width:112px;height:112px;border-radius:6px;display:block}
figcaption{font-size:.75rem;line-height:1.35;padding-top:.25rem}.charts img{max-width:100%}pre{overflow:auto;font-size:.8rem}`;
