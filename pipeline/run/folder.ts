/**
 * A run folder: everything about one training run, in files that people and other tools can read.
 * events.jsonl is the truth; summary.csv and the TensorBoard file are views of it.
 */
import { type FileHandle, mkdir, open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'csv-stringify/sync';
import type { z } from 'zod';
import { ConfigError, DataError } from '../../engine/errors.ts';
import { complaint } from '../complaint.ts';
import { fileErrorReason, writeFileAtomic } from '../files.ts';
import { type BoardImage, fileVersionRecord, summaryRecord } from './tensorboard.ts';

/** One line of events.jsonl. Numbers become TensorBoard scalars named `event/key`. */
export interface RunEvent {
  event: 'start' | 'resume' | 'step' | 'epoch' | 'test' | 'interrupted' | 'end';
  /** Seconds since 1970. */
  time: number;
  /** Optimiser steps done so far in the whole run, and the epoch, both from 0. */
  step: number;
  epoch: number;
  [key: string]: unknown;
}

const boardFile = 'events.out.tfevents.kindergrad';
const files = { config: 'config.json', events: 'events.jsonl', summary: 'summary.csv' } as const;

export class RunFolder {
  readonly path: string;
  readonly events: RunEvent[];
  readonly #log: FileHandle;
  readonly #summary: FileHandle;
  readonly #board: FileHandle;

  private constructor(path: string, events: RunEvent[], handles: readonly [FileHandle, FileHandle, FileHandle]) {
    this.path = path;
    this.events = events;
    [this.#log, this.#summary, this.#board] = handles;
  }

  /** Makes a new run folder; refuses one that holds a run. */
  static async create(path: string, config: unknown): Promise<RunFolder> {
    await mkdir(join(path, 'checkpoints'), { recursive: true }).catch((error) => {
      throw new DataError(`${path} cannot be made: ${fileErrorReason(error)}.`, { cause: error });
    });
    if ((await readdir(path)).includes(files.config)) {
      throw holdsRun(path);
    }
    await writeFileAtomic(join(path, files.config), `${JSON.stringify(config, null, 2)}\n`);
    return RunFolder.#openFiles(path, []);
  }

  /**
   * Opens a run to go on from optimiser step `step` in epoch `epoch`: whatever was logged after it is taken back, since it
   * will happen again. The end of an epoch, the test and the end of the run stand at the number of the step before them.
   */
  static async resume(path: string, { step, epoch }: { step: number; epoch: number }): Promise<RunFolder> {
    const comesAgain = (event: RunEvent) =>
      event.step > step ||
      (event.event === 'epoch' && event.epoch >= epoch) ||
      event.event === 'test' ||
      event.event === 'end';
    const events = (await readEvents(path)).filter((event) => !comesAgain(event));
    return RunFolder.#openFiles(path, events);
  }

  static async #openFiles(path: string, events: RunEvent[]): Promise<RunFolder> {
    // Written anew from the events, so that a torn line or record of a killed run is gone.
    await writeFileAtomic(join(path, files.events), events.map((event) => `${JSON.stringify(event)}\n`).join(''));
    const epochs = events.filter(({ event }) => event === 'epoch');
    await writeFileAtomic(join(path, files.summary), epochs.map((event, i) => summaryLine(event, i === 0)).join(''));
    await writeFileAtomic(
      join(path, boardFile),
      Buffer.concat([fileVersionRecord(events[0]?.time ?? Date.now() / 1000), ...events.flatMap(boardRecords)]),
    );
    const append = (name: string) => open(join(path, name), 'a');
    const handles = await Promise.all([append(files.events), append(files.summary), append(boardFile)]);
    return new RunFolder(path, events, handles as [FileHandle, FileHandle, FileHandle]);
  }

  /** Adds an event to all three files. */
  async log(event: Omit<RunEvent, 'time'> & Pick<RunEvent, 'event' | 'step' | 'epoch'>): Promise<void> {
    const full: RunEvent = { ...event, time: Date.now() / 1000 };
    try {
      await this.#log.appendFile(`${JSON.stringify(full)}\n`);
      if (full.event === 'epoch') {
        await this.#summary.appendFile(summaryLine(full, !this.events.some((old) => old.event === 'epoch')));
      }
      for (const record of boardRecords(full)) await this.#board.appendFile(record);
    } catch (error) {
      throw new DataError(`The log in ${this.path} cannot be written: ${fileErrorReason(error)}.`, {
        remedy: `Free some space, then continue with --resume ${this.path}.`,
        cause: error,
      });
    }
    this.events.push(full);
  }

  /** Adds pictures to the TensorBoard file. */
  async logImages(step: number, images: Readonly<Record<string, BoardImage>>): Promise<void> {
    await this.#board.appendFile(summaryRecord(Date.now() / 1000, step, images));
  }

  async close(): Promise<void> {
    await Promise.all([this.#log.close(), this.#summary.close(), this.#board.close()]);
  }
}

/** The error for a new run in the folder of another. */
export function holdsRun(path: string): ConfigError {
  return new ConfigError(`${path} already holds a run.`, {
    remedy: `Continue it with --resume ${path}, or give another folder with --out.`,
  });
}

/** Reads events.jsonl; a last line torn by a kill is left out. */
export async function readEvents(path: string): Promise<RunEvent[]> {
  const text = await readFile(join(path, files.events), 'utf8').catch(() => '');
  const lines = text.split('\n');
  lines.pop();
  return lines.map((line) => JSON.parse(line) as RunEvent);
}

/** Reads and checks config.json. */
export async function readRunConfig<T>(path: string, schema: z.ZodType<T>): Promise<T> {
  const file = join(path, files.config);
  let value: unknown;
  try {
    value = JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    throw new ConfigError(`${path} is not a run folder (${file}: ${fileErrorReason(error)}).`, {
      remedy: 'Give the folder that `kindergrad train` printed, such as runs/so-dlse.',
      cause: error,
    });
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new ConfigError(`${file}: ${complaint(result.error, value, 'config')}.`);
}

function numbersOf(event: RunEvent): [string, number][] {
  return Object.entries(event).flatMap(([key, value]) =>
    typeof value === 'number' && !['time', 'step', 'epoch'].includes(key) ? [[key, value]] : [],
  );
}

function summaryLine(event: RunEvent, withHeader: boolean): string {
  const row = Object.fromEntries([['epoch', event.epoch], ['step', event.step], ...numbersOf(event)]);
  return stringify([row], { header: withHeader });
}

function boardRecords(event: RunEvent): Uint8Array[] {
  const values = Object.fromEntries(numbersOf(event).map(([key, value]) => [`${event.event}/${key}`, value]));
  return Object.keys(values).length > 0 ? [summaryRecord(event.time, event.step, values)] : [];
}
