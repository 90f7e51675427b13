import { type DeviceTraits, type Pass, wgsl } from '../kernel.ts';
import { covered, coverFor } from './elements.ts';
import { VEC4 } from './value.ts';

export interface Repitch {
  readonly matrices: number;
  readonly rows: number;
  readonly columns: number;
  readonly toRows: number;
  readonly toColumns: number;
}

/** The next multiple of 4. */
export const ceil4 = (n: number): number => Math.ceil(n / 4) * 4;

/** Copies matrices to other row counts and pitches, filling with zeros or cutting off. */
export const repitch = (source: string, out: string, sizes: Repitch, traits: DeviceTraits): Pass => {
  const whole = sizes.columns % 4 === 0 && sizes.toColumns % 4 === 0;
  const width = whole ? 4 : 1;
  const step = whole ? 1 : 4;
  const { columns, toColumns } = sizes;
  const pass = {
    source: wgsl(import.meta.url, 'repitch.wgsl'),
    constants: { ...(whole && VEC4), STEP: step },
    bind: { source, out },
    params: { ...sizes, columns: columns / width, toColumns: toColumns / width },
  };
  return covered(pass, coverFor(traits)(sizes.matrices * sizes.toRows * Math.ceil(toColumns / width / step)));
};
