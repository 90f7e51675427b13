/** Tested pictures as one PNG: a row for every pair of true and predicted class, the surest in front. */
import sharp from 'sharp';
import { contactSheet, type SheetRow } from '../contact-sheet.ts';
import type { BoardImage } from '../run/tensorboard.ts';
import type { Evaluation } from './evaluation.ts';

export async function sampleSheet(
  { predictions }: Evaluation,
  classes: readonly string[],
  columns = 10,
): Promise<BoardImage> {
  const sure = [...predictions].sort((a, b) => Math.max(...b.probabilities) - Math.max(...a.probabilities));
  const rows: SheetRow[] = [];
  for (const [label, name] of classes.entries()) {
    for (const [predicted, other] of classes.entries()) {
      const own = sure.filter((p) => p.picture.label === label && p.predicted === predicted);
      const title = label === predicted ? `${name}, told right` : `${name}, taken for ${other}`;
      const pictures = own.slice(0, columns).map(({ picture }) => picture.file);
      if (own.length > 0) rows.push({ title: `${title} (${own.length})`, pictures });
    }
  }
  const encoded = await contactSheet(rows, columns, 96);
  const { width, height } = await sharp(encoded).metadata();
  return { width, height, encoded };
}
