import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { describeInBrowser, newPage, noComplaints, screenshot } from './browser.ts';
import { cleanUpAfterEach, numbered, pictureFolder, serveHere } from './fixtures.ts';

cleanUpAfterEach();

async function open(page: Page, url: string): Promise<void> {
  await page.goto(url);
  await page.locator('#name').fill('Ann');
  await page.keyboard.press('Enter');
  await page.locator('.stage img').waitFor();
}

describeInBrowser('the labelling page', () => {
  const sizes = [
    { name: 'window', viewport: { width: 1280, height: 800 } },
    { name: 'window at 200 percent', viewport: { width: 640, height: 400 }, deviceScaleFactor: 2 },
    { name: 'window at 400 percent', viewport: { width: 320, height: 256 }, deviceScaleFactor: 4 },
    { name: 'phone', viewport: { width: 360, height: 640 }, isMobile: true, hasTouch: true },
    { name: 'phone on its side', viewport: { width: 740, height: 360 }, isMobile: true, hasTouch: true },
  ];

  it('fits windows, zoom and phones: nothing is cut off sideways, and the answers are big enough to touch', async () => {
    const server = await serveHere(await pictureFolder(numbered(4)));
    for (const { name, ...options } of sizes) {
      const page = await newPage(options);
      await open(page, server.url);
      await screenshot(page, name.replaceAll(' ', '-'));
      const wide = await page.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
      );
      expect(wide, name).toBeLessThanOrEqual(0);
      const boxes = await page.locator('.answers button').evaluateAll((buttons) =>
        buttons.map((button) => {
          const { width, height, bottom } = button.getBoundingClientRect();
          return { width, height, bottom };
        }),
      );
      expect(boxes, name).toHaveLength(4);
      const room = options.viewport.height;
      for (const { width, height, bottom } of boxes) {
        expect(Math.min(width, height), name).toBeGreaterThanOrEqual(38);
        // At 400 % the page scrolls; everywhere else picture and answers are in view together.
        if (room > 300) expect(bottom, name).toBeLessThanOrEqual(room);
      }
      const stage = await page.locator('.stage').boundingBox();
      expect(Math.min(stage?.width ?? 0, stage?.height ?? 0), name).toBeGreaterThan(150);
      await page.context().close();
    }
    noComplaints();
  });

  it('tells a screen reader what is there and what happened', async () => {
    const server = await serveHere(await pictureFolder(numbered(3)));
    const page = await newPage();
    await page.goto(server.url);
    await page.getByLabel('Your name').fill('Ann');
    await page.keyboard.press('Enter');
    await page.getByRole('img', { name: 'Picture 1 of 3' }).waitFor();
    expect(
      await page.getByRole('group', { name: 'What does the face show?' }).getByRole('button').allInnerTexts(),
    ).toHaveLength(4);
    expect(await page.getByRole('button', { name: 'happy' }).getAttribute('aria-keyshortcuts')).toBe('1 H');
    expect(await page.getByRole('progressbar', { name: '0 of 3 answered' }).count()).toBe(1);
    const status = page.getByRole('status');
    await page.getByRole('button', { name: 'sad' }).click();
    await status.getByText('Saved: sad. Picture 2 of 3.').waitFor({ state: 'attached' });
    await page.keyboard.press('h');
    await status.getByText('Saved: happy. Picture 3 of 3.').waitFor({ state: 'attached' });
    await page.keyboard.press('n');
    await page.getByRole('heading', { name: 'All 3 pictures are labelled.' }).waitFor();
    await expect.poll(() => page.evaluate(() => document.activeElement?.tagName)).toBe('H1');
    const unnamed = await page
      .getByRole('button')
      .evaluateAll((all) => all.filter((b) => !(b.getAttribute('aria-label') ?? b.textContent)?.trim()).length);
    expect(unnamed).toBe(0);
    noComplaints();
  });

  it('is worked by Tab and Enter alone, and lets letters be switched off as keys', async () => {
    const server = await serveHere(await pictureFolder(numbered(4)));
    const page = await newPage();
    await open(page, server.url);
    const focused = () => page.evaluate(() => document.activeElement?.textContent ?? '');
    for (let n = 0; n < 12 && !(await focused()).startsWith('happy'); n++) await page.keyboard.press('Tab');
    expect(await focused()).toContain('happy');
    await page.keyboard.press('Enter');
    await page.locator('.count', { hasText: /^1$/ }).waitFor();
    expect(await focused()).toContain('happy'); // the focus stays, so Enter again is the next answer
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.locator('.count', { hasText: /^2$/ }).waitFor();
    await screenshot(page, 'keys');
    await page.getByRole('checkbox').uncheck();
    await page.keyboard.press('h');
    await page.keyboard.press('z');
    await page.waitForTimeout(200);
    expect(await page.locator('.count').textContent()).toBe('2');
    await page.keyboard.press('1');
    await page.locator('.count', { hasText: /^3$/ }).waitFor();
    noComplaints();
  });

  it('zooms by key and by double tap, and starts every picture whole', async () => {
    const server = await serveHere(await pictureFolder(numbered(3)));
    const page = await newPage();
    await open(page, server.url);
    const width = async () => (await page.locator('.stage img').boundingBox())?.width ?? 0;
    const fitted = await width();
    await page.keyboard.press('+');
    await expect.poll(width).toBeCloseTo(1.5 * fitted, 0);
    await page.keyboard.press('0');
    await expect.poll(width).toBeCloseTo(fitted, 0);
    await page.locator('.stage img').dblclick();
    await expect.poll(width).toBeGreaterThan(1.4 * fitted);
    await page.keyboard.press('h');
    await page.locator('.count', { hasText: /^1$/ }).waitFor();
    await expect.poll(width).toBeCloseTo(fitted, 0);
    noComplaints();
  });

  it('follows the system into the dark, and a choice of one’s own over it', async () => {
    const server = await serveHere(await pictureFolder(numbered(3)));
    const page = await newPage({ colorScheme: 'dark' });
    await open(page, server.url);
    const paper = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    const dark = await paper();
    await screenshot(page, 'desk-dark');
    await page.getByRole('button', { name: /^Colours/ }).click();
    await expect.poll(paper).not.toBe(dark);
    await page.reload();
    await page.locator('.stage img').waitFor();
    expect(await paper()).not.toBe(dark);
    noComplaints();
  });
});

