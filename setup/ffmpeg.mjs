// ffmpeg reads videos. Pictures need none of it, so only the tests, which cover video too, have set-up install it.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { installFfmpeg, installOptional } from './apt.mjs';
import { say } from './terminal.mjs';

/** @param {() => void} announce called before anything is installed */
export async function ensureFfmpeg(announce) {
  if (findFfmpeg()) return;
  if (await installOptional(announce, installFfmpeg)) return;
  say('No ffmpeg: tests on videos are skipped. Install ffmpeg, or name one in FFMPEG_BIN.');
}

/**
 * The first ffmpeg that runs, looked for as the pipeline does: FFMPEG_BIN and no other where it is set, else the package
 * ffmpeg-static where its binary could be downloaded, else the PATH.
 * @returns {{ path: string, version: string } | undefined}
 */
export function findFfmpeg() {
  const candidates = process.env.FFMPEG_BIN ? [process.env.FFMPEG_BIN] : [packaged(), 'ffmpeg'];
  for (const path of candidates) {
    if (!path) continue;
    const { status, stdout } = spawnSync(path, ['-version'], { encoding: 'utf8' });
    if (status === 0) return { path, version: stdout.match(/^ffmpeg version (\S+)/)?.[1] ?? 'unknown' };
  }
  return undefined;
}

/** @returns {string | undefined} */
function packaged() {
  try {
    const path = createRequire(import.meta.url)('ffmpeg-static');
    return typeof path === 'string' ? path : undefined;
  } catch {
    return undefined; // an optional package
  }
}
