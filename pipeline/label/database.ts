/** The file that holds every answer: SQLite, write-ahead log, every commit flushed to the disk before it is confirmed. */
import { closeSync, fsyncSync, mkdirSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sqlite from 'node-sqlite3-wasm';
import { DataError } from '../../engine/errors.ts';
import { fileErrorReason } from '../files.ts';
import { giveUpOwnership, takeOwnership } from '../owner.ts';

export type Database = InstanceType<typeof sqlite.Database>;

const version = 1;

/**
 * `history` is the truth: it only ever grows (two triggers see to that), and taking an answer back is a row of its own.
 * The view `answer` is what stands now, for people who open the file with other tools.
 */
const schema = `
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE picture (id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE rater (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE COLLATE NOCASE, joined TEXT NOT NULL) STRICT;
CREATE TABLE second_round (picture INTEGER PRIMARY KEY REFERENCES picture (id), opened TEXT NOT NULL) STRICT;
CREATE TABLE history (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  act TEXT NOT NULL UNIQUE,
  rater INTEGER NOT NULL REFERENCES rater (id),
  picture INTEGER NOT NULL REFERENCES picture (id),
  round INTEGER NOT NULL CHECK (round IN (1, 2)),
  repeat INTEGER NOT NULL CHECK (repeat IN (0, 1)),
  kind TEXT NOT NULL CHECK (kind IN ('label', 'skip', 'undo')),
  label TEXT CHECK ((kind = 'label') = (label IS NOT NULL)),
  undoes INTEGER UNIQUE REFERENCES history (seq) CHECK ((kind = 'undo') = (undoes IS NOT NULL)),
  at TEXT NOT NULL,
  elapsed INTEGER CHECK (elapsed >= 0)
) STRICT;
CREATE INDEX history_by_rater ON history (rater, seq);
CREATE TRIGGER history_is_never_changed BEFORE UPDATE ON history BEGIN SELECT RAISE (ABORT, 'history is never changed'); END;
CREATE TRIGGER history_is_never_deleted BEFORE DELETE ON history BEGIN SELECT RAISE (ABORT, 'history is never deleted'); END;
CREATE VIEW answer AS
  SELECT rater.name AS rater, picture.path, round, repeat, label, at, elapsed, max (seq) AS seq
  FROM history JOIN rater ON rater.id = history.rater JOIN picture ON picture.id = history.picture
  WHERE kind = 'label' AND seq NOT IN (SELECT undoes FROM history WHERE undoes IS NOT NULL)
  GROUP BY history.rater, history.picture, round, repeat;
INSERT INTO meta VALUES ('version', '${version}');
`;

/**
 * Opens, or makes, `folder`/labels.db and makes this process its owner.
 * @throws DataError when another process owns it, or when the file cannot be made durable or read.
 */
export function openDatabase(folder: string): Database {
  const file = join(folder, 'labels.db');
  try {
    mkdirSync(folder, { recursive: true });
    // The folder lies inside the user's data set, often inside their git checkout: labels of babies are not to be pushed.
    writeFileSync(join(folder, '.gitignore'), '*\n');
    takeOwnership(folder);
  } catch (error) {
    if (error instanceof DataError) throw error;
    throw new DataError(`${folder} cannot be written: ${fileErrorReason(error)}.`, {
      remedy: 'Keep the answers elsewhere with --answers FOLDER.',
      cause: error,
    });
  }
  try {
    // Only the owner comes here, so a lock that lies there was left by a process that was killed.
    rmSync(`${file}.lock`, { recursive: true, force: true });
    const database = new sqlite.Database(file);
    // The WebAssembly build has no memory shared between processes; with an exclusive lock SQLite keeps the index of
    // the write-ahead log in its own memory and needs none (https://www.sqlite.org/wal.html#noshm).
    database.exec('PRAGMA locking_mode = EXCLUSIVE');
    const mode = database.get('PRAGMA journal_mode = WAL')?.journal_mode;
    if (mode !== 'wal') throw new Error(`SQLite offers journal mode ${mode}, not WAL`);
    database.exec('PRAGMA synchronous = FULL');
    if (database.get("SELECT 1 FROM sqlite_schema WHERE name = 'meta'") === null) {
      database.exec(`BEGIN; ${schema} COMMIT;`);
    }
    checkVersion(database, file);
    flushFolder(folder);
    return database;
  } catch (error) {
    giveUpOwnership(folder);
    if (error instanceof DataError) throw error;
    throw new DataError(`${file} cannot be opened: ${fileErrorReason(error)}.`, {
      remedy: 'Copy the whole folder to a safe place first, then try `sqlite3 labels.db .recover`.',
      cause: error,
    });
  }
}

export function closeDatabase(database: Database, folder: string): void {
  if (database.isOpen) database.close();
  giveUpOwnership(folder);
}

function checkVersion(database: Database, file: string): void {
  const found = Number(database.get("SELECT value FROM meta WHERE key = 'version'")?.value);
  if (found === version) return;
  throw new DataError(`${file} has version ${found}; this kindergrad reads version ${version}.`, {
    remedy: 'Use the kindergrad that wrote it.',
  });
}

/** Makes the names of the new files durable, where the system lets a folder be flushed. */
function flushFolder(folder: string): void {
  let handle: number | undefined;
  try {
    handle = openSync(folder, 'r');
    fsyncSync(handle);
  } catch {
    // Windows opens no folder; the file system orders the names itself there.
  } finally {
    if (handle !== undefined) closeSync(handle);
  }
}
