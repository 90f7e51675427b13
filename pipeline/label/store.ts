/**
 * The answers of all raters. Every change is a new row of the history, on the disk before its promise resolves; the
 * sheets in memory are that history folded, and nothing else.
 */

import { DataError } from '../../engine/errors.ts';
import { Refusal } from '../studio/refusal.ts';
import { closeDatabase, type Database, openDatabase } from './database.ts';
import { firstRound, type Picture, type QueuedSlot, secondRound, slotKey } from './order.ts';
import type { Settings, SettingsRequest } from './settings.ts';
import { loadSettings } from './settings.ts';
import { type Act, Sheet } from './sheet.ts';

export interface Rater {
  id: number;
  name: string;
}

/** What a page asks to be recorded. */
export type ActRequest = { act: string; elapsed?: number | undefined } & (
  | { kind: 'label'; slot: string; label: string; previous: number | null }
  | { kind: 'skip'; slot: string }
  | { kind: 'undo'; undoes: number }
);

export interface Recorded {
  seq: number;
  /** True when this act had been recorded before: the page had not heard of it and sent it again. */
  again: boolean;
  slot: QueuedSlot | undefined;
}

type NewAct = Omit<Act, 'seq'>;

interface Pending {
  rater: Rater;
  request: ActRequest;
  resolve: (recorded: Recorded) => void;
  reject: (error: unknown) => void;
}

const largestRaterCount = 1000;
const actColumns = 'act, rater, picture, round, repeat, kind, label, undoes, at, elapsed';

export class LabelStore {
  readonly settings: Settings;
  private readonly database: Database;
  private readonly folder: string;
  private readonly pictureById = new Map<number, Picture>();
  private readonly raterByName = new Map<string, Rater>();
  private readonly sheets = new Map<number, Sheet>();
  private readonly second = new Set<number>();
  private pending: Pending[] = [];

  /**
   * @param folder where the answers are kept.
   * @param paths the pictures, relative to the data set; leave out to work with those known from before.
   */
  constructor(folder: string, paths: readonly string[] | undefined, request: SettingsRequest = {}) {
    this.folder = folder;
    this.database = openDatabase(folder);
    try {
      this.settings = loadSettings(this.database, request);
      this.loadPictures(paths);
      for (const row of this.database.all('SELECT id, name FROM rater ORDER BY id')) {
        this.rememberRater({ id: Number(row.id), name: String(row.name) });
      }
      for (const row of this.database.all('SELECT picture FROM second_round')) this.second.add(Number(row.picture));
    } catch (error) {
      this.close();
      throw error;
    }
  }

  close(): void {
    closeDatabase(this.database, this.folder);
  }

  get raters(): Rater[] {
    return [...this.raterByName.values()];
  }

  get pictures(): Picture[] {
    return [...this.pictureById.values()];
  }

  get secondRound(): ReadonlySet<number> {
    return this.second;
  }

  picture(id: number): Picture | undefined {
    return this.pictureById.get(id);
  }

  findRater(name: string): Rater | undefined {
    return this.raterByName.get(name.toLowerCase());
  }

