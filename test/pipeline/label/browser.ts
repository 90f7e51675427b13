/** A real browser for the tests of the pages. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { findChromium } from '../../../setup/chromium.mjs';

const executable = findChromium();
let browser: Browser | undefined;
const complaints: string[] = [];

/**
 * Tests in Chromium. Set-up installs one where it may; where there is none, one skipped test stands in the count and says
 * so, except in continuous integration, where it fails.
 */
export function describeInBrowser(name: string, body: () => void, args: readonly string[] = []): void {
  describe(name, () => {
    if (!executable && !process.env.CI) {
      it('needs Chromium', (test) => test.skip('no Chromium: install one, or name it in CHROMIUM_BIN'));
      return;
    }
    beforeAll(async () => {
      browser = await chromium.launch({
        executablePath: executable ?? 'chromium',
        args: [...(process.getuid?.() === 0 ? ['--no-sandbox'] : []), ...args],
      });
    });
    afterEach(async () => {
      // Before their server goes: a page that is still open would complain about that in the next test.
      for (const context of browser?.contexts() ?? []) await context.close();
      complaints.length = 0;
    });
    afterAll(async () => {
      await browser?.close();
      browser = undefined;
    });
    body();
  });
}

export interface PageOptions extends BrowserContextOptions {
  /** What the page may say on its console, such as that a request failed while the server was dead. */
  mayComplain?: RegExp;
}

/** A page in a browser profile of its own. Errors on its console fail the test in `noComplaints`. */
export async function newPage(options: PageOptions = {}): Promise<Page> {
  if (!browser) throw new Error('newPage outside describeInBrowser');
  const { mayComplain, ...context } = options;
  const page = await (await browser.newContext({ viewport: { width: 1280, height: 800 }, ...context })).newPage();
  page.setDefaultTimeout(20_000);
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error' && !mayComplain?.test(message.text())) complaints.push(message.text());
  });
  return page;
}

export function noComplaints(): void {
  expect(complaints.splice(0)).toEqual([]);
}

/** Keeps a picture of the page where KINDERGRAD_SCREENSHOTS names a folder. */
export async function screenshot(page: Page, name: string): Promise<void> {
  const folder = process.env.KINDERGRAD_SCREENSHOTS;
  if (!folder) return;
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`) });
}
