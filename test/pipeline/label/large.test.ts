import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { expect, it } from 'vitest';
import { describeInBrowser, newPage, noComplaints } from './browser.ts';
import { cleanUpAfterEach, HttpRater, numbered, pictureFolder, startServer, temporaryFolder } from './fixtures.ts';

cleanUpAfterEach();

/** Opens the page as a new rater, in a browser that has never seen it, up to the first picture in view. */
async function openPage(origin: string) {
  const rater = await HttpRater.signIn(origin, 'Ann');
  const page = await newPage();
  const bodies: Promise<Buffer>[] = [];
  const note = (response: { url(): string; body(): Promise<Buffer> }): void => {
    if (!response.url().startsWith('blob:')) bodies.push(response.body());
  };
  page.on('response', note);
  await page.addInitScript((token) => sessionStorage.setItem('kindergrad.token.label', token), rater.token);
  const opened = performance.now();
  await page.goto(`${origin}/label`);
  await page.locator('.stage img').waitFor();
  const ready = performance.now() - opened;
  await page.waitForLoadState('networkidle');
  // What comes later may still be on its way when the page closes.
  page.off('response', note);
  const bytes = (await Promise.all(bodies)).reduce((sum, body) => sum + body.length, 0);
  return { page, rater, ready, requests: bodies.length, bytes };
}

describeInBrowser('50,000 pictures', () => {
  it('are listed without the page growing with them', async () => {
    const folder = temporaryFolder();
    const tiny = await sharp({ create: { width: 8, height: 8, channels: 3, background: 'tan' } })
      .png()
      .toBuffer();
    for (let k = 0; k < 50; k++) {
      mkdirSync(join(folder, `part-${k}`));
      for (let i = 0; i < 1000; i++) writeFileSync(join(folder, `part-${k}`, `${i}.png`), tiny);
    }
    const began = performance.now();
    const server = await startServer(folder, '--repeat', '0.05');
    const listed = performance.now() - began;
    expect(server.output()).toContain('50000 pictures');
    const small = await startServer(await pictureFolder(numbered(20)));
    const few = await openPage(small.origin);
    const { page, ready, requests, bytes, rater } = await openPage(server.origin);
    expect(await page.locator('.progress p', { hasText: /of 52\d\d\d/ }).count()).toBe(1);
    // The shell, its modules and styles, the sheet and eight pictures: nothing that grows with the data set.
    expect(requests).toBeLessThan(35);
    expect(bytes).toBeLessThan(150_000);
    expect(requests).toBe(few.requests);
    const view = await rater.sheet();
    expect(view.next).toHaveLength(8);
    expect(JSON.stringify(view).length).toBeLessThan(2000);
    const choices: number[] = [];
    for (let n = 1; n <= 20; n++) {
      const before = performance.now();
      await page.keyboard.press('n');
      await page.locator('.count', { hasText: new RegExp(`^${n}$`) }).waitFor();
      choices.push(performance.now() - before);
    }
    choices.sort((a, b) => a - b);
    console.log(
      `50,000 pictures: listed and served after ${(listed / 1000).toFixed(1)} s; page ready in ${ready.toFixed(0)} ms ` +
        `(with 20 pictures ${few.ready.toFixed(0)} ms; ${requests} requests, ${(bytes / 1024).toFixed(0)} KiB); key to next picture, median ${choices[10]?.toFixed(0)} ms`,
    );
    noComplaints();
  }, 300_000);
});
