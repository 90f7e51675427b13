/** The whole history of a set of answers, for aggregation and export, while the page is being served or not. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DataError } from '../../engine/errors.ts';
import { liveOwner, type Owner } from '../owner.ts';
import type { Picture } from './order.ts';
import { listPictures } from './pictures.ts';
import type { Act } from './sheet.ts';
import { LabelStore, type Rater } from './store.ts';

export interface LabelHistory {
  /** The classes, then 'error'. */
  labels: readonly string[];
  raters: readonly Rater[];
  pictures: readonly Picture[];
  /** Ids of the pictures that are asked a second time. */
  secondRound: ReadonlySet<number>;
  acts: readonly Act[];
}

/** Where the answers of a data set are kept unless the user says otherwise. */
export const answersFolder = (dataSet: string) => join(dataSet, '.kindergrad');

const page = 5000;

/** The history of a store in this process, read in pages so that a server goes on answering meanwhile. */
export async function historyOf(store: LabelStore): Promise<LabelHistory> {
  const acts: Act[] = [];
  for (;;) {
    const rows = store.historyAfter(acts.at(-1)?.seq ?? 0, page);
    acts.push(...rows);
    if (rows.length < page) break;
    await new Promise((resolve) => setImmediate(resolve));
  }
  const { raters, pictures, secondRound, settings } = store;
  return { labels: settings.labels, raters, pictures, secondRound, acts };
}

export interface OpenHistory {
  history: LabelHistory;
  /** Puts tied pictures into the second round; returns how many are new there. */
  openSecondRound(pictures: readonly number[]): Promise<number>;
}

/**
 * Reads the answers kept in `folder`: from the file, or from the server that has it open.
 * @throws DataError when there are none.
 */
export async function openHistory(folder: string): Promise<OpenHistory> {
  if (!existsSync(join(folder, 'labels.db'))) {
    throw new DataError(`There are no answers in ${folder}.`, {
      remedy: 'Start with `npx kindergrad label DIR`, or name the folder of the answers with --answers.',
    });
  }
  const owner = liveOwner(folder);
  if (owner?.url) return openRemote(owner, owner.url);
  const store = new LabelStore(folder, undefined);
  try {
    const history = await historyOf(store);
    return {
      history,
      openSecondRound: async (pictures) => withStore(folder, (open) => open.openSecondRound(pictures)),
    };
  } finally {
    store.close();
  }
}

/** The history for the pictures that are in the data set now; answers about others stay in the file and come back with them. */
export async function presentPictures(history: LabelHistory, dataSet: string): Promise<LabelHistory> {
  const present = new Set((await listPictures(dataSet)).paths);
  return { ...history, pictures: history.pictures.filter(({ path }) => present.has(path)) };
}

function withStore<T>(folder: string, use: (store: LabelStore) => T): T {
  const store = new LabelStore(folder, undefined);
  try {
    return use(store);
  } finally {
    store.close();
  }
}

async function openRemote(owner: Owner, url: string): Promise<OpenHistory> {
  const ask = async <T>(path: string, body?: unknown): Promise<T> => {
    const response = await fetch(new URL(path, url), {
      method: body === undefined ? 'GET' : 'POST',
      headers: { Authorization: `Bearer ${owner.token}`, 'Content-Type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body),
    }).catch((error: unknown) => {
      throw new DataError(`The server at ${url} (process ${owner.pid}), which has the answers open, does not reply.`, {
        remedy: 'Try again, or stop that process first.',
        cause: error,
      });
    });
    if (!response.ok)
      throw new DataError(`The server at ${url} answered ${response.status}: ${await response.text()}.`);
    return (await response.json()) as T;
  };
  type About = Omit<LabelHistory, 'acts' | 'secondRound'> & { secondRound: number[] };
  const about = await ask<About>('/api/label/about');
  const acts: Act[] = [];
  for (let more = true; more; ) {
    const answer = await ask<{ rows: Act[]; more: boolean }>(`/api/label/history?after=${acts.at(-1)?.seq ?? 0}`);
    acts.push(...answer.rows);
    more = answer.more;
  }
  return {
    history: { ...about, secondRound: new Set(about.secondRound), acts },
    openSecondRound: async (pictures) => (await ask<{ added: number }>('/api/label/second-round', { pictures })).added,
  };
}
