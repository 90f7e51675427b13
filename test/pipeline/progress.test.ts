import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { formatDuration, progress } from '../../pipeline/progress.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

function output(isTTY: boolean, columns?: number) {
  const lines: string[] = [];
  return { isTTY, columns, lines, write: (text: string) => lines.push(text) };
}

test.each([
  [0.4, '0 s'],
  [59, '59 s'],
  [200, '3 min 20 s'],
  [7500, '2 h 05 min'],
])('%d seconds read %s', (seconds, text) => {
  expect(formatDuration(seconds)).toBe(text);
});

test('a terminal gets one line that is rewritten, with the time left at the speed so far', () => {
  const out = output(true, 80);
  const line = progress('train', out);
  line.update(10, 110); // already done before, by the run that is resumed
  vi.advanceTimersByTime(50);
  line.update(11, 110); // too soon to draw again
  vi.advanceTimersByTime(950);
  line.update(20, 110, 'loss 0.5');
  line.finish();
  expect(out.lines).toEqual(['\r\x1b[2Ktrain  9 %  10/110', '\r\x1b[2Ktrain  18 %  20/110  loss 0.5  9 s left', '\n']);
});

test('nothing to do is done', () => {
  const out = output(true);
  progress('train', out).update(0, 0);
  expect(out.lines).toEqual(['\r\x1b[2Ktrain  100 %  0/0']);
});

test('a log file gets a line now and then, and the last one always', () => {
  const out = output(false);
  const line = progress('train', out);
  for (let done = 1; done <= 40; done += 1) {
    line.update(done, 40);
    vi.advanceTimersByTime(1000);
  }
  line.finish();
  expect(out.lines).toEqual([
    'train  2 %  1/40\n',
    'train  40 %  16/40  24 s left\n',
    'train  77 %  31/40  9 s left\n',
    'train  100 %  40/40\n',
  ]);
});

test('a narrow or unknown width cuts the line instead of wrapping it', () => {
  const narrow = output(true, 24);
  progress('a label that is long', narrow).update(1, 10, 'and a detail');
  expect(narrow.lines[0].length).toBeLessThanOrEqual(5 + 23);
  const unknown = output(true, 0);
  progress('train', unknown).update(1, 10, 'some detail that must be seen');
  expect(unknown.lines[0]).toContain('must be seen');
});
