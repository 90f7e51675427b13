/** How the fixed pictures of a run changed from epoch to epoch, cut from the grids that the training left. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp, { type Sharp } from 'sharp';
import { html } from '../run/report.ts';
import { gridColumns, gridLayout } from './grid.ts';

/** Encoded small and lossy: a report holds dozens of them. */
export const embed = async (picture: Sharp): Promise<string> =>
  `data:image/webp;base64,${(await picture.webp({ quality: 82 }).toBuffer()).toString('base64')}`;

interface Grid {
  epoch: number;
  bytes: Buffer;
}

/** The first, the last, and of the others evenly spread ones. */
export function spread<T>(list: readonly T[], count: number): T[] {
  if (list.length <= count) return [...list];
  return Array.from({ length: count }, (_, i) => list[Math.round((i * (list.length - 1)) / (count - 1))]);
}

async function readGrids(run: string, count: number): Promise<Grid[]> {
  const folder = join(run, 'samples');
  const names = (await readdir(folder).catch(() => [])).filter((name) => /^epoch-\d+\.png$/.test(name)).sort();
  return Promise.all(
    spread(names, count).map(async (name) => ({
      epoch: Number(/\d+/.exec(name)?.[0]),
      bytes: await readFile(join(folder, name)),
    })),
  );
}

/** For both directions a table: a real picture, and what the networks made of it after an early, …, the last epoch. */
export async function filmStrips(run: string, imageSize: number, names: readonly [string, string]): Promise<string> {
  const grids = await readGrids(run, 6);
  if (grids.length === 0) return '';
  const [from, to] = names;
  const strip = async (title: string, first: number): Promise<string> => {
    const rows = await Promise.all(
      [0, 1, 2, 3].map(async (r) => {
        const cut = async ({ bytes, epoch }: Grid, column: (typeof gridColumns)[number]) => {
          const box = gridLayout(imageSize).box(first + r, gridColumns.indexOf(column));
          const alt = column === 'real' ? 'real picture' : `made after epoch ${epoch}`;
          return `<td><img src="${await embed(sharp(bytes).extract(box))}" alt="${alt}"></td>`;
        };
        const made = await Promise.all(grids.map((grid) => cut(grid, 'fake')));
        return `<tr>${await cut(grids[grids.length - 1], 'real')}${made.join('')}</tr>`;
      }),
    );
    const head = grids.map(({ epoch }) => `<th scope="col">epoch ${epoch}</th>`).join('');
    return `<table class="film"><caption>${html(title)}</caption><tr><th scope="col">real</th>${head}</tr>${rows.join('')}</table>`;
  };
  return `<div class="tables">${await strip(`${from} → ${to}`, 0)}${await strip(`${to} → ${from}, the way back`, 4)}</div>`;
}

/** The whole grids behind a slider. */
export async function gridSlider(run: string): Promise<string> {
  const grids = await readGrids(run, 12);
  if (grids.length === 0) return '';
  const figures = await Promise.all(
    grids.map(
      async ({ epoch, bytes }, i) =>
        `<figure${i < grids.length - 1 ? ' hidden' : ''}><img src="${await embed(sharp(bytes))}" alt="Fixed pictures after epoch ${epoch}: real, fake, cycled, identity"><figcaption>after epoch ${epoch}</figcaption></figure>`,
    ),
  );
  const last = grids.length - 1;
  return `<div class="slider"><label>Epoch <input type="range" min="0" max="${last}" value="${last}" aria-valuetext="epoch ${grids[last].epoch}"></label>${figures.join('')}</div>`;
}

/** Moves the sliders; without it their last grid is shown. */
export const sliderScript = `<script>
for (const box of document.querySelectorAll('.slider')) {
  const figures = [...box.querySelectorAll('figure')];
  const range = box.querySelector('input');
  range.addEventListener('input', () => {
    figures.forEach((figure, i) => { figure.hidden = i !== Number(range.value); });
    range.setAttribute('aria-valuetext', figures[range.value].querySelector('figcaption').textContent);
  });
}
</script>`;
