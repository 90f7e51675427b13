import { existsSync } from 'node:fs';
import { join } from 'node:path';
import Table from 'cli-table3';
import { contactSheet, type SheetRow } from '../contact-sheet.ts';
import { writeFileAtomic } from '../files.ts';
import type { ManifestRow } from '../manifest.ts';
import { plural } from '../plural.ts';
import { formatDuration } from '../progress.ts';
import type { SourceRow } from './journal.ts';
import type { PrepareOptions } from './options.ts';
import type { Prepared } from './prepare.ts';
import { type Reason, reasons } from './reasons.ts';
import { thumbnailPath } from './thumbnails.ts';

/** Counts over a whole output folder, not only over the last run. */
export interface Counts {
  readonly files: number;
  readonly photos: number;
  readonly videos: number;
  readonly faces: number;
  readonly discarded: Readonly<Record<string, number>>;
  /** Videos that could be used in part. */
  readonly damaged: readonly { readonly source: string; readonly damage: string }[];
}

export function count(sources: readonly SourceRow[], rows: readonly ManifestRow[]): Counts {
  const discarded: Record<string, number> = {};
  for (const row of rows) if (row.discarded) discarded[row.discarded] = (discarded[row.discarded] ?? 0) + 1;
  return {
    files: sources.length,
    photos: sources.filter((source) => source.kind === 'photo').length,
    videos: sources.filter((source) => source.kind === 'video').length,
    faces: rows.filter((row) => row.path !== null && row.generatedBy === undefined).length,
    discarded,
    damaged: sources.flatMap(({ source, damage }) => (damage ? [{ source, damage }] : [])),
  };
}

/** The counts as a table for the terminal. */
export function formatCounts(counts: Counts): string {
  const table = new Table({
    head: ['', 'pictures', 'what it means'],
    colWidths: [20, 10, 84],
    wordWrap: true,
    style: { head: [], border: [] },
  });
  table.push(['kept', counts.faces, 'Faces, cut out and written.']);
  const ordered = Object.entries(counts.discarded).sort(([, a], [, b]) => b - a);
  for (const [reason, n] of ordered) table.push([reason, n, reasons[reason as Reason] ?? '']);
  const damaged = counts.damaged.map(({ source, damage }) => `${source} could be used in part: ${damage}`);
  return [table.toString(), ...damaged].join('\n');
}

/** What the run did and where to look, in a few lines. */
export function formatRun(run: Prepared, options: PrepareOptions, dryRun: boolean): string {
  const { counts, folder, stages } = run;
  const lines = [
    `${plural(counts.faces, 'face')} from ${plural(counts.files, 'file')} (${plural(counts.photos, 'photograph')}, ${plural(counts.videos, 'video')}); ` +
      `${plural(run.worked, 'file')} ${run.worked === 1 ? 'was' : 'were'} done in this run, in ${formatDuration(run.seconds)}` +
      (run.pictures > 0 ? `: ${(run.pictures / run.seconds).toFixed(1)} photographs and frames a second` : ''),
  ];
  if (run.worked > 0) {
    const times = Object.entries(stages).map(([stage, seconds]) => `${stage} ${seconds.toFixed(1)} s`);
    const peak = process.resourceUsage().maxRSS / 1024;
    lines.push(`time by stage, over files at hand at once: ${times.join(', ')}; peak memory ${peak.toFixed(0)} MiB`);
  }
  if (dryRun) lines.push('Nothing was written (--dry-run).');
  else if (!run.complete) lines.push('Stopped early. The same command goes on from here.');
  else lines.push(`Look at ${join(folder, 'report', 'kept.png')} and ${join(folder, 'report', 'discarded.png')}.`);
  if (options.folders === 'none' && counts.faces > 0 && run.complete && !dryRun) {
    lines.push(
      'Whose face is whose is not known, so a split can only keep the frames of one clip together. ' +
        'Put each child into a folder of its own and use --folders subject.',
    );
  }
  return lines.join('\n');
}

const perGroup = 60;
const sheetPages = 300;

/** Writes `report/kept.png` and `report/discarded.png`: pictures to look at, the discarded ones by reason. */
export async function writeContactSheets(folder: string, rows: readonly ManifestRow[]): Promise<void> {
  const kept = rows.filter((row) => row.path !== null && row.generatedBy === undefined);
  const shown = evenly(kept, sheetPages);
  const title = shown.length < kept.length ? `kept: ${shown.length} of ${kept.length}` : `kept: ${kept.length}`;
  const keptPictures = shown.map((row) => join(folder, row.path ?? ''));
  await writeSheet(join(folder, 'report', 'kept.png'), [{ title, pictures: keptPictures }]);

  const groups: SheetRow[] = [];
  for (const reason of Object.keys(reasons)) {
    const all = rows.filter((row) => row.discarded === reason);
    const pictures = evenly(
      all.flatMap((row) => thumbnailOf(folder, row)),
      perGroup,
    );
    const of = pictures.length < all.length ? `${pictures.length} shown of ${all.length}` : String(all.length);
    if (all.length > 0) groups.push({ title: `${reason}: ${of}`, pictures });
  }
  await writeSheet(join(folder, 'report', 'discarded.png'), groups);
}

async function writeSheet(path: string, groups: readonly SheetRow[]): Promise<void> {
  await writeFileAtomic(path, await contactSheet(groups, 12, 96));
}

function thumbnailOf(folder: string, row: ManifestRow): string[] {
  if (typeof row.sourceSha256 !== 'string') return [];
  const path = join(folder, thumbnailPath(row.sourceSha256, row.frame));
  return existsSync(path) ? [path] : [];
}

/** At most `limit` of the list, spread evenly over it. */
function evenly<T>(list: readonly T[], limit: number): T[] {
  if (list.length <= limit) return [...list];
  return Array.from({ length: limit }, (_, i) => list[Math.floor((i * list.length) / limit)] as T);
}
