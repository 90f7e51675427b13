import sharp from 'sharp';

/** Columns of a sample grid. */
export const gridColumns = ['real', 'fake', 'cycled', 'identity'] as const;

/** Where a grid of pictures of `size` pixels has its tiles, drawn at least 96 pixels wide, under the names of the columns. */
export function gridLayout(size: number) {
  const tile = Math.max(96, size);
  const top = 20;
  return {
    tile,
    top,
    box: (row: number, column: number) => ({ left: column * tile, top: top + row * tile, width: tile, height: tile }),
  };
}

/** Rows of pictures of `size`×`size` RGB bytes, with the columns named on top. */
export async function pictureGrid(rows: readonly (readonly Uint8Array[])[], size: number): Promise<Buffer> {
  const { tile, top, box } = gridLayout(size);
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
      const { left, top: y } = box(r, c);
      layers.push({ input, left, top: y });
    }
  }
  const canvas = { width, height: top + rows.length * tile, channels: 3 as const, background: '#fff' };
  return sharp({ create: canvas }).composite(layers).png().toBuffer();
}
