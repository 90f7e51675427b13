// A font for the words on contact sheets and picture grids, which sharp draws. A bare server has none.
import { existsSync } from 'node:fs';
import { installFonts, installOptional } from './apt.mjs';
import { say } from './terminal.mjs';

/** @param {() => void} announce called before anything is installed */
export async function ensureFonts(announce) {
  if (process.platform !== 'linux' || existsSync('/etc/fonts/fonts.conf')) return;
  if (await installOptional(announce, installFonts)) return;
  say('No fonts: the words on contact sheets will be boxes. Install fontconfig and a font.');
}
