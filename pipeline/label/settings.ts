/** What a set of answers is about: the classes, the seed of the orders, the share of repeats, the secret of the tokens. */
import { randomBytes } from 'node:crypto';
import { ConfigError } from '../../engine/errors.ts';
import type { Database } from './database.ts';

/** The answer for what is no face, or not clear enough; always the last one. Pictures that get it are dropped. */
export const errorLabel = 'error';
export const defaultClasses: readonly string[] = ['happy', 'sad', 'normal'];

export interface Settings {
  /** The classes, then 'error'. */
  labels: readonly string[];
  seed: number;
  /** Share of the pictures that a rater is shown twice, 0 to 1. */
  repeat: number;
  /** Key of the raters' tokens; never leaves the database. */
  secret: string;
}

/** What the user asked for; what is left out stays as it was, or takes its default in a new set of answers. */
export interface SettingsRequest {
  classes?: readonly string[];
  seed?: number;
  repeat?: number;
  /** Makes every token given out before worthless. */
  newTokens?: boolean;
}

export function loadSettings(database: Database, request: SettingsRequest): Settings {
  const stored = new Map(
    database.all('SELECT key, value FROM meta').map((row) => [String(row.key), String(row.value)]),
  );
  const labels = request.classes ? checkClasses(request.classes) : parseLabels(stored.get('labels'));
  const used = database
    .all('SELECT DISTINCT label FROM history WHERE label IS NOT NULL')
    .map((row) => String(row.label));
  const missing = used.filter((label) => !labels.includes(label));
  if (missing.length > 0) {
    throw new ConfigError(`--classes leaves out ${missing.join(', ')}, which raters have already chosen.`, {
      remedy: 'Name those classes too, or keep the new answers apart with --answers FOLDER.',
    });
  }
  const settings: Settings = {
    labels,
    seed: request.seed ?? Number(stored.get('seed') ?? 0),
    repeat: request.repeat ?? Number(stored.get('repeat') ?? 0),
    secret: (!request.newTokens && stored.get('secret')) || randomBytes(32).toString('hex'),
  };
  database.exec('BEGIN');
  for (const [key, value] of Object.entries({ ...settings, labels: JSON.stringify(labels) })) {
    database.run('INSERT OR REPLACE INTO meta VALUES (?, ?)', [key, String(value)]);
  }
  database.exec('COMMIT');
  return settings;
}

function parseLabels(text: string | undefined): string[] {
  return text ? (JSON.parse(text) as string[]) : [...defaultClasses, errorLabel];
}

function checkClasses(classes: readonly string[]): string[] {
  const names = classes.map((name) => name.trim()).filter((name) => name !== '' && name !== errorLabel);
  const bad = names.find((name) => !/^[\p{L}\p{N}_-]{1,30}$/u.test(name));
  if (bad !== undefined) {
    throw new ConfigError(`The class "${bad}" cannot be used as the name of a folder.`, {
      remedy: 'Use letters, digits, - and _, at most 30.',
    });
  }
  if (names.length < 2 || names.length > 8 || new Set(names).size !== names.length) {
    throw new ConfigError(`--classes needs two to eight different names, found: ${names.join(', ') || 'none'}.`, {
      remedy: `For example --classes ${defaultClasses.join(',')}; "${errorLabel}" is added by itself.`,
    });
  }
  return [...names, errorLabel];
}
