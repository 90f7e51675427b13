/** One self-contained page about a balancing: loss curves, the grids, what was kept and why the rest was not. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import type { DataSet } from '../dataset/read.ts';
import { writeFileAtomic } from '../files.ts';
import { lineChart, smooth, thin } from '../run/charts.ts';
import { type RunEvent, readEvents } from '../run/folder.ts';
import { html, page } from '../run/report.ts';
import { describeQuality, type TaskOutcome } from './balance.ts';
import { countByClass } from './plan.ts';
import type { Candidate } from './select.ts';

const dataUrl = (bytes: Uint8Array): string => `data:image/png;base64,${Buffer.from(bytes).toString('base64')}`;

async function thumbnail({ pixels, size }: Candidate): Promise<string> {
  return dataUrl(
    await sharp(pixels, { raw: { width: size, height: size, channels: 3 } })
      .resize(72, 72)
      .png()
      .toBuffer(),
  );
}

async function pictures(candidates: readonly { candidate: Candidate; note: string }[]): Promise<string> {
  const cells = await Promise.all(
    candidates
      .slice(0, 48)
      .map(
        async ({ candidate, note }) =>
          `<img src="${await thumbnail(candidate)}" alt="${html(note)}" title="${html(`${candidate.source}: ${note}`)}">`,
      ),
  );
  return `<div class="tiles">${cells.join('')}</div>`;
}

function curve(events: readonly RunEvent[], names: readonly string[]): string {
  const series = names.map((name) => {
    const points = events.flatMap((e): [number, number][] =>
      typeof e[name] === 'number' ? [[e.step, e[name] as number]] : [],
    );
    return { name, points: thin(smooth(points, Math.max(1, Math.round(points.length / 60)))) };
  });
  return `<figure>${lineChart(series, { xName: 'step', yName: 'loss' })}</figure>`;
}

/** The last grid large, those of a few earlier epochs behind it. */
async function grids(run: string): Promise<string> {
  const folder = join(run, 'samples');
  const names = (await readdir(folder)).filter((name) => name.endsWith('.png')).sort();
  const every = Math.max(1, Math.ceil(names.length / 5));
  const shown = names.filter((_, i) => (names.length - 1 - i) % every === 0).reverse();
  const figures = await Promise.all(
    shown.map(
      async (name) =>
        `<figure><img src="${dataUrl(await readFile(join(folder, name)))}" alt="samples"><figcaption>${html(name.replace('.png', ''))}</figcaption></figure>`,
    ),
  );
  return `<div class="charts">${figures.join('')}</div>`;
}

async function section({ task, run, generated, quality }: TaskOutcome): Promise<string> {
  const events = (await readEvents(run)).filter(({ event }) => event === 'step');
  const reasons = new Map<string, number>();
  for (const { reason } of generated.discarded) {
    const kind = reason.split(':')[0];
    reasons.set(kind, (reasons.get(kind) ?? 0) + 1);
  }
  const rows = [...reasons].map(([reason, n]) => `<tr><td>${html(reason)}</td><td>${n}</td></tr>`).join('');
  return [
    `<h2>${html(task.from)} → ${html(task.to)}</h2>`,
    `<p>${generated.kept.length} of ${task.make} wanted were kept; ${generated.discarded.length} were not.</p>`,
    quality ? `<p>${html(describeQuality(quality))}</p>` : '',
    `<table><tr><th>not kept because</th><th>pictures</th></tr>${rows}</table>`,
    '<h3>Kept</h3>',
    await pictures(
      generated.kept.map((candidate) => ({
        candidate,
        note: `discriminator ${candidate.discriminator.toFixed(3)}, SSIM ${candidate.similarity.toFixed(3)}`,
      })),
    ),
    '<h3>Not kept</h3>',
    await pictures(generated.discarded.map(({ candidate, reason }) => ({ candidate, note: reason }))),
    `<h3>Fixed pictures, by epoch</h3><p>The upper four rows start from ${html(task.from)}, the lower four from ${html(task.to)}.</p>`,
    await grids(run),
    '<h3>Losses</h3>',
    `<div class="charts">${curve(events, ['G_A', 'D_A', 'G_B', 'D_B'])}${curve(events, ['cycle_A', 'cycle_B', 'idt_A', 'idt_B'])}</div>`,
  ].join('\n');
}

/** @returns the path of the page. */
export async function writeBalanceReport(
  out: string,
  data: DataSet,
  outcomes: readonly TaskOutcome[],
): Promise<string> {
  const counts = [...countByClass(data)].map(([name, n]) => {
    const made = data.pictures.filter((p) => p.generated && data.classes[p.label] === name).length;
    return `<tr><td>${html(name)}</td><td>${n - made}</td><td>${made}</td><td>${n}</td></tr>`;
  });
  const body = [
    '<h1>Balanced classes</h1>',
    '<p>CycleGAN losses do not tell quality: look at the pictures. Generated ones train; they never enter a test unless asked.</p>',
    `<table><tr><th>class</th><th>real</th><th>generated</th><th>all</th></tr>${counts.join('')}</table>`,
    ...(await Promise.all(outcomes.map(section))),
  ];
  const path = join(out, 'report.html');
  await writeFileAtomic(path, page('Balanced classes', body.join('\n')));
  return path;
}
