import { hasLanes } from '../common/lanes.ts';
import { ceil4 } from '../common/repitch.ts';
import { LARGEST_COPY, type Via } from '../common/vec4-input.ts';
import { activationPass, isSlopeOnly } from '../elementwise/activation.ts';
import type { Constants, DeviceTraits, Pass, Variant, WgslSource } from '../kernel.ts';
import type { ConvParam } from './geometry.ts';
import { TILE_SIDES, type TileSide } from './winograd-algorithms.ts';
import { alongDepth, alongRows, type PanelLayout, panelProduct, panels, productsTogether } from './winograd-product.ts';
import {
  filterGradient,
  filterTransform,
  gradientTransform,
  inputTransform,
  outputTransform,
} from './winograd-transforms.ts';

type Params = Readonly<Record<ConvParam, number>>;

/** Of one operand of the products: what stands between the passes stays small, and in the cache. */
const CHUNK_BYTES = 8 * 2 ** 20;

/** A layout as parameters of the transforms. */
const strides = ({ block, row, panel, lane, product }: PanelLayout) => ({ block, row, panel, lane, product });

export const sideOf = (tile: Constants): TileSide => tile.side as TileSide;

export function tilesOf(m: TileSide, batch: number, h: number, w: number) {
  const [down, across] = [Math.ceil(h / m), Math.ceil(w / m)];
  return { down, across, tiles: batch * down * across };
}

/** Tiles over a batch of h × w outputs, and how many of them go through the passes together. */
function grid(m: TileSide, batch: number, h: number, w: number, channels: number, bytes = CHUNK_BYTES) {
  const { down, across, tiles } = tilesOf(m, batch, h, w);
  const most = Math.max(64, bytes / (4 * (m + 2) ** 2 * 32 * panels(channels)));
  const chunk = Math.min(tiles, Math.ceil(tiles / Math.ceil(tiles / most) / 64) * 64);
  const chunks = Array.from({ length: Math.ceil(tiles / chunk) }, (_, i) => ({
    i,
    firstTile: i * chunk,
    tiles: Math.min(chunk, tiles - i * chunk),
  }));
  return { down, across, tiles, chunks };
}

/**
 * Each chunk's scratch under names of its own, so that a program sees when each ends: what is only read from its copy in
 * a texture gives its room to the products.
 */
const scratchOf = (
  { chunks }: ReturnType<typeof grid>,
  layouts: (tiles: number) => Readonly<Record<string, PanelLayout>>,
): Record<string, number> =>
  Object.fromEntries(
    chunks.flatMap(({ i, tiles }) => Object.entries(layouts(tiles)).map(([name, { bytes }]) => [`${name}${i}`, bytes])),
  );

/** The pixels that a transform reads, and how: those of a picture's planes that windows of `size` at its tiles meet. */
interface Pixels {
  readonly name: string;
  readonly h: number;
  readonly w: number;
  readonly channels: number;
  readonly size: number;
  readonly padY: number;
  readonly padX: number;
}

/** The transform of a chunk's pixels. Its lines are one part of the buffer, which goes through a texture where that may be. */
function spread(
  transform: (m: TileSide, via: Via) => WgslSource,
  m: TileSide,
  pixels: Pixels,
  { down, across }: { readonly down: number; readonly across: number },
  { firstTile, tiles }: { readonly firstTile: number; readonly tiles: number },
  to: { readonly name: string; readonly layout: PanelLayout; readonly rows: number },
  traits: DeviceTraits,
): Pass {
  const { name, h, w, size, padY, padX } = pixels;
  const channels = pixels.channels / 4;
  const lineOf = (tile: number, y: number): number => {
    const top = (Math.floor(tile / across) % down) * m - padY;
    return Math.floor(tile / (down * across)) * h + Math.min(Math.max(top + y, 0), h - 1);
  };
  const [from, last] = [lineOf(firstTile, 0), lineOf(firstTile + tiles - 1, size - 1)];
  const slice = { first: from * w * channels, count: (last + 1 - from) * w * channels };
  const via = traits.textures && 16 * slice.count <= LARGEST_COPY ? 'texture' : 'buffer';
  return {
    source: transform(m, via),
    bind: { src: name, transformed: to.name },
    params: {
      // Of the rows past the last tile come zeros.
      ...{ ...strides(to.layout), across, down, firstTile, allTiles: firstTile + tiles, padY, padX },
      ...{ h, w, channels, first: via === 'texture' ? slice.first : 0 },
    },
    ...(via === 'texture' && { slices: { src: slice } }),
    workgroups: [panels(pixels.channels), to.rows],
  };
}

