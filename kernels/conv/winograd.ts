import { activationPass, isSlopeOnly } from '../elementwise/activation.ts';
import type { Constants, DeviceTraits, Pass, Variant } from '../kernel.ts';
import { hasLanes } from './gather.ts';
import type { ConvParam } from './geometry.ts';
import { panelProduct, pitchOf } from './winograd-product.ts';
import {
  filterGradient,
  filterTransform,
  gradientTransform,
  inputTransform,
  outputTransform,
  type TileSide,
} from './winograd-transforms.ts';

type Params = Readonly<Record<ConvParam, number>>;

/** Of one operand of the products: what stands between the passes stays small, and in the cache. */
const CHUNK_BYTES = 8 * 2 ** 20;

const panels = (channels: number): number => Math.ceil(channels / 32);

const sideOf = (tile: Constants): TileSide => (tile.side === 2 ? 2 : 4);

/** Tiles over a batch of h × w outputs, and how many of them go through the passes together. */
function grid(m: TileSide, batch: number, h: number, w: number, channels: number) {
  const [down, across] = [Math.ceil(h / m), Math.ceil(w / m)];
  const tiles = batch * down * across;
  const most = Math.max(32, CHUNK_BYTES / (4 * (m + 2) ** 2 * 32 * panels(channels)));
  const chunk = Math.min(tiles, Math.ceil(tiles / Math.ceil(tiles / most) / 32) * 32);
  const chunks = Array.from({ length: Math.ceil(tiles / chunk) }, (_, i) => ({
    firstTile: i * chunk,
    tiles: Math.min(chunk, tiles - i * chunk),
  }));
  return { down, across, tiles, chunk, chunks };
}

/** The side that takes fewer products, F(4 × 4) when both take as many. */
function tileSides(batch: number, h: number, w: number): Constants[] {
  const products = (m: TileSide): number => (m + 2) ** 2 * grid(m, batch, h, w, 32).tiles;
  return products(2) < products(4) ? [{ side: 2 }, { side: 4 }] : [{ side: 4 }, { side: 2 }];
}

const supports = (p: Params, traits: DeviceTraits): boolean =>
  hasLanes(traits) &&
  p.kh === 3 &&
  p.kw === 3 &&
  p.strideY * p.strideX * p.dilationY * p.dilationX * p.groups === 1 &&
  Math.max(p.paddingY, p.paddingX) <= 2 &&
  p.cin % 4 === 0 &&
  p.cout % 4 === 0;

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
  return {
    name: 'winograd',
    adds: '3 × 3 at stride 1 with a quarter of the products, by F(4 × 4, 3 × 3); rounding error about ten times larger (1e-5 of the largest value); F(2 × 2) where its tiles waste less',
    supports,
    // Below that the transforms cost what the products save.
    suits: (p, traits) => traits.winograd && p.cin >= 64 && p.cout >= 64 && gridOf(p, 4).tiles >= 32,
    tiles: (p) => {
      const { dst } = sides(p);
      return tileSides(p.batch, dst.h, dst.w);
    },
    scratch: (p, tile) => {
      const { src, dst } = sides(p);
      const m = sideOf(tile);
      const vectors = 4 * 32 * (m + 2) ** 2;
      const { chunk } = gridOf(p, m);
      return {
        filters: vectors * pitchOf(src.channels) * panels(dst.channels),
        transformed: vectors * pitchOf(chunk) * panels(src.channels),
        products: vectors * pitchOf(chunk) * panels(dst.channels),
      };
    },
    passes: (p, tile) => {
      const { src, dst } = sides(p);
      const m = sideOf(tile);
      const { down, across, tiles: allTiles, chunks } = gridOf(p, m);
      const slopeOnly = isSlopeOnly(p.activation);
      const [padY, padX] = transposed ? [2 - p.paddingY, 2 - p.paddingX] : [p.paddingY, p.paddingX];
      const passes: Pass[] = [
        {
          source: filterTransform(m, transposed),
          params: { cin: p.cin, cout: p.cout, pitch: pitchOf(src.channels) },
          workgroups: [src.channels, panels(dst.channels)],
        },
      ];
      for (const { firstTile, tiles } of chunks) {
        const shared = {
          ...{ across, down, firstTile, tiles, pitch: pitchOf(tiles), allTiles, padY, padX },
          slope: slopeOnly ? p.slope : 1,
        };
        passes.push(
          {
            source: inputTransform(m),
            bind: { src: src.name },
            params: { ...shared, h: src.h, w: src.w, channels: src.channels / 4 },
            workgroups: [panels(src.channels), tiles],
          },
          panelProduct('row', {
            batch: (m + 2) ** 2,
            rows: tiles,
            columns: dst.channels,
            depth: src.channels,
            bind: { left: 'transformed', right: 'filters', out: 'products' },
          }),
          {
            source: outputTransform(m),
            bind: { dst: dst.name },
            params: { ...shared, h: dst.h, w: dst.w, channels: dst.channels / 4 },
            workgroups: [panels(dst.channels), tiles],
          },
        );
      }
      if (!slopeOnly) {
        const size = p.batch * dst.h * dst.w * dst.channels;
        passes.push({ ...activationPass(p.activation, size), bind: { out: dst.name } });
      }
      return passes;
    },
  };
}

