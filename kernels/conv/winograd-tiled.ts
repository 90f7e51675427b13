import { ceil4 } from '../common/repitch.ts';
import { activationPass, isSlopeOnly } from '../elementwise/activation.ts';
import { type Constants, type DeviceTraits, type Pass, type Variant, workgroupsFor } from '../kernel.ts';
import { blockTileOf } from '../matmul/tile.ts';
import { blockTiles, productScratch, type TiledProduct, tiledProduct } from '../matmul/tiled.ts';
import type { ConvParam } from './geometry.ts';
import { isWinogradShape, sideOf, tilesOf } from './winograd.ts';
import type { TileSide } from './winograd-algorithms.ts';
import {
  channelsTogether,
  filterGradient,
  filterTransform,
  gradientTransform,
  inputTransform,
  outputTransform,
  TRANSFORMS,
} from './winograd-tiled-transforms.ts';

type Params = Readonly<Record<ConvParam, number>>;

/**
 * MiB of a transformed operand that go through the passes together. The scratch of a layer is bounded by two or three
 * times so much; a chunk is still some 100 µs of work on a large GPU, long against the gap between two dispatches.
 * Smaller ones might stay in the L2 cache from pass to pass: to be measured.
 */
const CHUNK = 64;

/** Tiles of a batch of h × w outputs, by chunks of whole blocks; `channels` of the wider operand. */
function gridOf(tile: Constants, batch: number, h: number, w: number, channels: number) {
  const m = sideOf(tile);
  const { down, across, tiles } = tilesOf(m, batch, h, w);
  const most = Math.max(1, (Number(tile.chunk) * 2 ** 20) / (4 * (m + 2) ** 2 * channels));
  const chunk = Math.min(tiles, Math.ceil(tiles / Math.ceil(tiles / most) / 128) * 128);
  const chunks = Array.from({ length: Math.ceil(tiles / chunk) }, (_, i) => ({
    firstTile: i * chunk,
    tiles: Math.min(chunk, tiles - i * chunk),
  }));
  return { down, across, tiles, chunk, chunks };
}

/**
 * F(4 × 4) or F(2 × 2) first, whichever takes fewer products, each with the block that fits them best. The larger tiles
 * take fewer still (30 % fewer at 25 × 25) and more registers; not timed on a GPU yet, so there they are the tuner's
 * to choose. F(7 × 7) is not for this rung: without sums of four products (lane-tile.ts) it errs 4.5e-5.
 */
function tilesFor(
  [batch, h, w]: readonly [number, number, number],
  block: (m: TileSide, tiles: number) => ReturnType<typeof blockTiles>[number],
): Constants[] {
  const products = (m: TileSide): number => (m + 2) ** 2 * tilesOf(m, batch, h, w).tiles;
  const timed: TileSide[] = products(2) < products(4) ? [2, 4] : [4, 2];
  const larger = ([5, 6] as const).filter((m) => products(m) < products(timed[0]));
  return [...timed, ...larger].map((m) => ({ side: m, ...block(m, tilesOf(m, batch, h, w).tiles), chunk: CHUNK }));
}

const supports = (p: Params, traits: DeviceTraits): boolean =>
  isWinogradShape(p, traits) && blockTiles(1, 1, 1, traits).length > 0;

/**
 * The products saved must take longer than what the transforms move: at an H200's paper rates, 67 TFLOP/s and 4.8 TB/s, they
 * do from about 45 channels on. Sixteen tiles fill half a block, and the n² products are more blocks than a direct
 * convolution of so few pixels has; little work is over before the dispatches are. Reckoned; the tuner
 * decides where it may.
 */
const suits = (p: Params, traits: DeviceTraits): boolean =>
  traits.family === 'tiled' &&
  Math.min(p.cin, p.cout) >= 64 &&
  tilesOf(4, p.batch, p.oh, p.ow).tiles >= 16 &&
  p.batch * p.oh * p.ow * 9 * p.cin * p.cout >= 2 ** 28;

