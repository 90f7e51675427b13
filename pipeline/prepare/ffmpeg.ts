import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import { Discarded } from './reasons.ts';

const run = promisify(execFile);

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
export async function findFfmpeg(environment: NodeJS.ProcessEnv = process.env): Promise<Ffmpeg> {
  const tried: string[] = [];
  for (const path of candidates(environment)) {
    const version = await versionOf(path);
    if (version !== undefined) return { path, version };
    tried.push(path);
  }
  throw new Discarded('no ffmpeg', `tried ${tried.join(', ')}`);
}

function candidates(environment: NodeJS.ProcessEnv): string[] {
  // Whoever sets FFMPEG_BIN wants that one and no other.
  if (environment.FFMPEG_BIN) return [environment.FFMPEG_BIN];
  const packaged = packagedPath();
  return packaged ? [packaged, 'ffmpeg'] : ['ffmpeg'];
}

/** ffmpeg-static downloads its binary when it is installed, which may have been refused or impossible. */
function packagedPath(): string | undefined {
  try {
    const path: unknown = createRequire(import.meta.url)('ffmpeg-static');
    return typeof path === 'string' && existsSync(path) ? path : undefined;
  } catch {
    return undefined;
  }
}

async function versionOf(path: string): Promise<number | undefined> {
  try {
    const { stdout } = await run(path, ['-hide_banner', '-version'], { timeout: 20_000 });
    return Number(/^ffmpeg version n?(\d+)/.exec(stdout)?.[1] ?? 0);
  } catch {
    return undefined;
  }
}