describe('the colours of the studio', () => {
  it('have a contrast of at least 4.5 : 1 for text, light and dark', () => {
    const css = readFileSync(join(import.meta.dirname, '../../../pipeline/studio/static/studio.css'), 'utf8');
    const themes = [/^:root \{([^}]*)\}/m, /:root\[data-theme="dark"\] \{([^}]*)\}/].map((block) => {
      const body = block.exec(css)?.[1] ?? '';
      return Object.fromEntries(
        [...body.matchAll(/--([\w-]+): (#[0-9a-f]{6})/g)].map(([, name = '', hex = '']) => [name, hex]),
      );
    });
    const luminance = (hex = '') => {
      const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => {
        const c = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
        return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const pairs = [
      ['ink', 'paper'],
      ['ink', 'raised'],
      ['ink', 'sunken'],
      ['ink', 'accent-wash'],
      ['soft', 'paper'],
      ['soft', 'sunken'],
      ['accent', 'paper'],
      ['accent-ink', 'accent'],
      ['warn', 'warn-wash'],
    ] as const;
    for (const theme of themes) {
      for (const [text, ground] of pairs) {
        const [high = 0, low = 0] = [luminance(theme[text]), luminance(theme[ground])].sort((a, b) => b - a);
        expect((high + 0.05) / (low + 0.05), `${text} on ${ground}`).toBeGreaterThan(4.5);
      }
    }
  });
});