/** n² products of m × k by k × n, all that goes in and out [product][row][channel]. */
const productsOf = (
  tile: Constants,
  form: TiledProduct['form'],
  [m, n, k]: readonly [number, number, number],
  [left, right, out]: readonly [string, string, string],
): TiledProduct => ({
  form,
  bind: { left, right, out, bias: '' },
  params: {
    ...{ batch: (sideOf(tile) + 2) ** 2, inner: 1, m, n, k, slope: 1 },
    ...{ leftPitch: (form === 'tn' ? m : k) / 4, rightPitch: (form === 'nt' ? k : n) / 4, outPitch: n / 4 },
    ...{ leftOuter: (m * k) / 4, leftInner: 0, rightOuter: (k * n) / 4, rightInner: 0 },
  },
});

/** Scratch of the parts that the chunks' products may be split into: of each buffer the largest. */
function partsScratch(products: readonly TiledProduct[], tile: Constants): Record<string, number> {
  const largest: Record<string, number> = {};
  for (const product of products) {
    for (const [name, bytes] of Object.entries(productScratch(product, blockTileOf(tile)))) {
      largest[name] = Math.max(largest[name] ?? 0, bytes);
    }
  }
  return largest;
}

function winogradTiled(transposed: boolean): Variant<ConvParam> {
  const sides = (p: Params) => {
    const x = { name: 'x', h: p.h, w: p.w, channels: p.cin };
    const y = { name: 'y', h: p.oh, w: p.ow, channels: p.cout };
    return transposed ? { src: y, dst: x } : { src: x, dst: y };
  };
  const chunksOf = (p: Params, tile: Constants) =>
    gridOf(tile, p.batch, sides(p).dst.h, sides(p).dst.w, Math.max(p.cin, p.cout));
  // The transformed filters are [ci][co] for both: along the depth of the one, along the columns of the other.
  const product = (p: Params, tile: Constants, tiles: number): TiledProduct => {
    const sizes = [tiles, sides(p).dst.channels, sides(p).src.channels] as const;
    return productsOf(tile, transposed ? 'nt' : 'nn', sizes, ['transformed', 'filters', 'products']);
  };
  return {
    name: 'winograd-tiled',
    adds: '3 × 3 at stride 1 with a quarter of the products, F(4 × 4, 3 × 3) or F(2 × 2, 3 × 3), through the block tile: for GPUs (256@56, batch 32, on an H200: 59 TFLOP/s of a direct convolution instead of 27)',
    family: 'tiled',
    supports,
    suits,
    tiles: (p, traits) => {
      const { src, dst } = sides(p);
      return tilesFor(
        [p.batch, dst.h, dst.w],
        (m, tiles) => blockTiles(tiles, dst.channels, (m + 2) ** 2, traits, src.channels)[0],
      );
    },
    scratch: (p, tile) => {
      const { chunk, chunks } = chunksOf(p, tile);
      const { src, dst } = sides(p);
      const bytes = 4 * (sideOf(tile) + 2) ** 2;
      return {
        filters: bytes * p.cin * p.cout,
        transformed: bytes * chunk * src.channels,
        products: bytes * chunk * dst.channels,
        ...partsScratch(
          chunks.map(({ tiles }) => product(p, tile, tiles)),
          tile,
        ),
      };
    },
    passes: (p, tile, traits) => {
      const { src, dst } = sides(p);
      const m = sideOf(tile);
      const width = channelsTogether(m);
      const { down, across, tiles: allTiles, chunks } = chunksOf(p, tile);
      const slopeOnly = isSlopeOnly(p.activation);
      const [padY, padX] = transposed ? [2 - p.paddingY, 2 - p.paddingX] : [p.paddingY, p.paddingX];
      const pitch = (p.cin * p.cout) / 4;
      const passes: Pass[] = [
        {
          source: filterTransform(m),
          params: { pitch, turned: Number(transposed) },
          workgroups: workgroupsFor(pitch, TRANSFORMS),
        },
      ];
      for (const { firstTile, tiles } of chunks) {
        const shared = { across, down, firstTile, rows: tiles };
        passes.push(
          {
            source: inputTransform(m),
            bind: { src: src.name },
            params: { ...shared, allTiles, padY, padX, h: src.h, w: src.w, channels: src.channels / width },
            workgroups: workgroupsFor((tiles * src.channels) / width, TRANSFORMS),
          },
          ...tiledProduct(product(p, tile, tiles), blockTileOf(tile), traits),
          {
            source: outputTransform(m),
            bind: { dst: dst.name },
            params: {
              ...{ ...shared, slope: slopeOnly ? p.slope : 1 },
              ...{ h: dst.h, w: dst.w, channels: dst.channels / width },
            },
            workgroups: workgroupsFor((tiles * dst.channels) / width, TRANSFORMS),
          },
        );
      }
      if (!slopeOnly) {
        const size = p.batch * dst.h * dst.w * dst.channels;
        passes.push({ ...activationPass(p.activation, size, traits), bind: { out: dst.name } });
      }
      return passes;
    },
  };
}

