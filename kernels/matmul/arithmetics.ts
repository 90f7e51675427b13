import { HALF_PRODUCTS } from '../half/half.ts';
import type { Constants, DeviceTraits } from '../kernel.ts';
import { matrixArithmetic, matrixTiles } from './matrix-tile.ts';
import { type Arithmetic, type BlockTile, halves, singles } from './tile.ts';

/** A kind of arithmetic that the tiled kernels come in: products and convolutions have a rung for each. */
export interface TiledKind {
  readonly name: 'tiled' | 'tiled-half' | 'matrix-half';
  /** What it adds to the kind before; empty: what the kernel says of itself. */
  readonly adds: string;
  readonly arithmetic: (tile: Constants) => Arithmetic;
  /** Its tiles among those that suit the shape, the expected best first. */
  readonly among: (tiles: readonly BlockTile[], traits: DeviceTraits) => readonly Constants[];
  /** Operands are scaled and rounded to halves: only where the call allows it. */
  readonly half: boolean;
  /** Products below which other rungs serve better. */
  readonly least: number;
}

const all = (tiles: readonly BlockTile[]): readonly Constants[] => tiles.map((tile) => ({ ...tile }));

export const tiledKinds: readonly TiledKind[] = [
  { name: 'tiled', adds: '', arithmetic: () => singles, among: all, half: false, least: 2 ** 18 },
  {
    name: 'tiled-half',
    adds: "operands rounded to halves on their way to workgroup memory, where 'medium' precision allows it: half the traffic there; on an H200 no faster than f32 at 1024³",
    arithmetic: () => halves,
    among: all,
    half: true,
    least: HALF_PRODUCTS,
  },
  {
    name: 'matrix-half',
    adds: "the same on a GPU's matrix units, where SUBGROUP_MATRIX=1 opens them; 11.6 TFLOP/s at 1024³ on an H200, f32 16",
    arithmetic: matrixArithmetic,
    among: matrixTiles,
    half: true,
    least: HALF_PRODUCTS,
  },
];
