/**
 * The studio: the one web front end of kindergrad. It serves a shell (head line, theme, sign of life) and the pages that
 * join it; a page brings its own modules, styles and routes. Nothing is bundled: the browser loads the modules as they
 * lie on the disk, and preact and htm from their packages.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Hono } from 'hono';

export interface StudioPage {
  /** The page's path: `/label`. */
  id: string;
  /** What the head line calls it. */
  title: string;
  /** The module whose default export is the page, a preact component; one of `files`. */
  module: string;
  /** A style sheet; one of `files`. */
  styles: string;
  /** The page's files, relative to pipeline/, whose paths are also their addresses. Nothing else is served. */
  files: readonly string[];
  /** Left out of the head line for visitors who come without a link of their own to it. */
  hidden?: boolean;
}

/** pipeline/: a module lies at the same path here and in the browser, so that its relative imports hold in both. */
const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const require = createRequire(import.meta.url);
const preactFolder = dirname(require.resolve('preact/package.json'));
const htmFolder = join(dirname(require.resolve('htm')), '..');

const vendor: Record<string, string> = {
  'vendor/preact.js': join(preactFolder, 'dist/preact.mjs'),
  'vendor/hooks.js': join(preactFolder, 'hooks/dist/hooks.mjs'),
  'vendor/htm.js': join(htmFolder, 'dist/htm.mjs'),
};

const importMap = JSON.stringify({
  imports: {
    preact: '/vendor/preact.js',
    'preact/hooks': '/vendor/hooks.js',
    htm: '/vendor/htm.js',
  },
});

const types: Record<string, string> = {
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** Blobs are pictures that the page fetched with the visitor's token; scripts come from here alone. */
const policy = [
  "default-src 'none'",
  `script-src 'self' 'sha256-${createHash('sha256').update(importMap).digest('base64')}'`,
  "style-src 'self'",
  "img-src 'self' blob: data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Headers that every answer of the studio carries. */
export const safeHeaders: Record<string, string> = {
  'Content-Security-Policy': policy,
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cross-Origin-Opener-Policy': 'same-origin',
};

/** The routes of the shell and of the pages' files. */
export function studio(pages: readonly StudioPage[]): Hono {
  const app = new Hono();
  const [first] = pages;
  if (first) app.get('/', (c) => c.redirect(`/${first.id}`));
  for (const page of pages) {
    const html = shell(pages, page);
    app.get(`/${page.id}`, (c) => c.html(html, 200, { 'Cache-Control': 'no-cache' }));
  }
  const shellFiles = ['studio/static/studio.js', 'studio/static/studio.css', 'studio/static/icon.svg'];
  const files = [...shellFiles, ...new Set(pages.flatMap((page) => page.files))];
  for (const [path, file] of Object.entries(vendor)) serveFile(app, path, file);
  for (const path of files) serveFile(app, path, join(root, path));
  return app;
}

/** A file of a fixed list, read once: no name in a request ever becomes a path. */
function serveFile(app: Hono, path: string, file: string): void {
  const bytes = new Uint8Array(readFileSync(file));
  const etag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 20)}"`;
  const headers = { 'Content-Type': types[extname(path)] ?? '', 'Cache-Control': 'no-cache', ETag: etag };
  app.get(`/${path}`, (c) =>
    c.req.header('If-None-Match') === etag ? c.body(null, 304, headers) : c.body(bytes, 200, headers),
  );
}

function shell(pages: readonly StudioPage[], page: StudioPage): string {
  const list = pages.map(({ id, title, module, hidden = false }) => ({ id, title, module: `/${module}`, hidden }));
  const data = JSON.stringify(list).replaceAll('&', '&amp;').replaceAll('"', '&quot;');
  // Named ahead, the modules come all at once instead of one after the other has been read.
  const scripts = [...Object.keys(vendor), 'studio/static/studio.js', ...page.files].filter(
    (path) => extname(path) === '.js',
  );
  const preload = scripts.map((path) => `<link rel="modulepreload" href="/${path}">\n`).join('');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1, viewport-fit=cover">
<meta name="color-scheme" content="light dark">
<title>kindergrad</title>
<link rel="icon" href="/studio/static/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/studio/static/studio.css">
<link rel="stylesheet" href="/${page.styles}">
<script type="importmap">${importMap}</script>
${preload}<script type="module" src="/studio/static/studio.js"></script>
</head>
<body data-pages="${data}">
<noscript>This page needs JavaScript.</noscript>
</body>
</html>
`;
}