export const winogradTiledConv2d = winogradTiled(false);
export const winogradTiledConv2dInputGradient = winogradTiled(true);

const weightGradientChunks = (p: Params, tile: Constants) => gridOf(tile, p.batch, p.oh, p.ow, Math.max(p.cin, p.cout));

/** The depth is the tiles, by fours: the last few are zeros. */
const weightGradientProduct = (p: Params, tile: Constants, tiles: number): TiledProduct =>
  productsOf(tile, 'tn', [p.cin, p.cout, ceil4(tiles)], ['transformed', 'gradients', 'products']);

export const winogradTiledConv2dWeightGradient: Variant<ConvParam> = {
  name: 'winograd-tiled',
  adds: '3 × 3 at stride 1 with a quarter of the products, tiles as the depth of n² products; chunks of tiles added in order (256@56, batch 32, on an H200: 47 TFLOP/s of a direct one)',
  family: 'tiled',
  supports,
  suits,
  tiles: (p, traits) =>
    tilesFor([p.batch, p.oh, p.ow], (m, tiles) => blockTiles(p.cin, p.cout, (m + 2) ** 2, traits, tiles)[0]),
  scratch: (p, tile) => {
    const { chunk, chunks } = weightGradientChunks(p, tile);
    const bytes = 4 * (sideOf(tile) + 2) ** 2;
    return {
      transformed: bytes * ceil4(chunk) * p.cin,
      gradients: bytes * ceil4(chunk) * p.cout,
      products: bytes * p.cin * p.cout,
      ...partsScratch(
        chunks.map(({ tiles }) => weightGradientProduct(p, tile, tiles)),
        tile,
      ),
    };
  },
  passes: (p, tile, traits) => {
    const m = sideOf(tile);
    const width = channelsTogether(m);
    const { down, across, chunks } = weightGradientChunks(p, tile);
    const pitch = (p.cin * p.cout) / 4;
    return chunks.flatMap(({ firstTile, tiles }): Pass[] => {
      const rows = ceil4(tiles);
      const shared = { across, down, firstTile, rows, allTiles: firstTile + tiles };
      return [
        {
          source: inputTransform(m),
          bind: { src: 'x' },
          params: { ...shared, padY: p.paddingY, padX: p.paddingX, h: p.h, w: p.w, channels: p.cin / width },
          workgroups: workgroupsFor((rows * p.cin) / width, TRANSFORMS),
        },
        {
          source: gradientTransform(m),
          bind: { src: 'y', transformed: 'gradients' },
          params: { ...shared, padY: 0, padX: 0, h: p.oh, w: p.ow, channels: p.cout / width },
          workgroups: workgroupsFor((rows * p.cout) / width, TRANSFORMS),
        },
        ...tiledProduct(weightGradientProduct(p, tile, tiles), blockTileOf(tile), traits),
        {
          source: filterGradient(m),
          params: { pitch, fresh: Number(firstTile === 0) },
          workgroups: workgroupsFor(pitch, TRANSFORMS),
        },
      ];
    });
  },
};
