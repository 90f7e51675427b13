/** A grid of pictures in one PNG, to look at many at once. */
import sharp, { type OverlayOptions } from 'sharp';

export interface SheetRow {
  /** Shown left of the row where the system has a font. */
  title: string;
  /** Picture files or encoded pictures, of any type sharp reads. */
  pictures: readonly (string | Uint8Array)[];
}

const escapeXml = (text: string) => text.replace(/[<>&]/g, (c) => `&#${c.charCodeAt(0)};`);

/** Draws each row's pictures side by side, `columns` to a line, as squares of `size` pixels. */
export async function contactSheet(rows: readonly SheetRow[], columns = 10, size = 128): Promise<Buffer> {
  const margin = 22;
  const layers: OverlayOptions[] = [];
  let y = 0;
  for (const { title, pictures } of rows) {
    const label = `<svg width="${columns * size}" height="${margin}"><text x="4" y="16" font-family="sans-serif" font-size="14" fill="#333">${escapeXml(title)}</text></svg>`;
    layers.push({ input: Buffer.from(label), left: 0, top: y });
    y += margin;
    for (const [index, picture] of pictures.entries()) {
      const tile = await sharp(picture)
        .autoOrient()
        .resize(size, size, { fit: 'cover' })
        .removeAlpha()
        .png()
        .toBuffer();
      layers.push({ input: tile, left: (index % columns) * size, top: y + Math.floor(index / columns) * size });
    }
    y += Math.ceil(pictures.length / columns) * size;
  }
  const canvas = { width: columns * size, height: Math.max(1, y), channels: 3 as const, background: '#fff' };
  return sharp({ create: canvas }).composite(layers).png().toBuffer();
}
