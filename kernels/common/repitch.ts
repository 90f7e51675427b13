import { type Pass, wgsl, workgroupsFor } from '../kernel.ts';

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
export const repitch = (source: string, out: string, sizes: Repitch): Pass => ({
  source: wgsl(import.meta.url, 'repitch.wgsl'),
  bind: { source, out },
  params: { ...sizes },
  workgroups: workgroupsFor(sizes.matrices * sizes.toRows * sizes.toColumns, 64),
});
