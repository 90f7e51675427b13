import type { Page } from 'playwright-core';
import { expect, it } from 'vitest';
import { standingVotes } from '../../../pipeline/label/votes.ts';
import { readManifest } from '../../../pipeline/manifest.ts';
import { describeInBrowser, newPage, noComplaints, screenshot } from './browser.ts';
import {
  cleanUpAfterEach,
  historyOnDisk,
  kindergrad,
  numbered,
  pictureFolder,
  serveHere,
  startServer,
  stop,
} from './fixtures.ts';

cleanUpAfterEach();

const phone = { viewport: { width: 390, height: 760 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };
const networkErrors = /Failed to load resource|net::ERR/;

async function signIn(page: Page, url: string, name: string): Promise<void> {
  await page.goto(url);
  const known = page.getByRole('button', { name, exact: true });
  await page.locator('#name').waitFor();
  if (await known.count()) await known.click();
  else {
    await page.locator('#name').fill(name);
    await page.keyboard.press('Enter');
  }
  await page.locator('.stage img').waitFor();
}

/** "3 of 12" → 3. */
const done = async (page: Page) => Number(await page.locator('.count').textContent());

/** Presses a key and waits until the page has moved on to `count` answers. */
async function press(page: Page, key: string, count: number): Promise<void> {
  await page.keyboard.press(key);
  await page.locator('.count', { hasText: new RegExp(`^${count}$`) }).waitFor();
}

/** What the page says above the picture. */
const notice = (page: Page, text: string) => page.locator('.notice', { hasText: text });

/** The picture in view, as the address of its bytes. */
const pictureInView = (page: Page) => page.locator('.stage img').getAttribute('src');

describeInBrowser('a session of two raters', () => {
  it('goes from the first key to the settled tie, through undo, reload, a lost network and a killed server', async () => {
    const total = 12;
    const folder = await pictureFolder(numbered(total));
    let server = await startServer(folder);

    // Ann, at a keyboard.
    const ann = await newPage({ mayComplain: networkErrors });
    await signIn(ann, server.url, 'Ann');
    await screenshot(ann, 'desk-light');
    expect(await ann.title()).toBe('Label – kindergrad');
    await press(ann, 'h', 1);
    await press(ann, '1', 2);
    await press(ann, 's', 3);
    const third = await ann.getByRole('button', { name: 'Back' }).isEnabled();
    expect(third).toBe(true);
    await ann.keyboard.press('z');
    await notice(ann, 'Undone: sad.').waitFor();
    expect(await done(ann)).toBe(2);
    await press(ann, 'h', 3);

    // A key held down is one answer.
    await ann.keyboard.down('h');
    await ann.locator('.count', { hasText: /^4$/ }).waitFor();
    await ann.keyboard.down('h');
    await ann.keyboard.down('h');
    await ann.waitForTimeout(150);
    expect(await done(ann)).toBe(4);
    await ann.keyboard.up('h');

    // Back to an answered picture, changed, and changed again by undo.
    await ann.keyboard.press('ArrowLeft');
    await notice(ann, 'You answered').waitFor();
    expect(await ann.getByRole('button', { name: 'happy' }).getAttribute('aria-pressed')).toBe('true');
    await screenshot(ann, 'desk-back');
    await ann.keyboard.press('n');
    await notice(ann, 'Changed to normal.').waitFor();
    expect(await done(ann)).toBe(4);
    await ann.keyboard.press('z');
    await notice(ann, 'You answered').waitFor();
    expect(await ann.getByRole('button', { name: 'happy' }).getAttribute('aria-pressed')).toBe('true');
    await ann.keyboard.press('ArrowRight');

    // A skipped picture comes back at the end.
    const skipped = await pictureInView(ann);
    await ann.keyboard.press('k');
    await notice(ann, 'Put off').waitFor();
    expect(await pictureInView(ann)).not.toBe(skipped);
    expect(await done(ann)).toBe(4);

    // A reload shows the same picture and count.
    await press(ann, 'h', 5);
    await ann.reload();
    await ann.locator('.stage img').waitFor();
    expect(await done(ann)).toBe(5);

    // The network is lost while a choice is on its way, and the page is reloaded before it is back.
    await ann.route('**/api/label/act', (route) => route.abort());
    await ann.keyboard.press('h');
    await notice(ann, 'Not saved yet: The server is not reached. Trying again …').waitFor();
    await screenshot(ann, 'desk-waiting');
    expect(await done(ann)).toBe(5);
    await ann.unroute('**/api/label/act');
    await ann.reload();
    await notice(ann, 'is saved now').waitFor();
    expect(await done(ann)).toBe(6);

    // The server is killed; a choice waits for it and is taken once when it is back.
    await stop(server.child, 'SIGKILL');
    await ann.keyboard.press('h');
    await notice(ann, 'Not saved yet').waitFor();
    server = await startServer(folder, '--port', String(server.port));
    await ann.locator('.count', { hasText: /^7$/ }).waitFor();

    // Ann again, in another browser: an answer the first page does not know of is not doubled.
    const twin = await newPage({ mayComplain: /409/ });
    await signIn(twin, server.url, 'Ann');
    expect(await done(twin)).toBe(7);
    await press(twin, 'h', 8);
    await ann.keyboard.press('e');
    await notice(ann, 'answered in another tab: happy').waitFor();
    expect(await done(ann)).toBe(8);
    // A tab of the same browser hears of an answer by itself.
    const tab = await ann.context().newPage();
    await signIn(tab, server.url, 'Ann');
    await press(tab, 'h', 9);
    await ann.locator('.count', { hasText: /^9$/ }).waitFor();
    await tab.close();
    await twin.context().close();
    for (let n = 10; n <= total; n++) await press(ann, 'h', n);
    await ann.getByText(`All ${total} pictures are labelled.`).waitFor();
    await screenshot(ann, 'desk-done');

    // Ben, on a phone, by touch: sad for three pictures, happy for the others.
    const ben = await newPage({ ...phone, mayComplain: networkErrors });
    await signIn(ben, server.url, 'Ben');
    await screenshot(ben, 'phone');
    for (let n = 1; n <= total; n++) {
      await ben.getByRole('button', { name: n <= 3 ? 'sad' : 'happy' }).tap();
      await ben.locator('.count', { hasText: new RegExp(`^${n}$`) }).waitFor();
    }
    await ben.getByText(`All ${total} pictures are labelled.`).waitFor();

    // Ties go into a second round, in which both see them again.
    const first = await kindergrad('aggregate', folder, '--bootstrap', '50');
    expect(first.text).toContain('second round       3  tied; 3 newly asked a second time');
    await ann.reload();
    await ann.getByText('On 3 pictures the raters were tied.').waitFor();
    await screenshot(ann, 'second-round');
    await ann.getByRole('button', { name: 'Start the second round' }).click();
    await ann.locator('.stage img').waitFor();
    await press(ann, 's', 1);
    await press(ann, 'h', 2);
    await press(ann, 'h', 3);
    await ann.getByText('All 3 pictures of the second round are labelled.').waitFor();
    await ben.reload();
    await ben.getByRole('button', { name: 'Start the second round' }).tap();
    for (let n = 1; n <= 3; n++) {
      await ben.getByRole('button', { name: 'sad' }).tap();
      await ben.locator('.count', { hasText: new RegExp(`^${n}$`) }).waitFor();
    }
    const second = await kindergrad('aggregate', folder, '--bootstrap', '50');
    expect(second.text).toMatch(/happy +9\n +sad +1\n +normal +0\n +still tied +2 /);

    // The results, for the coordinator alone.
    const results = await newPage();
    await results.goto(`${server.origin}/results#token=${server.results}`);
    await results.getByText('Most disputed pictures').waitFor();
    await results.locator('.disputed img').first().scrollIntoViewIfNeeded();
    await results.locator('.disputed img[src^="blob:"]').first().waitFor();
    expect(results.url()).toBe(`${server.origin}/results`); // the token does not stay in the address bar
    await screenshot(results, 'results');
    await results.setViewportSize({ width: 320, height: 600 });
    expect(await results.evaluate(() => document.documentElement.scrollWidth)).toBe(320);
    await ann.goto(`${server.origin}/results`);
    await ann.getByText('Open the link that').waitFor();

    await stop(server.child, 'SIGINT');
    const history = await historyOnDisk(folder);
    const votes = standingVotes(history);
    expect(votes).toHaveLength(2 * (total + 3));
    expect(new Set(votes.map(({ rater, picture, round }) => `${rater}/${picture}/${round}`)).size).toBe(votes.length);
    expect(history.acts.map(({ kind }) => kind).filter((kind) => kind !== 'label')).toEqual(['undo', 'undo', 'skip']);
    const rows = await readManifest(folder);
    expect(rows?.filter(({ label }) => label === undefined).map(({ votes: v }) => v)).toEqual([
      { happy: 2, sad: 2, normal: 0, error: 0 },
      { happy: 2, sad: 2, normal: 0, error: 0 },
    ]);
    noComplaints();
  }, 300_000);

  it('has the next pictures loaded before they are needed, and tells nothing of file names', async () => {
    const folder = await pictureFolder([
      'happy/quokka1.png',
      'happy/quokka2.png',
      'sad/quokka3.png',
      'sad/quokka4.png',
      'quokka5.png',
    ]);
    const server = await serveHere(folder);
    const page = await newPage();
    const sent: string[] = [];
    const answers: Promise<string>[] = [];
    const note = (response: { url(): string; headers(): Record<string, string>; text(): Promise<string> }): void => {
      sent.push(response.url());
      if (/api/.test(response.url()) && /json/.test(response.headers()['content-type'] ?? ''))
        answers.push(response.text());
    };
    page.on('response', note);
    await signIn(page, server.url, 'Ann');
    await page.waitForTimeout(300);
    expect(sent.filter((text) => text.includes('/api/label/picture/'))).toHaveLength(5);
    const loading = await page.evaluate(async () => {
      let seen = 0;
      const watch = new MutationObserver(() => {
        if (document.querySelector('.stage-note')) seen++;
      });
      watch.observe(document.body, { subtree: true, childList: true });
      for (let n = 1; n <= 4; n++) {
        dispatchEvent(new KeyboardEvent('keydown', { key: 'n', code: 'KeyN' }));
        while (document.querySelector('.count')?.textContent !== String(n)) await new Promise((r) => setTimeout(r, 5));
      }
      watch.disconnect();
      return seen;
    });
    expect(loading).toBe(0);
    await page.waitForLoadState('networkidle');
    page.off('response', note);
    sent.push(...(await Promise.all(answers)));
    expect(answers.length).toBeGreaterThan(2);
    expect(sent.join('\n')).not.toMatch(/quokka|happy\/|sad\//);
    noComplaints();
  });

  it('shows a damaged picture as such, and goes on', async () => {
    const folder = await pictureFolder(numbered(2));
    const { writeFileSync } = await import('node:fs');
    writeFileSync(`${folder}/face-000.png`, 'not a picture');
    writeFileSync(`${folder}/face-001.png`, 'nor this');
    const server = await serveHere(folder);
    const page = await newPage();
    await page.goto(server.url);
    await page.locator('#name').fill('Ann');
    await page.keyboard.press('Enter');
    await page.getByText('This picture is damaged.').waitFor();
    await press(page, 'e', 1);
    await page.getByText('This picture is damaged.').waitFor();
    noComplaints();
  });

  it('takes a rater’s link, keeps it through a reload and a new tab, and turns away a wrong one', async () => {
    const folder = await pictureFolder(numbered(3));
    const server = await serveHere(folder, { host: '0.0.0.0', raters: ['ann', 'ben'] });
    const page = await newPage();
    await page.goto(`${server.url}#token=${server.tokens.get('ann')}`);
    await page.locator('.stage img').waitFor();
    expect(page.url()).toBe(server.url);
    await press(page, 's', 1);
    await page.reload();
    await page.locator('.count', { hasText: /^1$/ }).waitFor();
    const tab = await page.context().newPage();
    await tab.goto(server.url);
    await tab.locator('.count', { hasText: /^1$/ }).waitFor();
    const stranger = await newPage({ mayComplain: /401/ });
    await stranger.goto(`${server.url}#token=wrong`);
    await stranger.getByText('Your link is needed').waitFor();
    noComplaints();
  });
});
