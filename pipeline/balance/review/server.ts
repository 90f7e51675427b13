/** Serves the review page until the reviewer has finished or the command is interrupted. */
import { join } from 'node:path';
import { publishOwner } from '../../owner.ts';
import { RefusedLog } from '../../studio/refused.ts';
import { serveStudio } from '../../studio/server.ts';
import type { StudioPage } from '../../studio/studio.ts';
import type { CheckOptions, Selection } from '../select.ts';
import { ReviewJournal } from './journal.ts';
import { reviewRoutes } from './routes.ts';
import { ReviewSheet, type ReviewWork } from './sheet.ts';

export interface ReviewOptions {
  /** Folder of the runs; the decisions are kept in its review.jsonl. */
  readonly out: string;
  readonly checks: CheckOptions;
  /** 0 takes any free port. */
  readonly port: number;
  readonly signal: AbortSignal;
  readonly say: (line: string) => void;
  /** Records the choice; returns what to tell the reviewer. */
  readonly record: (selections: readonly Selection[]) => Promise<readonly string[]>;
}

const own = (name: string) => `balance/review/page/${name}`;
const shared = (name: string) => `studio/static/${name}`;
const page: StudioPage = {
  id: 'review',
  title: 'Review',
  module: own('review.js'),
  styles: own('review.css'),
  files: [
    ...['review.js', 'review.css', 'client.js', 'single.js', 'contact-sheet.js', 'finish.js', 'keys.js'].map(own),
    ...['outbox.js', 'pictures.js', 'keys.js', 'key-help.js'].map(shared),
  ],
};

/** The page is for one person on this machine: it is served nowhere else, and asks for its link's token even here. */
const host = '127.0.0.1';

/** @returns once the choice is recorded, or the signal has come; every decision is kept either way */
export async function review(
  works: readonly ReviewWork[],
  options: ReviewOptions,
): Promise<'finished' | 'interrupted'> {
  const { out, checks, port, signal, say } = options;
  const journal = await ReviewJournal.open(join(out, 'review.jsonl'));
  const sheet = new ReviewSheet(works, checks, journal);
  const log = new RefusedLog(join(out, 'refused.log'), say);
  let onFinished = () => {};
  const finished = new Promise<'finished'>((resolve) => {
    onFinished = () => resolve('finished');
  });
  let recording: Promise<readonly string[]> | undefined;
  const finish = () => {
    recording = options.record(sheet.selections());
    return recording;
  };
  const api = reviewRoutes({ sheet, log, finish, onFinished });
  const { here, close } = await serveStudio({ pages: [page], api, host, port, log });
  try {
    publishOwner(out, `${here}/review`, journal.secret);
    say(`  Review   ${here}/review#token=${journal.secret}`);
    say('Choose there, then press Finish. Ctrl-C stops; nothing is lost, and the same command goes on.');
    const stopped = new Promise<'interrupted'>((resolve) => {
      if (signal.aborted) resolve('interrupted');
      signal.addEventListener('abort', () => resolve('interrupted'), { once: true });
    });
    const state = await Promise.race([finished, stopped]);
    // Stopped while the choice is being recorded: that is brought to its end.
    return recording ? recording.then(() => 'finished' as const) : state;
  } finally {
    await close();
  }
}