export const winogradConv2d = winograd(false);
export const winogradConv2dInputGradient = winograd(true);

export const winogradConv2dWeightGradient: Variant<ConvParam> = {
  name: 'winograd',
  adds: '3 × 3 at stride 1 with a quarter of the products, tiles as the depth of n² products; chunks of tiles added in order',
  supports,
  suits: (p, traits) =>
    traits.winograd && p.cin >= 64 && p.cout >= 64 && p.batch * Math.ceil(p.oh / 4) * Math.ceil(p.ow / 4) >= 32,
  tiles: (p) => tileSides(p.batch, p.oh, p.ow),
  scratch: (p, tile) => {
    const m = sideOf(tile);
    const vectors = 4 * 32 * (m + 2) ** 2;
    const depth = Math.ceil(grid(m, p.batch, p.oh, p.ow, Math.max(p.cin, p.cout)).chunk / 4) * 4;
    return {
      transformed: vectors * pitchOf(depth) * panels(p.cin),
      gradients: vectors * pitchOf(depth) * panels(p.cout),
      products: vectors * pitchOf(p.cin) * panels(p.cout),
    };
  },
  passes: (p, tile) => {
    const m = sideOf(tile);
    const { down, across, chunks } = grid(m, p.batch, p.oh, p.ow, Math.max(p.cin, p.cout));
    return chunks.flatMap(({ firstTile, tiles }): Pass[] => {
      const depth = Math.ceil(tiles / 4) * 4;
      const shared = {
        across,
        down,
        firstTile,
        tiles: depth,
        pitch: pitchOf(depth),
        allTiles: firstTile + tiles,
        slope: 1,
      };
      return [
        {
          source: inputTransform(m),
          bind: { src: 'x' },
          params: { ...shared, h: p.h, w: p.w, channels: p.cin / 4, padY: p.paddingY, padX: p.paddingX },
          workgroups: [panels(p.cin), depth],
        },
        {
          source: gradientTransform(m),
          bind: { src: 'y', transformed: 'gradients' },
          params: { ...shared, h: p.oh, w: p.ow, channels: p.cout / 4, padY: 0, padX: 0 },
          workgroups: [panels(p.cout), depth],
        },
        panelProduct('depth', {
          batch: (m + 2) ** 2,
          rows: p.cin,
          columns: p.cout,
          depth,
          bind: { left: 'transformed', right: 'gradients', out: 'products' },
        }),
        {
          source: filterGradient(m),
          params: { channels: p.cout / 4, pitch: pitchOf(p.cin), fresh: firstTile === 0 ? 1 : 0 },
          workgroups: [p.cin, panels(p.cout)],
        },
      ];
    });
  },
};
