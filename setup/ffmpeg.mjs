// ffmpeg reads videos. Pictures need none of it, so only the tests, which cover video too, have set-up install it.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { canInstall, installFfmpeg } from './apt.mjs';
import { SetupError, say } from './terminal.mjs';

/** @param {() => void} announce called before anything is installed */
export async function ensureFfmpeg(announce) {
  if (hasFfmpeg()) return;
  if (canInstall()) {
    announce();
    try {
      return await installFfmpeg();
    } catch (error) {
      if (!(error instanceof SetupError)) throw error;
      say(`  ! ${error.message}`);
    }
  }
  say('No ffmpeg: tests on videos are skipped. Install ffmpeg, or name one in FFMPEG_BIN.');
}

/** In the order in which the pipeline looks: FFMPEG_BIN, the ffmpeg-static package, the PATH. */
function hasFfmpeg() {
  if (process.env.FFMPEG_BIN) return existsSync(process.env.FFMPEG_BIN);
  try {
    const bundled = createRequire(import.meta.url)('ffmpeg-static');
    if (typeof bundled === 'string' && existsSync(bundled)) return true;
  } catch {
    // the optional package is not installed
  }
  return !spawnSync('ffmpeg', ['-version'], { stdio: 'ignore' }).error;
}
