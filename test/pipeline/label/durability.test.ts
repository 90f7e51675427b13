import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { standingVotes } from '../../../pipeline/label/votes.ts';
import {
  cleanUpAfterEach,
  HttpRater,
  historyOnDisk,
  numbered,
  pictureFolder,
  type RunningServer,
  startServer,
  stop,
  uniqueAct,
  type View,
} from './fixtures.ts';

cleanUpAfterEach();

/** Sends a choice and cuts the connection at once: whether the server saw it, the rater cannot know. */
function sendAndHangUp(server: RunningServer, token: string, body: object): Promise<void> {
  const text = JSON.stringify(body);
  const head = [
    'POST /api/label/act HTTP/1.1',
    `Host: 127.0.0.1:${server.port}`,
    `Authorization: Bearer ${token}`,
    'Content-Type: application/json',
    `Content-Length: ${text.length}`,
  ];
  return new Promise((resolve) => {
    const socket = connect(server.port, '127.0.0.1', () => {
      socket.write(`${head.join('\r\n')}\r\n\r\n${text}`, () => setTimeout(() => socket.destroy(), 2));
    });
    socket.on('error', () => undefined);
    socket.on('close', () => resolve());
  });
}

const tally = (labels: string[]) => {
  const counts: Record<string, number> = {};
  for (const label of labels) counts[label] = (counts[label] ?? 0) + 1;
  return counts;
};

describe('ten raters at ten choices a second', () => {
  it('lose none and double none, over cut connections and choices sent again', async () => {
    const perRater = 60;
    const folder = await pictureFolder(numbered(perRater));
    const server = await startServer(folder);
    const times: number[] = [];
    const given: string[] = [];
    const rate = async (name: string, offset: number) => {
      const rater = await HttpRater.signIn(server.origin, name);
      let view = await rater.sheet();
      const began = performance.now() + offset * 10;
      for (let n = 0; n < perRater; n++) {
        const wait = began + n * 100 - performance.now();
        if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
        const slot = view.next[0]?.id ?? '';
        const label = ['happy', 'sad', 'normal', 'error'][(n * 7 + offset) % 4] ?? '';
        const body = { act: uniqueAct(), round: 1, kind: 'label', slot, label, previous: null };
        if (n % 10 === 3) await sendAndHangUp(server, rater.token, body);
        const sent = performance.now();
        view = await rater.label(slot, label, { act: body.act });
        times.push(performance.now() - sent);
        given.push(label);
      }
    };
    await Promise.all(Array.from({ length: 10 }, (_, i) => rate(`rater-${i}`, i)));
    await stop(server.child, 'SIGKILL');
    const history = await historyOnDisk(folder);
    const votes = standingVotes(history);
    expect(history.acts).toHaveLength(10 * perRater);
    expect(votes).toHaveLength(10 * perRater);
    expect(new Set(votes.map(({ rater, picture }) => `${rater}/${picture}`)).size).toBe(10 * perRater);
    expect(tally(votes.map(({ label }) => label))).toEqual(tally(given));
    times.sort((a, b) => a - b);
    const at = (share: number) => times[Math.floor(share * (times.length - 1))]?.toFixed(1);
    console.log(`a choice of ten raters at ten a second: median ${at(0.5)}, p99 ${at(0.99)}, slowest ${at(1)} ms`);
  }, 300_000);
});

describe('a server killed while raters choose', () => {
  it('has every confirmed choice afterwards, and takes the unconfirmed ones once when they are sent again', async () => {
    const folder = await pictureFolder(numbered(60));
    let server = await startServer(folder);
    const confirmed: string[] = [];
    for (let kill = 1; kill <= 3; kill++) {
      const running = server;
      const unsure: { token: string; body: { act: string } }[] = [];
      const rate = async (name: string) => {
        const rater = await HttpRater.signIn(running.origin, name);
        for (let view = await rater.sheet(); view.next[0]; ) {
          const body = {
            act: uniqueAct(),
            round: 1,
            kind: 'label',
            slot: view.next[0].id,
            label: 'sad',
            previous: null,
          };
          try {
            const response = await rater.ask('/api/label/act', body);
            view = (await response.json()) as View;
            confirmed.push(body.act);
            if (confirmed.length >= kill * 40) running.child.kill('SIGKILL');
          } catch {
            unsure.push({ token: rater.token, body });
            return;
          }
        }
      };
      await Promise.all(['a', 'b', 'c', 'd'].map(rate));
      await stop(running.child, 'SIGKILL');
      expect(existsSync(join(folder, '.kindergrad/labels.db.lock'))).toBe(true); // what the kill left behind
      server = await startServer(folder);
      for (const { token, body } of unsure) {
        const response = await new HttpRater(server.origin, token).ask('/api/label/act', body);
        expect(response.status).toBe(200);
        confirmed.push(body.act);
      }
    }
    await stop(server.child, 'SIGINT');
    expect(existsSync(join(folder, '.kindergrad/owner.json'))).toBe(false);
    const { acts } = await historyOnDisk(folder);
    expect(acts.map(({ act }) => act).sort()).toEqual(confirmed.sort());
    expect(new Set(acts.map(({ rater, picture }) => `${rater}/${picture}`)).size).toBe(acts.length);
    expect(acts.length).toBeGreaterThanOrEqual(120);
  }, 300_000);
});
