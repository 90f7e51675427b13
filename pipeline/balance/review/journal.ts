/**
 * What was decided in a review: one line for every act, on the disk before it is confirmed. The decisions in memory are
 * these lines folded, and nothing else; an undo is a line of its own.
 */
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { z } from 'zod';
import { DataError } from '../../../engine/index.ts';
import { complaint } from '../../complaint.ts';
import { appendLines, fileErrorReason, readLines } from '../../files.ts';
import { actId } from '../../studio/guard.ts';
import { Refusal } from '../../studio/refusal.ts';
import type { Decision } from '../select.ts';

const candidateId = z.string().regex(/^[0-9a-f]{20}$/);
const reason = z
  .string()
  .trim()
  .regex(/^[^\p{C}]{1,80}$/u, 'has 1 to 80 letters, digits and signs');

/** What a page asks to be recorded. `seen` is the last line that the page knows of. */
export const actSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    act: actId,
    seen: z.int().nonnegative(),
    kind: z.literal('decide'),
    ids: z.array(candidateId).min(1).max(10_000),
    /** null takes the decisions back. */
    decision: z
      .union([z.strictObject({ keep: z.literal(true) }), z.strictObject({ keep: z.literal(false), reason })])
      .nullable(),
  }),
  z.strictObject({ act: actId, seen: z.int().nonnegative(), kind: z.literal('undo'), undoes: z.int().positive() }),
]);
export type ReviewAct = z.infer<typeof actSchema>;

const firstLine = z.object({ secret: z.string().min(20) });
const newSecret = () => randomBytes(20).toString('base64url');

/** An act that stands, with what it replaced. */
interface Done {
  seq: number;
  before: Map<string, Decision | undefined>;
}

export class ReviewJournal {
  /** Opens the page: the same after a restart. */
  readonly secret: string;
  readonly #path: string;
  readonly #acts: ReviewAct[] = [];
  readonly #decisions = new Map<string, Decision>();
  /** Which line last changed a decision. */
  readonly #changed = new Map<string, number>();
  readonly #done: Done[] = [];
  #writing: Promise<unknown> = Promise.resolve();

  private constructor(path: string, secret: string, acts: readonly ReviewAct[]) {
    this.#path = path;
    this.secret = secret;
    for (const act of acts) this.#apply(act);
  }

  /** Opens, or begins, the journal at `path`. @throws DataError when it cannot be written or a line is not one of ours. */
  static async open(path: string): Promise<ReviewJournal> {
    const [head, ...lines] = await readLines(path);
    const secret = head === undefined ? newSecret() : firstLine.safeParse(head).data?.secret;
    if (secret === undefined) {
      throw new DataError(`${path} is not the journal of a review.`, { remedy: 'Move it away; a new one is begun.' });
    }
    if (head === undefined) {
      await writeFile(path, `${JSON.stringify({ secret })}\n`, { mode: 0o600 }).catch((error: unknown) => {
        throw cannotWrite(path, error);
      });
    }
    const acts = lines.map((line, index) => {
      const { data, error } = actSchema.safeParse(line);
      if (data) return data;
      throw new DataError(`${path} line ${index + 2}: ${complaint(error, line, 'act')}.`, {
        remedy: 'Repair or delete that line.',
      });
    });
    return new ReviewJournal(path, secret, acts);
  }

  /** Number of the last act. */
  get seq(): number {
    return this.#acts.length;
  }

  /** The act that an undo would take back. */
  get last(): number | undefined {
    return this.#done.at(-1)?.seq;
  }

  decision(id: string): Decision | undefined {
    return this.#decisions.get(id);
  }

  /** Candidates whose decision was changed after act `seq`. */
  changedAfter(seq: number): string[] {
    return [...this.#changed].flatMap(([id, at]) => (at > seq ? [id] : []));
  }

  /** Records an act; resolves when it is on the disk. An act that is sent again is taken once. */
  submit(request: ReviewAct): Promise<void> {
    const recorded = this.#writing.then(async () => {
      const before = this.#acts.find(({ act }) => act === request.act);
      if (before) return;
      this.#check(request);
      await appendLines(this.#path, [request]).catch((error: unknown) => {
        throw cannotWrite(this.#path, error);
      });
      this.#apply(request);
    });
    this.#writing = recorded.catch(() => undefined);
    return recorded;
  }

  #check(request: ReviewAct): void {
    if (request.kind === 'undo') {
      if (this.last !== request.undoes) throw new Refusal(409, 'Something else was decided since, in another tab.');
      return;
    }
    const other = request.ids.find((id) => (this.#changed.get(id) ?? 0) > request.seen);
    if (other !== undefined) throw new Refusal(409, 'This was decided in another tab meanwhile.');
  }

  #apply(act: ReviewAct): void {
    this.#acts.push(act);
    const { seq } = this;
    const set = (id: string, decision: Decision | undefined) => {
      this.#changed.set(id, seq);
      if (decision) this.#decisions.set(id, decision);
      else this.#decisions.delete(id);
    };
    if (act.kind === 'undo') {
      for (const [id, decision] of this.#done.pop()?.before ?? []) set(id, decision);
      return;
    }
    this.#done.push({ seq, before: new Map(act.ids.map((id) => [id, this.#decisions.get(id)])) });
    for (const id of act.ids) set(id, act.decision ?? undefined);
  }
}

const cannotWrite = (path: string, error: unknown): DataError =>
  new DataError(`${path} cannot be written: ${fileErrorReason(error)}.`, {
    remedy: 'Free some space; the page tries again by itself.',
    cause: error,
  });