  /** The name as it is kept. @throws Refusal when it can be no rater's. */
  raterName(name: string): string {
    const clean = name.normalize('NFC').trim().replace(/\s+/g, ' ');
    if (!/^[\p{L}\p{N}][\p{L}\p{N}\p{M} ._@+'-]{0,39}$/u.test(clean)) {
      throw new Refusal(
        422,
        'A name has 1 to 40 letters, digits, spaces or . _ - @ + and starts with a letter or digit.',
      );
    }
    return clean;
  }

  /** The rater of this name, who is added when new. */
  addRater(name: string): Rater {
    const clean = this.raterName(name);
    const known = this.findRater(clean);
    if (known) return known;
    if (this.raterByName.size >= largestRaterCount)
      throw new Refusal(422, `There are ${largestRaterCount} raters already.`);
    const { lastInsertRowid } = this.database.run('INSERT INTO rater (name, joined) VALUES (?, ?)', [clean, now()]);
    const rater = { id: Number(lastInsertRowid), name: clean };
    this.rememberRater(rater);
    return rater;
  }

  private rememberRater(rater: Rater): void {
    this.raterByName.set(rater.name.toLowerCase(), rater);
  }

  /** The rater's sheet, with the queues of both rounds. */
  sheet(rater: Rater): Sheet {
    let sheet = this.sheets.get(rater.id);
    if (!sheet) {
      sheet = new Sheet();
      for (const row of this.database.all('SELECT * FROM history WHERE rater = ? ORDER BY seq', rater.id)) {
        sheet.apply(row as unknown as Act);
      }
      this.sheets.set(rater.id, sheet);
    }
    const { seed, repeat } = this.settings;
    if (!sheet.queue(1)) sheet.setQueue(1, firstRound(this.pictures, seed, rater.name, repeat));
    if (!sheet.queue(2)) {
      const { answers } = sheet;
      const mine = this.pictures.filter(
        ({ id }) => this.second.has(id) && answers.has(slotKey({ picture: id, round: 1, repeat: 0 })),
      );
      sheet.setQueue(2, secondRound(mine, seed, rater.name));
    }
    return sheet;
  }

  /** Records one act of a rater; resolves when it is on the disk. Rejects with a Refusal when it changes nothing. */
  submit(rater: Rater, request: ActRequest): Promise<Recorded> {
    return new Promise((resolve, reject) => {
      this.pending.push({ rater, request, resolve, reject });
      // Acts that arrive together share one flush of the disk, so ten fast raters do not queue up behind a slow one.
      if (this.pending.length === 1) setImmediate(() => this.recordPending());
    });
  }

  private recordPending(): void {
    const batch = this.pending;
    this.pending = [];
    const settle: (() => void)[] = [];
    try {
      this.database.exec('BEGIN IMMEDIATE');
      for (const { rater, request, resolve, reject } of batch) {
        try {
          const recorded = this.record(rater, request);
          settle.push(() => resolve(recorded));
        } catch (error) {
          if (!(error instanceof Refusal)) throw error;
          settle.push(() => reject(error));
        }
      }
      this.database.exec('COMMIT');
    } catch (error) {
      this.forgetUnsaved();
      const failure = new DataError(
        `The answers cannot be written: ${error instanceof Error ? error.message : error}.`,
        {
          remedy: 'Free some space on the disk; the pages try again by themselves.',
          cause: error,
        },
      );
      for (const { reject } of batch) reject(failure);
      return;
    }
    for (const done of settle) done();
  }

  /** After a failed commit the sheets may show what the disk does not hold: they are read anew. */
  private forgetUnsaved(): void {
    if (this.database.inTransaction) this.database.exec('ROLLBACK');
    this.sheets.clear();
  }

  private record(rater: Rater, request: ActRequest): Recorded {
    const sheet = this.sheet(rater);
    const before = this.database.get('SELECT * FROM history WHERE act = ?', request.act) as unknown as Act | null;
    if (before) return this.recordedBefore(rater, sheet, request, before);
    const row = this.newAct(rater, sheet, request);
    const seq = this.insert(row);
    this.applyTo(sheet, { ...row, seq });
    return { seq, again: false, slot: sheet.queue(row.round)?.byKey.get(slotKey(row)) };
  }

  private recordedBefore(rater: Rater, sheet: Sheet, request: ActRequest, before: Act): Recorded {
    const slot = sheet.queue(before.round)?.byKey.get(slotKey(before));
    const same =
      before.rater === rater.id &&
      before.kind === request.kind &&
      (request.kind === 'undo' ? before.undoes === request.undoes : slot?.id === request.slot) &&
      (request.kind !== 'label' || before.label === request.label);
    if (!same) throw new Refusal(409, 'This act id was used before, for something else.');
    return { seq: before.seq, again: true, slot };
  }

  private newAct(rater: Rater, sheet: Sheet, request: ActRequest): NewAct {
    const base = { act: request.act, rater: rater.id, at: now(), elapsed: request.elapsed ?? null };
    if (request.kind === 'undo') {
      const last = sheet.lastAct;
      if (last?.seq !== request.undoes) throw new Refusal(409, 'Something else was answered since, in another tab.');
      const row = this.database.get('SELECT picture, round, repeat FROM history WHERE seq = ?', last.seq);
      const { picture, round, repeat } = row as unknown as Pick<Act, 'picture' | 'round' | 'repeat'>;
      return { ...base, picture, round, repeat, kind: 'undo', label: null, undoes: last.seq };
    }
    const slot = sheet.find(request.slot);
    if (!slot) throw new Refusal(404, 'There is no such picture on this rater’s sheet.');
    const { picture, round, repeat } = slot;
    const standing = sheet.answers.get(slotKey(slot));
    if (request.kind === 'skip') {
      if (standing) throw new Refusal(409, `This picture was answered in another tab: ${standing.label}.`);
      return { ...base, picture, round, repeat, kind: 'skip', label: null, undoes: null };
    }
    if (!this.settings.labels.includes(request.label)) {
      throw new Refusal(422, `"${request.label}" is not one of ${this.settings.labels.join(', ')}.`);
    }
    if ((standing?.seq ?? null) !== request.previous) {
      throw new Refusal(
        409,
        standing
          ? `This picture was answered in another tab: ${standing.label}.`
          : 'This answer was undone in another tab.',
      );
    }
    return { ...base, picture, round, repeat, kind: 'label', label: request.label, undoes: null };
  }

  private insert(row: NewAct): number {
    const { lastInsertRowid } = this.database.run(
      `INSERT INTO history (${actColumns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      [row.act, row.rater, row.picture, row.round, row.repeat, row.kind, row.label, row.undoes, row.at, row.elapsed],
    );
    return Number(lastInsertRowid);
  }

  private applyTo(sheet: Sheet, row: Act): void {
    sheet.apply(row);
    // Who is asked a second time follows from who answered the first time.
    if (row.round === 1 && this.second.has(row.picture)) sheet.dropQueue(2);
  }

  /** Puts these pictures into the second round, for the raters who answered them in the first. Returns how many are new. */
  openSecondRound(pictures: readonly number[]): number {
    const added = pictures.filter((id) => this.pictureById.has(id) && !this.second.has(id));
    this.database.exec('BEGIN');
    try {
      for (const id of added) this.database.run('INSERT INTO second_round VALUES (?, ?)', [id, now()]);
      this.database.exec('COMMIT');
    } catch (error) {
      this.database.exec('ROLLBACK');
      throw error;
    }
    for (const id of added) this.second.add(id);
    for (const sheet of this.sheets.values()) sheet.dropQueue(2);
    return added.length;
  }

  hasAct(act: string): boolean {
    return this.database.get('SELECT 1 FROM history WHERE act = ?', act) !== null;
  }

  /** Adds answers that were given elsewhere, all or none; returns how many. */
  importActs(rows: readonly Omit<NewAct, 'undoes' | 'kind'>[]): number {
    this.database.exec('BEGIN IMMEDIATE');
    try {
      for (const row of rows) this.insert({ ...row, kind: 'label', undoes: null });
      this.database.exec('COMMIT');
    } catch (error) {
      this.forgetUnsaved();
      throw error;
    }
    this.sheets.clear();
    return rows.length;
  }

  /** Up to `limit` rows of the history after row `after`. */
  historyAfter(after: number, limit: number): Act[] {
    return this.database.all('SELECT * FROM history WHERE seq > ? ORDER BY seq LIMIT ?', [
      after,
      limit,
    ]) as unknown as Act[];
  }

  private loadPictures(paths: readonly string[] | undefined): void {
    const ids = new Map(
      this.database.all('SELECT id, path FROM picture ORDER BY id').map((row) => [String(row.path), Number(row.id)]),
    );
    const insert = this.database.prepare('INSERT INTO picture (path) VALUES (?)');
    try {
      this.database.exec('BEGIN');
      for (const path of paths ?? []) {
        if (!ids.has(path)) ids.set(path, Number(insert.run([path]).lastInsertRowid));
      }
      this.database.exec('COMMIT');
    } finally {
      insert.finalize();
    }
    for (const path of paths ?? ids.keys()) {
      const id = ids.get(path) ?? 0;
      this.pictureById.set(id, { id, path });
    }
  }
}

const now = () => new Date().toISOString();
