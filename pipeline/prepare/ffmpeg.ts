import { findFfmpeg as find } from '../../setup/ffmpeg.mjs';
import { Discarded } from './reasons.ts';

export interface Ffmpeg {
  readonly path: string;
  /** Major version; 0 for a development build. */
  readonly version: number;
}

/**
 * The ffmpeg to use: the one named by FFMPEG_BIN, else that of the package ffmpeg-static where its binary was
 * installed, else the one on the PATH.
 * @throws Discarded ('no ffmpeg') saying what was tried.
 */
export async function findFfmpeg(): Promise<Ffmpeg> {
  const found = find();
  if (!found) throw new Discarded('no ffmpeg', `tried ${process.env.FFMPEG_BIN ?? 'ffmpeg-static and the PATH'}`);
  return { path: found.path, version: Number(/^n?(\d+)/.exec(found.version)?.[1] ?? 0) };
}