/** Transforming a filter, and its gradient, costs what the products of so many tiles cost (llvmpipe, 256 and 512 channels). */
const FILTER_TILES = 24;

/**
 * What costs least first, as untuned and for the tuner. The work of every pass goes with the n² products of a tile. Of
 * sides that cost much the same the smallest comes first: its rounding error is the least.
 */
export function tileSides(batch: number, h: number, w: number): Constants[] {
  const cost = (m: TileSide): number => (m + 2) ** 2 * (tilesOf(m, batch, h, w).tiles + FILTER_TILES);
  const least = Math.min(...TILE_SIDES.map(cost));
  const best = TILE_SIDES.find((m) => cost(m) <= 1.04 * least);
  return [...TILE_SIDES]
    .sort((a, b) => Number(b === best) - Number(a === best) || cost(a) - cost(b))
    .filter((m) => cost(m) <= 1.5 * least)
    .map((side) => ({ side }));
}

/** 3 × 3 at stride 1, channels by fours. */
export const isWinogradShape = (p: Params, traits: DeviceTraits): boolean =>
  traits.winograd &&
  p.kh === 3 &&
  p.kw === 3 &&
  p.strideY * p.strideX * p.dilationY * p.dilationX * p.groups === 1 &&
  Math.max(p.paddingY, p.paddingX) <= 2 &&
  p.cin % 4 === 0 &&
  p.cout % 4 === 0;

const supports = (p: Params, traits: DeviceTraits): boolean => hasLanes(traits) && isWinogradShape(p, traits);

/**
 * With fewer channels the transforms cost what the products save, with fewer tiles the products run half empty; with less
 * work than a few milliseconds compiling seven more kernels is not worth it.
 */
const suits = (p: Params): boolean =>
  Math.min(p.cin, p.cout) >= 32 &&
  tilesOf(4, p.batch, p.oh, p.ow).tiles >= 32 &&
  p.batch * p.oh * p.ow * 9 * p.cin * p.cout >= 2 ** 26;

