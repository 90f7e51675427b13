#!/usr/bin/env node
// In a checkout the TypeScript sources run through tsx; in the published package the compiled ones do.
import { existsSync } from 'node:fs';

const checkout = new URL('../pipeline/cli.ts', import.meta.url);

async function commandLine() {
  if (!existsSync(checkout)) return import('../dist/pipeline/cli.js');
  const { tsImport } = await import('tsx/esm/api');
  return tsImport(checkout.href, import.meta.url);
}

if (existsSync(checkout) && !existsSync(new URL('../node_modules/tsx', import.meta.url))) {
  console.error('The npm packages of this checkout are not installed.\n  → Run `npm run setup`, or `npm start`.');
  process.exitCode = 1;
} else {
  const { main } = await commandLine();
  process.exitCode = await main(process.argv.slice(2));
}
