import { readFileSync, symlinkSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { describeLeftOut, listPictures } from '../../../pipeline/label/pictures.ts';
import {
  cleanUpAfterEach,
  HttpRater,
  historyOnDisk,
  kindergrad,
  numbered,
  pictureFolder,
  raw,
  serveHere,
  startServer,
  stop,
  uniqueAct,
} from './fixtures.ts';

cleanUpAfterEach();

const refusedLog = (folder: string): { status: number }[] =>
  readFileSync(join(folder, '.kindergrad/refused.log'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

describe('requests with ill intent', () => {
  it('are refused, logged, and change nothing', async () => {
    const folder = await pictureFolder(numbered(5));
    const server = await serveHere(folder);
    const { port } = server;
    const ann = await HttpRater.signIn(server.origin, 'Ann');
    const ben = await HttpRater.signIn(server.origin, 'Ben');
    const first = (await ann.sheet()).next[0]?.id ?? '';
    const bens = (await ben.sheet()).next[0]?.id ?? '';
    const json = { 'Content-Type': 'application/json', Host: `127.0.0.1:${port}` };
    const auth = { ...json, Authorization: `Bearer ${ann.token}` };
    const get = (path: string, headers: Record<string, string> = auth) => raw(port, path, { headers });
    const send = (path: string, body: string, headers: Record<string, string> = {}) =>
      raw(port, path, { method: 'POST', headers: { ...auth, ...headers }, body });
    const choice = (fields: object = {}, headers: Record<string, string> = {}) => {
      const act = { act: uniqueAct(), round: 1, kind: 'label', slot: first, label: 'happy', previous: null, ...fields };
      return send('/api/label/act', JSON.stringify(act), headers);
    };
    const asToken = (token: string) => ({ ...json, Authorization: `Bearer ${token}` });
    const cases: [string, number, () => Promise<{ status: number; text: string }>][] = [
      ['no token for a sheet', 401, () => get('/api/label/sheet', json)],
      ['no token for a picture', 401, () => get(`/api/label/picture/${first}`, json)],
      ['a wrong token', 401, () => get('/api/label/sheet', asToken('x'.repeat(27)))],
      ['a truncated token', 401, () => get('/api/label/sheet', asToken(ann.token.slice(0, -1)))],
      ['a choice without a token', 401, () => choice({}, { Authorization: '' })],
      ['a path in place of a picture', 404, () => get('/api/label/picture/..%2f..%2f..%2fetc%2fpasswd')],
      ['dots in the path', 404, () => get('/label/page/../../../../etc/passwd')],
      ['encoded dots in the path', 404, () => get('/label/page/%2e%2e/%2e%2e/package.json')],
      ['a source file of the server', 404, () => get('/label/server.ts')],
      ['the database', 404, () => get('/.kindergrad/labels.db')],
      ['an unknown label', 422, () => choice({ label: 'angry' })],
      ['a label that is no text', 422, () => choice({ label: 7 })],
      ['an unknown picture', 404, () => choice({ slot: '0'.repeat(20) })],
      ['another rater’s row', 404, () => choice({ slot: bens })],
      ['a rater’s name in the body', 422, () => choice({ rater: 'Ben' })],
      ['a round there is not', 422, () => choice({ round: 3 })],
      [
        'an undo of nothing',
        409,
        () => send('/api/label/act', '{"act":"aaaaaaaa","round":1,"kind":"undo","undoes":1}'),
      ],
      ['a huge body', 413, () => choice({ label: 'x'.repeat(100_000) })],
      ['a body that is no JSON', 400, () => send('/api/label/act', '{"act":')],
      ['a form', 415, () => choice({}, { 'Content-Type': 'application/x-www-form-urlencoded' })],
      ['a post from another web site', 403, () => choice({}, { Origin: 'http://evil.example' })],
      ['a post from another port of this machine', 403, () => choice({}, { Origin: 'http://127.0.0.1:1' })],
      ['a post from a sandboxed frame', 403, () => choice({}, { Origin: 'null' })],
      ['a cross-site request without an origin', 403, () => choice({}, { 'Sec-Fetch-Site': 'cross-site' })],
      ['a strange host name (DNS rebinding)', 403, () => choice({}, { Host: `evil.example:${port}` })],
      ['the results as a rater', 403, () => get('/api/label/results')],
      ['the history as a rater', 403, () => get('/api/label/history')],
      ['a second round opened by a rater', 403, () => send('/api/label/second-round', '{"pictures":[1]}')],
      ['labels from the coordinator', 403, () => choice({}, asToken(server.results))],
      ['another method', 404, () => raw(port, '/api/label/act', { method: 'DELETE', headers: auth })],
      ['a name that is markup', 422, () => send('/api/label/sign-in', '{"name":"<script>"}')],
    ];
    for (const [what, status, ask] of cases) {
      const answer = await ask();
      expect(answer.status, what).toBe(status);
      expect(answer.text, what).not.toMatch(/root:|"dependencies"|SQLite|\bat \w+ \(/);
    }
    expect((await ann.sheet()).rounds[1]).toEqual({ done: 0, total: 5, skipped: 0 });
    await ann.label(first, 'happy');
    expect((await ben.sheet()).rounds[1].done).toBe(0);
    await server.close();
    const history = await historyOnDisk(folder);
    expect(history.acts).toHaveLength(1);
    expect(history.raters.map(({ name }) => name)).toEqual(['Ann', 'Ben']);
    expect(history.secondRound.size).toBe(0);
    expect(refusedLog(folder).map(({ status }) => status)).toEqual(cases.map(([, status]) => status));
    expect(server.printed.join('\n')).toContain('refused:');
  });

  it('get no picture through a link that leads out of the folder, not even one exchanged later', async () => {
    const outside = await pictureFolder(['private.png']);
    const folder = await pictureFolder(['a.png', 'b.png']);
    symlinkSync(join(outside, 'private.png'), join(folder, 'link.png'));
    const server = await serveHere(folder);
    expect(describeLeftOut(await listPictures(folder))).toContain('1 left out (links that lead out');
    const ann = await HttpRater.signIn(server.origin, 'Ann');
    for (const name of ['a.png', 'b.png']) {
      unlinkSync(join(folder, name));
      symlinkSync(join(outside, 'private.png'), join(folder, name));
    }
    for (const { id } of (await ann.sheet()).next) {
      const response = await ann.ask(`/api/label/picture/${id}`);
      expect(response.status).toBe(503);
      expect(response.headers.get('content-type')).toContain('json');
    }
  });

  it('names a rater’s name and a port that cannot be', async () => {
    const folder = await pictureFolder(numbered(3));
    const name = await kindergrad('label', folder, '--raters', 'ann,<ben>', '--port', '0');
    expect(name.text).toMatch(/^ConfigError: --raters: "<ben>" is not taken\.\n {2}→ A name has 1 to 40 letters/m);
    const port = await kindergrad('label', folder, '--port', '99999');
    expect(port).toEqual({ code: 1, text: '' }); // the command line's own message, and no stack trace
    const server = await startServer(folder, '--host', '0.0.0.0', '--raters', 'ann,, ben,');
    expect([...server.tokens.keys()]).toEqual(['ann', 'ben']);
  });

  it('asks every rater for their link when others are let in', async () => {
    const folder = await pictureFolder(numbered(3));
    const nameless = await kindergrad('label', folder, '--host', '0.0.0.0', '--port', '0');
    expect(nameless.code).toBe(1);
    expect(nameless.text).toContain('--raters');
    const server = await startServer(folder, '--host', '0.0.0.0', '--raters', 'ann,ben');
    expect([...server.tokens.keys()]).toEqual(['ann', 'ben']);
    await expect(HttpRater.signIn(server.origin, 'ann')).rejects.toThrow(/link of their own/);
    const welcome = await fetch(`${server.origin}/api/label/welcome`);
    expect(await welcome.json()).toEqual({ tokens: true }); // no names for strangers
    const ann = new HttpRater(server.origin, server.tokens.get('ann') ?? '');
    const id = (await ann.sheet()).next[0]?.id ?? '';
    expect((await fetch(`${server.origin}/api/label/picture/${id}`)).status).toBe(401);
    expect((await ann.ask(`/api/label/picture/${id}`)).status).toBe(200);
    const ben = new HttpRater(server.origin, server.tokens.get('ben') ?? '');
    expect((await ben.ask(`/api/label/picture/${id}`)).status).toBe(404);
    await stop(server.child, 'SIGTERM');
    const again = await startServer(folder, '--host', '0.0.0.0');
    expect(again.tokens).toEqual(server.tokens);
    await stop(again.child, 'SIGTERM');
    const renewed = await startServer(folder, '--host', '0.0.0.0', '--new-tokens');
    expect((await new HttpRater(renewed.origin, ann.token).ask('/api/label/sheet')).status).toBe(401);
  });

  it('says which port is taken, and that a folder is in use', async () => {
    const folder = await pictureFolder(numbered(2));
    const server = await startServer(folder);
    const other = await pictureFolder(numbered(2));
    const taken = await kindergrad('label', other, '--port', String(server.port));
    expect(taken.text).toContain(`Port ${server.port} of 127.0.0.1 is taken`);
    const second = await kindergrad('label', folder, '--port', '0');
    expect(second.code).toBe(1);
    expect(second.text).toContain(`in use by process ${server.child.pid}, at ${server.origin}`);
  });
});

describe('aggregating while the page is served', () => {
  it('reads the answers through the server and opens the second round there', async () => {
    const folder = await pictureFolder(['a.png', 'b.png', 'c.png']);
    const server = await serveHere(folder);
    const ann = await HttpRater.signIn(server.origin, 'Ann');
    const ben = await HttpRater.signIn(server.origin, 'Ben');
    for (const rater of [ann, ben]) {
      for (let view = await rater.sheet(); view.next[0]; ) {
        view = await rater.label(view.next[0].id, rater === ann ? 'happy' : 'sad');
      }
    }
    const { code, text } = await kindergrad('aggregate', folder, '--bootstrap', '20');
    expect(text).toContain('3 newly asked a second time');
    expect(code).toBe(0);
    let view = await ann.sheet(2);
    expect(view.rounds[2]).toEqual({ done: 0, total: 3, skipped: 0 });
    view = await ann.label(view.next[0]?.id ?? '', 'sad', { round: 2 });
    expect(view.rounds[2].done).toBe(1);
    const results = await new HttpRater(server.origin, server.results).ask('/api/label/results');
    expect(((await results.json()) as { html: string }).html).toContain('Most disputed');
  });
});