function winograd(transposed: boolean): Variant<ConvParam> {
  const sides = (p: Params) => {
    const x = { name: 'x', h: p.h, w: p.w, channels: p.cin };
    const y = { name: 'y', h: p.oh, w: p.ow, channels: p.cout };
    return transposed ? { src: y, dst: x } : { src: x, dst: y };
  };
  const gridOf = (p: Params, m: TileSide) => {
    const { dst } = sides(p);
    return grid(m, p.batch, dst.h, dst.w, Math.max(p.cin, p.cout));
  };
  const filtersOf = (p: Params, m: TileSide) => {
    const { src, dst } = sides(p);
    return alongRows((m + 2) ** 2, src.channels, dst.channels);
  };
  const layoutsOf = (p: Params, m: TileSide, tiles: number) => {
    const { src, dst } = sides(p);
    const products = (m + 2) ** 2;
    return {
      transformed: alongDepth(products, tiles, src.channels),
      products: alongRows(products, tiles, dst.channels),
    };
  };
  return {
    name: 'winograd',
    adds: '3 × 3 at stride 1 with a quarter of the products or fewer, by F(m × m, 3 × 3), m of 2, 4 … 7 by what the tiles waste; rounding error up to forty times larger (4.2e-5 of the largest value at 512 channels)',
    supports,
    suits,
    tiles: (p) => {
      const { dst } = sides(p);
      return tileSides(p.batch, dst.h, dst.w);
    },
    scratch: (p, tile) => {
      const m = sideOf(tile);
      return { filters: filtersOf(p, m).bytes, ...scratchOf(gridOf(p, m), (tiles) => layoutsOf(p, m, tiles)) };
    },
    passes: (p, tile, traits) => {
      const { src, dst } = sides(p);
      const m = sideOf(tile);
      const tileGrid = gridOf(p, m);
      const { down, across, chunks } = tileGrid;
      const slopeOnly = isSlopeOnly(p.activation);
      const [padY, padX] = transposed ? [2 - p.paddingY, 2 - p.paddingX] : [p.paddingY, p.paddingX];
      const filters = filtersOf(p, m);
      const passes: Pass[] = [
        {
          source: filterTransform(m, transposed),
          params: { cin: p.cin, cout: p.cout, panel: filters.panel, product: filters.product },
          workgroups: [src.channels, panels(dst.channels)],
        },
      ];
      for (const chunk of chunks) {
        const { i, firstTile, tiles } = chunk;
        const { transformed, products } = layoutsOf(p, m, tiles);
        const shared = { across, down, firstTile };
        passes.push(
          spread(
            inputTransform,
            m,
            { ...src, size: m + 2, padY, padX },
            tileGrid,
            chunk,
            { name: `transformed${i}`, layout: transformed, rows: tiles },
            traits,
          ),
          ...panelProduct({
            vectors: 'alongDepth',
            textures: traits.textures,
            products: (m + 2) ** 2,
            rows: tiles,
            columns: dst.channels,
            depth: src.channels,
            layouts: { left: transformed, right: filters, out: products },
            bind: { left: `transformed${i}`, right: 'filters', out: `products${i}` },
          }),
          {
            source: outputTransform(m),
            bind: { products: `products${i}`, dst: dst.name },
            params: {
              ...{ ...shared, ...strides(products), slope: slopeOnly ? p.slope : 1 },
              ...{ h: dst.h, w: dst.w, channels: dst.channels / 4 },
            },
            workgroups: [panels(dst.channels), tiles],
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

export const winogradConv2d = winograd(false);
export const winogradConv2dInputGradient = winograd(true);

/**
 * Each chunk transforms all its products back: where they are many, it takes as much of an operand as they take, or as one
 * copy in a texture may.
 */
const weightGradientGrid = (p: Params, m: TileSide) => {
  const productBytes = 4 * (m + 2) ** 2 * p.cin * p.cout;
  const bytes = Math.max(CHUNK_BYTES, Math.min(productBytes, 0.9 * LARGEST_COPY)); // less what its layout pads
  return grid(m, p.batch, p.oh, p.ow, Math.max(p.cin, p.cout), bytes);
};

const weightGradientLayouts = (p: Params, m: TileSide, tiles: number) => {
  const products = (m + 2) ** 2;
  return {
    transformed: alongRows(products, tiles, p.cin),
    gradients: alongRows(products, tiles, p.cout),
    products: productsTogether(products, p.cin, p.cout),
  };
};

export const winogradConv2dWeightGradient: Variant<ConvParam> = {
  name: 'winograd',
  adds: '3 × 3 at stride 1 with a quarter of the products or fewer, tiles as the depth of n² products; chunks of tiles added in order',
  supports,
  suits,
  tiles: (p) => tileSides(p.batch, p.oh, p.ow),
  scratch: (p, tile) => {
    const m = sideOf(tile);
    return scratchOf(weightGradientGrid(p, m), (tiles) => weightGradientLayouts(p, m, tiles));
  },
  passes: (p, tile, traits) => {
    const m = sideOf(tile);
    const tileGrid = weightGradientGrid(p, m);
    const x = { name: 'x', h: p.h, w: p.w, channels: p.cin, size: m + 2, padY: p.paddingY, padX: p.paddingX };
    const y = { name: 'y', h: p.oh, w: p.ow, channels: p.cout, size: m, padY: 0, padX: 0 };
    return tileGrid.chunks.flatMap((chunk): Pass[] => {
      const { i, firstTile, tiles } = chunk;
      // By fours: the last few of the depth are zeros.
      const depth = ceil4(tiles);
      const { transformed, gradients, products } = weightGradientLayouts(p, m, tiles);
      return [
        // A program postpones the gradients past the inputs, whose room ends with their copy in a texture.
        spread(
          gradientTransform,
          m,
          y,
          tileGrid,
          chunk,
          { name: `gradients${i}`, layout: gradients, rows: depth },
          traits,
        ),
        spread(
          inputTransform,
          m,
          x,
          tileGrid,
          chunk,
          { name: `transformed${i}`, layout: transformed, rows: depth },
          traits,
        ),
        ...panelProduct({
          vectors: 'alongRows',
          textures: traits.textures,
          products: (m + 2) ** 2,
          rows: p.cin,
          columns: p.cout,
          depth,
          layouts: { left: transformed, right: gradients, out: products },
          bind: { left: `transformed${i}`, right: `gradients${i}`, out: `products${i}` },
        }),
        {
          source: filterGradient(m),
          bind: { products: `products${i}` },
          params: { channels: p.cout / 4, fresh: firstTile === 0 ? 1 : 0 },
          workgroups: [p.cin, panels(p.cout)],
        },
      ];
    });
  },
};
