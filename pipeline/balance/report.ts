/**
 * One self-contained page about a balancing: what every run of the folder made, from whom, what was kept, why the rest was
 * not, how the pictures came to look as they do, and the losses.
 */
import { access, readdir, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import sharp, { type Sharp } from 'sharp';
import { decodePicture } from '../dataset/decode.ts';
import type { DataSet, Picture } from '../dataset/read.ts';
import { writeFileAtomic } from '../files.ts';
import { type ManifestRow, readManifest } from '../manifest.ts';
import { plural } from '../plural.ts';
import { lineChart, smooth, thin } from '../run/charts.ts';
import { type RunEvent, readEvents, readRunConfig } from '../run/folder.ts';
import { html, page } from '../run/report.ts';
import { type Candidate, candidateFile, readCandidates } from './candidates.ts';
import { type GanRunConfig, ganRunSchema } from './config.ts';
import { embed, filmStrips, gridSlider, sliderScript, spread } from './epochs.ts';
import { discardedAs, isOwnRow } from './generate.ts';
import { countByClass } from './plan.ts';
import { describeQuality } from './quality.ts';
import { readQuality } from './record.ts';
import { byScore, reasonKind } from './select.ts';

/** Pairs of pictures shown of those kept, and of those turned down for one reason; rows of the long table. */
const SHOWN = { kept: 36, discarded: 12, rows: 1000 };

/** A candidate that was decided on, and the row that says how. */
interface Made {
  readonly candidate: Candidate;
  readonly row: ManifestRow;
  readonly source: Picture | undefined;
}

interface Chapter {
  readonly run: string;
  readonly config: GanRunConfig;
  readonly kept: readonly Made[];
  readonly discarded: readonly Made[];
}

/** @returns the path of the page */
export async function writeBalanceReport(out: string, data: DataSet): Promise<string> {
  const counts = [...countByClass(data)].map(([name, n]) => {
    const made = data.pictures.filter((p) => p.generated && data.classes[p.label] === name).length;
    return `<tr><th scope="row">${html(name)}</th><td>${n - made}</td><td>${made}</td><td>${n}</td></tr>`;
  });
  const chapters = await readChapters(out, data);
  const body = [
    '<h1>Balanced classes</h1>',
    '<p>Losses do not tell how good generated pictures are: look at them. They are marked in the manifest; they train, and enter a test only when asked.</p>',
    `<div class="scroll" tabindex="0" role="region" aria-label="Pictures by class"><table><tr><th>class</th><th>real</th><th>generated</th><th>all</th></tr>${counts.join('')}</table></div>`,
    ...(await Promise.all(chapters.map(chapter))),
    sliderScript,
  ];
  const path = join(out, 'report.html');
  await writeFileAtomic(path, page('Balanced classes', body.join('\n'), style));
  return path;
}

/** Every run of the folder that pictures of this data set were recorded from. */
async function readChapters(out: string, data: DataSet): Promise<Chapter[]> {
  const rows = (await readManifest(data.folder)) ?? [];
  const sources = new Map(data.pictures.map((picture) => [picture.name, picture]));
  const chapters: Chapter[] = [];
  for (const name of (await readdir(out)).sort()) {
    const run = join(out, name);
    const isRun = await access(join(run, 'config.json')).then(
      () => true,
      () => false,
    );
    if (!isRun) continue;
    const config = await readRunConfig(run, ganRunSchema);
    if (resolve(config.data) !== resolve(data.folder)) continue;
    const own = new Map(rows.filter((row) => isOwnRow(row, run, config.to)).map((row) => [row.source, row]));
    const made = (await readCandidates(run)).sort(byScore).flatMap((candidate): Made[] => {
      const row = own.get(candidate.source);
      return row ? [{ candidate, row, source: sources.get(candidate.source) }] : [];
    });
    const [kept, discarded] = [true, false].map((is) => made.filter(({ row }) => (row.path !== null) === is));
    chapters.push({ run, config, kept, discarded });
  }
  return chapters;
}

async function chapter({ run, config, kept, discarded }: Chapter): Promise<string> {
  const { from, to, model } = config;
  const events = await readEvents(run);
  const steps = events.filter(({ event }) => event === 'step');
  const quality = await readQuality(run);
  const facts: [string, string][] = [
    ['run', run],
    [
      'trained',
      `${plural(config.epochs, 'epoch')}, ${plural(steps.at(-1)?.step ?? 0, 'step')} at ${model.imageSize} pixels`,
    ],
    ['kept', `${kept.length} of ${kept.length + discarded.length}`],
  ];
  return [
    `<h2>${html(from)} → ${html(to)}</h2>`,
    `<dl class="facts">${facts.map(([name, value]) => `<div><dt>${name}</dt><dd>${html(value)}</dd></div>`).join('')}</dl>`,
    quality ? `<p>Distance from the real ${html(to)} pictures: ${html(describeQuality(quality))}.</p>` : '',
    '<h3>From epoch to epoch</h3>',
    '<p>Pictures that were fixed before the training began.</p>',
    await filmStrips(run, model.imageSize, [from, to]),
    `<details><summary>All fixed pictures, with the way there and back and the identity</summary>${await gridSlider(run)}</details>`,
    `<h3>Kept: ${kept.length}</h3>`,
    `<p>Left the real picture, right what was made of it. Score: the discriminator’s, higher looks more real. SSIM: likeness to the source, 1 is unchanged.${kept.some(({ candidate }) => candidate.target !== undefined) ? ` ${html(to)}: its probability by the classifier.` : ''}</p>`,
    await pairs(run, model.imageSize, spread(kept, SHOWN.kept), ({ candidate }) => scores(candidate, to)),
    kept.length > SHOWN.kept ? `<p>${SHOWN.kept} of them, from the best score to the worst.</p>` : '',
    `<h3>Not kept: ${discarded.length}</h3>`,
    await turnedDown(run, model.imageSize, discarded, to),
    fromWhom(kept),
    '<h3>Losses</h3>',
    `<div class="charts">${curve(steps, ['G_A', 'D_A', 'G_B', 'D_B'])}${curve(steps, ['cycle_A', 'cycle_B', 'idt_A', 'idt_B'])}</div>`,
  ].join('\n');
}

const scores = ({ discriminator, similarity, target }: Candidate, to: string): string =>
  [
    `score ${discriminator.toFixed(2)}`,
    `SSIM ${similarity.toFixed(2)}`,
    ...(target === undefined ? [] : [`${to} ${target.toFixed(2)}`]),
  ].join(', ');

const reasonOf = ({ row }: Made, to: string): string => (row.discarded ?? '').slice(discardedAs(to).length);

/** Source and generated picture side by side; the note says more when pointed at. */
async function pairs(run: string, size: number, list: readonly Made[], note: (made: Made) => string): Promise<string> {
  const figures = await Promise.all(
    list.map(async (made) => {
      const { candidate, source } = made;
      const show = async (picture: Promise<Sharp>, alt: string) =>
        picture.then(
          async (p) => `<img src="${await embed(p.resize(96, 96, { fit: 'cover' }))}" alt="${html(alt)}">`,
          () => '<span class="gone">gone</span>',
        );
      const original = decodePicture(source?.file ?? '', size).then((pixels) =>
        sharp(pixels, { raw: { width: size, height: size, channels: 3 } }),
      );
      const generated = readFile(candidateFile(run, candidate)).then((bytes) => sharp(bytes));
      const title = `made from ${candidate.source} (${candidate.subject})`;
      return `<figure title="${html(title)}"><span>${await show(original, `source, ${candidate.subject}`)}${await show(generated, 'generated')}</span><figcaption>${html(note(made))}<br>${html(candidate.subject)}</figcaption></figure>`;
    }),
  );
  return `<div class="pairs">${figures.join('')}</div>`;
}

async function turnedDown(run: string, size: number, discarded: readonly Made[], to: string): Promise<string> {
  const kinds = new Map<string, Made[]>();
  for (const made of discarded) {
    const kind = reasonKind(reasonOf(made, to));
    kinds.set(kind, [...(kinds.get(kind) ?? []), made]);
  }
  const sections = [...kinds]
    .sort((a, b) => b[1].length - a[1].length)
    .map(async ([kind, list]) => {
      const shown = await pairs(run, size, spread(list, SHOWN.discarded), (made) => {
        const more = reasonOf(made, to).slice(kind.length + 2);
        return more || scores(made.candidate, to);
      });
      return `<details open><summary>${html(kind)}: ${list.length}</summary>${shown}</details>`;
    });
  return (await Promise.all(sections)).join('');
}

function fromWhom(kept: readonly Made[]): string {
  const rows = kept.slice(0, SHOWN.rows).map(({ candidate: c, row }) => {
    const cells = [row.path ?? '', c.source, c.subject].map((text) => `<td>${html(text)}</td>`).join('');
    const figures = [c.discriminator.toFixed(3), c.similarity.toFixed(3), c.target?.toFixed(3) ?? ''];
    return `<tr>${cells}${figures.map((figure) => `<td>${figure}</td>`).join('')}</tr>`;
  });
  const rest = kept.length - rows.length;
  return `<details><summary>Which pictures are generated, and from whom</summary><div class="scroll" tabindex="0" role="region" aria-label="Generated pictures"><table class="list"><tr><th>picture</th><th>made from</th><th>subject</th><th>discriminator</th><th>SSIM</th><th>classifier</th></tr>${rows.join('')}</table></div>${rest > 0 ? `<p>${rest} more are in manifest.jsonl.</p>` : ''}</details>`;
}

function curve(events: readonly RunEvent[], names: readonly string[]): string {
  const series = names.map((name) => {
    const points = events.flatMap((e): [number, number][] =>
      typeof e[name] === 'number' ? [[e.step, e[name] as number]] : [],
    );
    return { name, points: thin(smooth(points, Math.max(1, Math.round(points.length / 60)))) };
  });
  // Without identity loss its curve would lie on the axis.
  const moving = series.filter(({ points }) => points.some(([, loss]) => loss !== 0));
  return `<figure>${lineChart(moving, { xName: 'step', yName: 'loss' })}</figure>`;
}

const style = `
.pairs{display:flex;flex-wrap:wrap;gap:.8rem}.pairs figure{width:196px}.pairs span{display:flex;gap:4px}
.pairs img,.gone{width:96px;height:96px;border-radius:4px}.gone{display:grid;place-items:center;border:1px dashed var(--line);color:var(--soft)}
.film{border-spacing:3px;border-collapse:separate}.film td,.film th{border:0;padding:0;text-align:center}.film img{width:78px;height:78px;border-radius:4px;display:block}
details{margin:.8rem 0}summary{cursor:pointer;padding:.2rem 0}
.slider img{width:100%;max-width:560px}.slider label{display:flex;gap:.6rem;align-items:center;max-width:560px}.slider input{flex:1}
.list td:nth-child(-n+3),.list th:nth-child(-n+3){text-align:left}.list{display:block;overflow-x:auto}
@media(max-width:600px){.film img{width:46px;height:46px}.film th{font-size:.6rem}.tables{overflow-x:auto}}`;
