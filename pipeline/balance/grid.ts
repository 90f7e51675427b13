import sharp from 'sharp';

/** Columns of a sample grid. */
export const gridColumns = ['real', 'fake', 'cycled', 'identity'] as const;

/** Rows of pictures of `size`×`size` RGB bytes, drawn at least 96 pixels wide, with the columns named on top. */
export async function pictureGrid(rows: readonly (readonly Uint8Array[])[], size: number): Promise<Buffer> {
  const tile = Math.max(96, size);
  const top = 20;
  const width = gridColumns.length * tile;
  const text = gridColumns
    .map(
      (name, i) =>
        `<text x="${i * tile + tile / 2}" y="15" text-anchor="middle" font-family="sans-serif" font-size="13">${name}</text>`,
    )
    .join('');
  const layers = [{ input: Buffer.from(`<svg width="${width}" height="${top}">${text}</svg>`), left: 0, top: 0 }];
  for (const [r, row] of rows.entries()) {
    for (const [c, pixels] of row.entries()) {
      const input = await sharp(pixels, { raw: { width: size, height: size, channels: 3 } })
        .resize(tile, tile, { kernel: 'cubic' })
        .png()
        .toBuffer();
      layers.push({ input, left: c * tile, top: top + r * tile });
    }
  }
  const canvas = { width, height: top + rows.length * tile, channels: 3 as const, background: '#fff' };
  return sharp({ create: canvas }).composite(layers).png().toBuffer();
}
