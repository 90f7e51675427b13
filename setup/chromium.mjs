// A browser to test the studio's pages in. Users bring their own, so only the tests have set-up install one.
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { installChromium, installOptional } from './apt.mjs';
import { say } from './terminal.mjs';

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/** CHROMIUM_BIN, else the first Chromium on the PATH. */
export function findChromium() {
  const named = process.env.CHROMIUM_BIN;
  if (named) return existsSync(named) ? named : undefined;
  // Looked for by name: starting one only to ask for its version takes longer than all else that set-up does.
  const folders = (process.env.PATH ?? '').split(delimiter);
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find((path) => existsSync(path));
}

/** @param {() => void} announce called before anything is installed */
export async function ensureChromium(announce) {
  if (findChromium()) return;
  if (await installOptional(announce, installChromium)) return;
  say('No Chromium: tests of the pages in a browser are skipped. Install one, or name it in CHROMIUM_BIN.');
}
