import { appendFile, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { recordSelection } from '../../../pipeline/balance/record.ts';
import { ReviewJournal } from '../../../pipeline/balance/review/journal.ts';
import { ReviewSheet } from '../../../pipeline/balance/review/sheet.ts';
import { type Decision, select, selectReviewed } from '../../../pipeline/balance/select.ts';
import { readDataSet } from '../../../pipeline/dataset/read.ts';
import { splitDataSet } from '../../../pipeline/dataset/split.ts';
import { describeInBrowser, newPage, noComplaints, screenshot } from '../label/browser.ts';
import { cleanUpAfterEach, raw, startCommand, stop, uniqueAct } from '../label/fixtures.ts';
import { drawnFaces, generatedIn } from './fixtures.ts';
import { cleanUpReviews, prepareReview, serveReview } from './review-fixtures.ts';

cleanUpReviews();
cleanUpAfterEach();

const checks = { maxSimilarity: 0.95, minTarget: 0.5 };
const networkErrors = /Failed to load resource|net::ERR/;
const notice = (page: Page, text: string) => page.locator('.notice', { hasText: text }).waitFor();
const counts = async (page: Page) => (await page.locator('.progress p').textContent())?.replace(/\s+/g, ' ').trim();
const expectCounts = (page: Page, kept: number, wanted: number, discarded: number, open: number) =>
  expect
    .poll(() => counts(page), { timeout: 15_000 })
    .toBe(`${kept} of ${wanted} wanted kept · ${discarded} discarded · ${open} to decide`);

async function open(page: Page, url: string): Promise<void> {
  await page.goto(url);
  await page.locator('.pair img, .contact-sheet img, .nothing').first().waitFor();
}

/** Whose picture is in view. */
const inView = (page: Page) => page.locator('.facts .subject').textContent();

describeInBrowser('the review page', () => {
  it('keeps, discards, undoes and moves by keyboard, and shows the same after a reload', async () => {
    const prepared = await prepareReview(15, 5);
    const server = await serveReview(prepared);
    const page = await newPage();
    await open(page, server.url);
    expect(await page.title()).toBe('Review – kindergrad');
    expect(page.url()).toBe(`${server.origin}/review`); // the token does not stay in the address bar
    await screenshot(page, 'review-light');
    // The best score first; two of 15 are left out by the checks.
    expect(await inView(page)).toBe('child-0');
    await expectCounts(page, 0, 5, 0, 13);
    await page.keyboard.press('k');
    await notice(page, 'Kept.');
    expect(await inView(page)).toBe('child-1');
    await page.keyboard.press('2');
    await notice(page, 'Discarded: melted or blurred.');
    await expectCounts(page, 1, 5, 1, 11);
    await page.keyboard.press('ArrowRight');
    expect(await inView(page)).toBe('child-3');
    await page.keyboard.press('ArrowLeft');
    expect(await inView(page)).toBe('child-2');
    // A reason of one's own; what is typed is no key.
    await page.keyboard.press('d');
    await page.getByRole('textbox', { name: 'Why is this picture discarded?' }).fill('kept looks z');
    await page.keyboard.press('Enter');
    await notice(page, 'Discarded: kept looks z.');
    await expectCounts(page, 1, 5, 2, 10);
    await page.keyboard.press('z');
    await notice(page, 'Undone.');
    expect(await inView(page)).toBe('child-2');
    await page.keyboard.press('z');
    await expectCounts(page, 1, 5, 0, 12);
    expect(await inView(page)).toBe('child-1');
    await page.keyboard.press('1');
    await expectCounts(page, 1, 5, 1, 11);
    // Held down, X shows the source in the picture's place.
    const right = page.locator('.pair figure').nth(1).locator('img');
    const made = await right.getAttribute('src');
    await page.keyboard.down('x');
    await page.getByText('real, neutral').nth(1).waitFor();
    expect(await right.getAttribute('src')).toBe(
      await page.locator('.pair figure').first().locator('img').getAttribute('src'),
    );
    await page.keyboard.up('x');
    await expect.poll(() => right.getAttribute('src')).toBe(made);
    await page.reload();
    await page.locator('.pair img').first().waitFor();
    await expectCounts(page, 1, 5, 1, 11);
    // Those left out by the checks, on request, with the reason; they can be kept all the same.
    await page.getByRole('button', { name: /^Left out by the checks/ }).click();
    await page.getByText('left out by the checks: unchanged: SSIM 0.990').waitFor();
    await page.keyboard.press('k');
    await expectCounts(page, 2, 5, 1, 11);
    await page.getByRole('button', { name: /^Discarded/ }).click();
    await page.getByText('discarded: wrong expression').waitFor();
    await page.keyboard.press('r');
    await expectCounts(page, 2, 5, 0, 12);
    noComplaints();
  });

  it('decides on many at once in the contact sheet, by mouse and by keyboard, and undoes that as one', async () => {
    const prepared = await prepareReview(50, 20);
    const server = await serveReview(prepared);
    const page = await newPage();
    await open(page, server.url);
    await page.keyboard.press('c');
    const tiles = page.locator('.tile');
    await expect.poll(() => tiles.count()).toBe(36);
    await page.getByText('page 1 of 2').waitFor();
    await tiles.nth(2).click();
    await tiles.nth(6).click({ modifiers: ['Shift'] });
    await page.getByText('5 pictures selected').waitFor();
    await screenshot(page, 'review-sheet');
    await page.keyboard.press('k');
    await notice(page, 'Kept (5 pictures).');
    await expectCounts(page, 5, 20, 0, 38);
    await page.keyboard.press('z');
    await expectCounts(page, 0, 20, 0, 43);
    await page.getByText('5 pictures selected').waitFor(); // what was undone is what one wants to decide anew
    await page.keyboard.press('Escape');
    // Arrows, with Shift, and Space.
    await tiles.first().focus();
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('Shift+ArrowRight');
    await page.keyboard.press('Shift+ArrowRight');
    await page.getByText('3 pictures selected').waitFor();
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press(' ');
    await page.getByText('4 pictures selected').waitFor();
    await page.keyboard.press('3');
    await notice(page, 'Discarded: hardly changed (4 pictures).');
    // The focus stays on the sheet, so that the keyboard goes on.
    await expect.poll(() => page.evaluate(() => document.activeElement?.getAttribute('role'))).toBe('option');
    await page.keyboard.press('PageDown');
    await page.getByText('page 2 of 2').waitFor();
    await page.keyboard.press('Control+a');
    await page.getByText('3 pictures selected').waitFor();
    await page.keyboard.press('k');
    await expectCounts(page, 3, 20, 4, 36);
    await page.keyboard.press('Enter');
    await page.locator('.single').waitFor();
    noComplaints();
  });

  it('shows in every tab what another one decided, and takes a decision made on old knowledge once only', async () => {
    const server = await serveReview(await prepareReview(8, 4));
    const page = await newPage({ mayComplain: /409/ });
    await open(page, server.url);
    const tab = await page.context().newPage();
    await open(tab, `${server.origin}/review`);
    await tab.keyboard.press('k');
    await expectCounts(page, 1, 4, 0, 6);
    // Another browser hears nothing until it sends something.
    const other = await newPage({ mayComplain: /409/ });
    await open(other, server.url);
    expect(await inView(other)).toBe('child-1');
    await page.keyboard.press('1');
    await expectCounts(page, 1, 4, 1, 5);
    await other.keyboard.press('k');
    await notice(other, 'decided in another tab meanwhile. This page now shows how things are.');
    await expectCounts(other, 1, 4, 1, 5);
    await other.keyboard.press('z');
    await expectCounts(other, 1, 4, 0, 6);
    await page.keyboard.press('z');
    await notice(page, 'Something else was decided since');
    noComplaints();
  });

  it('fits windows, zoom and phones, light and dark, and can be used without letters as keys', async () => {
    const server = await serveReview(await prepareReview(20, 5));
    const sizes = [
      { name: 'window', viewport: { width: 1280, height: 800 }, colorScheme: 'dark' as const },
      { name: 'window at 400 percent', viewport: { width: 320, height: 256 }, deviceScaleFactor: 4 },
      { name: 'phone', viewport: { width: 360, height: 640 }, isMobile: true, hasTouch: true },
    ];
    for (const { name, ...options } of sizes) {
      const page = await newPage(options);
      await open(page, server.url);
      for (const mode of ['single', 'sheet']) {
        if (mode === 'sheet') await page.getByRole('button', { name: 'Contact sheet' }).click();
        await page
          .locator(mode === 'sheet' ? '.contact-sheet img' : '.pair img')
          .first()
          .waitFor();
        await screenshot(page, `review-${name}-${mode}`.replaceAll(' ', '-'));
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        expect(wide, `${name} ${mode}`).toBeLessThanOrEqual(0);
        const boxes = await page
          .locator('.answers button')
          .evaluateAll((all) => all.map((b) => b.getBoundingClientRect()));
        expect(boxes).toHaveLength(6);
        for (const { width, height } of boxes) expect(Math.min(width, height), name).toBeGreaterThanOrEqual(38);
      }
      const unnamed = await page.evaluate(
        () =>
          [...document.querySelectorAll('button, select, input, img, progress')].filter(
            (e) =>
              !(
                e.getAttribute('aria-label') ||
                e.textContent?.trim() ||
                e.getAttribute('alt') !== null ||
                e.closest('label')
              ),
          ).length,
      );
      expect(unnamed).toBe(0);
      await page.context().close();
    }
    const page = await newPage();
    await open(page, server.url);
    await page.getByLabel('Letters as keys').uncheck();
    await page.locator('body').press('k');
    await page.locator('body').press('1');
    await notice(page, 'Discarded: wrong expression.');
    await expectCounts(page, 0, 5, 1, 17);
    noComplaints();
  });

  it('finishes, and what is recorded is what the automatic choice of the same pictures records', async () => {
    const prepared = await prepareReview(15, 5);
    const server = await serveReview(prepared);
    const page = await newPage();
    await open(page, server.url);
    const tab = await page.context().newPage();
    await open(tab, `${server.origin}/review`);
    await page.getByRole('button', { name: 'Finish' }).click();
    await page.getByText('13 pictures not decided on').waitFor();
    await screenshot(page, 'review-finish');
    await page.getByRole('button', { name: 'Keep the 5 best of them by score' }).click();
    await page.getByText('5 of 5 wanted will be written').waitFor();
    await page.getByRole('button', { name: 'Write and finish' }).click();
    await page.getByRole('heading', { name: 'Done' }).waitFor();
    await page.getByText('5 happy pictures are in the folder now.').waitFor();
    await tab.getByRole('heading', { name: 'Done' }).waitFor();
    await screenshot(page, 'review-done');
    expect(await server.ended).toBe('finished');
    const automatic = await prepareReview(15, 5);
    const [work] = automatic.works;
    await recordSelection(automatic.data, work.task, work.run, select(work.candidates, { ...checks, keep: 5 }));
    const recorded = await generatedIn(prepared.data.folder, 'happy');
    expect(recorded).toEqual(await generatedIn(automatic.data.folder, 'happy'));
    expect(recorded.names).toHaveLength(5);
    // Chosen by hand they are generated all the same: no test gets them.
    const data = await readDataSet(prepared.data.folder);
    const split = splitDataSet(data, { testShare: 0.5, valShare: 0, seed: 1, generatedInTest: false });
    expect(data.pictures.filter(({ generated }) => generated)).toHaveLength(5);
    expect(split.test.some(({ generated }) => generated)).toBe(false);
    noComplaints();
  });

  it('is one step of the real command: killed while choosing it goes on, and finishing ends it', async () => {
    const faces = await drawnFaces(join((await prepareReview(1, 1)).out, 'faces'));
    const out = `${faces}-runs`;
    const tiny = ['--image-size', '32', '--ngf', '4', '--blocks', '1', '--epochs', '1', '--steps-per-epoch', '2'];
    const args = ['balance', faces, '--to', 'happy=17,sad=9', '--out', out, ...tiny, '--review'];
    const start = async (port: string) => {
      const running = await startCommand([...args, '--port', port], 'Ctrl-C stops');
      const url = /http\S+\/review#token=\S+/.exec(running.output())?.[0] ?? '';
      return { ...running, url, port: new URL(url).port };
    };
    let server = await start('0');
    const page = await newPage({ mayComplain: networkErrors });
    await open(page, server.url);
    await page.getByRole('button', { name: /normal → happy 0\/4/ }).waitFor();
    await page.keyboard.press('k');
    await expectCounts(page, 1, 4, 0, 5);
    await stop(server.child, 'SIGKILL');
    await page.keyboard.press('2');
    await notice(page, 'Not saved yet: The server is not reached. Trying again');
    server = await start(server.port);
    expect(server.output()).not.toContain('generating'); // what was made before the kill is there
    await expectCounts(page, 1, 4, 1, 4);
    await page.getByRole('button', { name: /normal → sad/ }).click();
    await expectCounts(page, 0, 3, 0, 5);
    await page.keyboard.press('k');
    await expectCounts(page, 1, 3, 0, 4);
    await page.getByRole('button', { name: 'Finish' }).click();
    const ended = new Promise((resolve) => server.child.once('close', resolve));
    await page.getByRole('button', { name: 'Write and finish' }).click();
    await page.getByRole('heading', { name: 'Done' }).waitFor();
    expect(await ended).toBe(0);
    expect(server.output()).toMatch(
      /happy still lacks 3: the same command makes more; \d+ normal pictures not used yet/,
    );
    const { rows, names } = await generatedIn(faces, 'happy');
    expect(names).toHaveLength(1);
    expect(rows.filter(({ discarded }) => discarded === 'generated happy: in review: melted or blurred')).toHaveLength(
      1,
    );
    expect(rows.filter(({ discarded }) => discarded === 'generated happy: not reviewed')).toHaveLength(4);
    expect(await readFile(join(out, 'report.html'), 'utf8')).toContain('in review: melted or blurred: 1');

    // Called again, it offers what was not looked at, one more to choose from, and what was discarded under Discarded.
    server = await start('0');
    const later = await newPage();
    await open(later, server.url);
    await expectCounts(later, 0, 3, 1, 5);
    await later.context().close(); // before its server goes
    await stop(server.child, 'SIGINT');
    expect(server.output()).toContain('Interrupted and saved.');
    // The automatic choice does not bring back what a person turned down.
    const automatic = await startCommand(args.slice(0, -1), 'look at');
    expect(automatic.output()).toMatch(/kept 3 of 5 candidates; 2 enough better ones/);
    const chosen = await generatedIn(faces, 'happy');
    expect(chosen.names).toHaveLength(4);
    expect(chosen.rows).toContainEqual(rows.find(({ discarded }) => discarded?.includes('in review')));
    noComplaints();
  }, 300_000);
});

describe('hostile requests to a review', () => {
  it('are refused, logged, and change nothing', async () => {
    const prepared = await prepareReview(3, 2);
    const server = await serveReview(prepared);
    const { port, token } = server;
    const host = { 'Content-Type': 'application/json', Host: `127.0.0.1:${port}` };
    const auth = { ...host, Authorization: `Bearer ${token}` };
    const get = (path: string, headers: Record<string, string> = auth) => raw(port, path, { headers });
    const view = JSON.parse((await get('/api/review/sheet')).text);
    const id: string = view.classes[0].candidates[0].id;
    const send = (fields: object, headers: Record<string, string> = {}, path = '/api/review/act') =>
      raw(port, path, {
        method: 'POST',
        headers: { ...auth, ...headers },
        body: JSON.stringify({
          act: uniqueAct(),
          seen: 0,
          kind: 'decide',
          ids: [id],
          decision: { keep: true },
          ...fields,
        }),
      });
    const cases: [string, number, () => Promise<{ status: number; text: string }>][] = [
      ['no token for the sheet', 401, () => get('/api/review/sheet', host)],
      ['no token for a picture', 401, () => get(`/api/review/picture/${id}/made`, host)],
      ['a wrong token', 401, () => get('/api/review/sheet', { ...host, Authorization: `Bearer ${'x'.repeat(27)}` })],
      ['finishing without a token', 401, () => send({}, { Authorization: '' }, '/api/review/finish')],
      ['a path in place of a picture', 404, () => get('/api/review/picture/..%2f..%2f..%2fetc%2fpasswd/made')],
      ['a file of the run', 404, () => get('/api/review/picture/config.json/source')],
      ['another kind of picture', 404, () => get(`/api/review/picture/${id}/..%2fmade`)],
      ['dots in the path', 404, () => get('/balance/review/page/../../../../etc/passwd')],
      ['a source file of the server', 404, () => get('/balance/review/routes.ts')],
      ['the journal', 404, () => get('/review.jsonl')],
      ['an unknown picture', 404, () => send({ ids: ['0'.repeat(20)] })],
      ['a file name as a picture', 422, () => send({ ids: ['../../etc/passwd'] })],
      ['an empty reason', 422, () => send({ decision: { keep: false, reason: ' ' } })],
      ['a reason that breaks the line', 422, () => send({ decision: { keep: false, reason: 'a\nb' } })],
      ['a decision that is none', 422, () => send({ decision: 'keep' })],
      ['an undo of nothing', 409, () => send({ kind: 'undo', undoes: 1, ids: undefined, decision: undefined })],
      ['a huge body', 413, () => send({ act: 'x'.repeat(300_000) })],
      ['a form', 415, () => send({}, { 'Content-Type': 'text/plain' })],
      ['another web site', 403, () => send({}, { Origin: 'http://evil.example' })],
      ['another port of this machine', 403, () => send({}, { Origin: 'http://127.0.0.1:1' })],
      [
        'a strange host name (DNS rebinding)',
        403,
        () => get('/api/review/sheet', { ...auth, Host: `evil.example:${port}` }),
      ],
      [
        'finishing on old knowledge',
        409,
        () => raw(port, '/api/review/finish', { method: 'POST', headers: auth, body: '{"seen":7}' }),
      ],
    ];
    for (const [what, status, ask] of cases) {
      const answer = await ask();
      expect(answer.status, what).toBe(status);
      expect(answer.text, what).not.toMatch(/root:|\bat \w+ \(/);
    }
    expect(JSON.parse((await get('/api/review/sheet')).text)).toEqual(view);
    expect(JSON.stringify(view)).not.toMatch(/face-|\.png|neutral\//); // no file name
    const refused = (await readFile(join(prepared.out, 'refused.log'), 'utf8')).trim().split('\n');
    expect(refused.map((line) => JSON.parse(line).status)).toEqual(cases.map(([, status]) => status));
    expect((await stat(join(prepared.out, 'review.jsonl'))).mode & 0o077).toBe(0); // it holds the token
    expect((await generatedIn(prepared.data.folder, 'happy')).names).toEqual([]);
  });
});

describe('the journal of a review', () => {
  it('is the same after a restart and a torn line, and takes what is sent again once', async () => {
    const { out, works } = await prepareReview(6, 3);
    const path = join(out, 'review.jsonl');
    const journal = await ReviewJournal.open(path);
    const sheet = new ReviewSheet(works, checks, journal);
    const ids = sheet.view().classes[0].candidates.map(({ id }) => id);
    const decide = (act: string, seen: number, which: string[], decision: Decision | null) =>
      journal.submit({ act, seen, kind: 'decide', ids: which, decision });
    await decide('act-00001', 0, ids.slice(0, 2), { keep: true });
    await decide('act-00002', 1, [ids[1]], { keep: false, reason: 'melted' });
    await decide('act-00002', 1, [ids[1]], { keep: false, reason: 'melted' }); // sent again
    expect(journal.seq).toBe(2);
    await expect(decide('act-00003', 1, [ids[1]], { keep: true })).rejects.toThrow(/in another tab/);
    await journal.submit({ act: 'act-00004', seen: 2, kind: 'undo', undoes: 2 });
    expect(journal.decision(ids[1])).toEqual({ keep: true });
    await journal.submit({ act: 'act-00005', seen: 3, kind: 'undo', undoes: 1 });
    await decide('act-00006', 4, [ids[4]], { keep: false, reason: 'another face' });
    await appendFile(path, '{"act":"act-00007","seen":5,"ki');
    const again = await ReviewJournal.open(path);
    expect(again.secret).toBe(journal.secret);
    expect(new ReviewSheet(works, checks, again).view()).toEqual(sheet.view());
    await again.submit({ act: 'act-00008', seen: 5, kind: 'decide', ids: [ids[0]], decision: { keep: true } });
    expect((await ReviewJournal.open(path)).seq).toBe(6);
  });

  it('is refused when it is none, or cannot be written', async () => {
    const { out } = await prepareReview(1, 1);
    await appendFile(join(out, 'other.jsonl'), '{"a":1}\n');
    await expect(ReviewJournal.open(join(out, 'other.jsonl'))).rejects.toThrow(/not the journal of a review/);
    await expect(ReviewJournal.open(join(out, 'no', 'folder.jsonl'))).rejects.toThrow(/cannot be written/);
  });
});

describe('selectReviewed', () => {
  it('lets a person overrule the checks, and says of the others why they are out', async () => {
    const { works } = await prepareReview(8, 3);
    const { candidates } = works[0]; // child-6 is unchanged
    const decisions = new Map<string, Decision>([
      ['child-6', { keep: true }],
      ['child-2', { keep: true }],
      ['child-0', { keep: false, reason: 'melted' }],
    ]);
    const of = (keep: number) =>
      selectReviewed(candidates, ({ subject }) => decisions.get(subject), { ...checks, keep });
    expect(of(3).kept.map(({ subject }) => subject)).toEqual(['child-2', 'child-6']);
    expect(of(3).discarded.map(({ candidate, reason }) => `${candidate.subject} ${reason}`)).toEqual([
      'child-0 in review: melted',
      ...['child-1', 'child-3', 'child-4', 'child-5', 'child-7'].map((subject) => `${subject} not reviewed`),
    ]);
    expect(of(2).discarded.at(-1)?.reason).toBe('enough better ones: discriminator score 0.125');
  });
});
