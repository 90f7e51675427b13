#!/usr/bin/env node
// In a checkout the TypeScript sources run through tsx; in the published package the compiled ones do.
import { existsSync } from 'node:fs';

const checkout = new URL('../pipeline/cli.ts', import.meta.url);
let cli;
if (existsSync(checkout)) {
  const { tsImport } = await import('tsx/esm/api');
  cli = await tsImport(checkout.href, import.meta.url);
} else {
  cli = await import('../dist/pipeline/cli.js');
}
process.exitCode = await cli.main(process.argv.slice(2));
