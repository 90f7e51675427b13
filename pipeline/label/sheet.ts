/** What one rater has answered so far: the history folded row by row, and the queues that follow from it. */
import { type QueuedSlot, type Round, type Slot, slotKey } from './order.ts';

/** A row of the history. */
export interface Act extends Slot {
  seq: number;
  /** The id the page gave it: the same id twice is the same act, sent again. */
  act: string;
  rater: number;
  kind: 'label' | 'skip' | 'undo';
  label: string | null;
  /** The act that an undo takes back. */
  undoes: number | null;
  /** When, in UTC. */
  at: string;
  /** Milliseconds the picture was in view. */
  elapsed: number | null;
}

export interface Answer {
  seq: number;
  label: string;
}

interface Before {
  seq: number;
  key: number;
  kind: 'label' | 'skip';
  answer: Answer | undefined;
  skippedAt: number | undefined;
}

export class Sheet {
  /** The standing answers, by slot. */
  readonly answers = new Map<number, Answer>();
  /** Slots put off and not answered since, longest ago first. */
  readonly skipped = new Map<number, number>();
  private readonly acts: Before[] = [];
  private readonly queues = new Map<Round, Queue>();

  /** Adds one row of the history. Rows come in the order of `seq`. */
  apply(row: Act): void {
    if (row.kind === 'undo') this.takeBack(row);
    else {
      const key = slotKey(row);
      this.acts.push({
        seq: row.seq,
        key,
        kind: row.kind,
        answer: this.answers.get(key),
        skippedAt: this.skipped.get(key),
      });
      this.skipped.delete(key);
      if (row.kind === 'skip') this.skipped.set(key, row.seq);
      else this.setAnswer(key, { seq: row.seq, label: row.label ?? '' });
    }
  }

  private takeBack(row: Act): void {
    const last = this.acts.pop();
    if (last?.seq !== row.undoes) {
      throw new Error(`history row ${row.seq} undoes ${row.undoes}, but the last act is ${last?.seq}`);
    }
    this.setAnswer(last.key, last.answer);
    this.skipped.delete(last.key);
    if (last.skippedAt !== undefined) this.skipped.set(last.key, last.skippedAt);
  }

  private setAnswer(key: number, answer: Answer | undefined): void {
    const had = this.answers.delete(key);
    if (answer) this.answers.set(key, answer);
    for (const queue of this.queues.values()) queue.answered(key, had, answer !== undefined);
  }

  /** The act that an undo would take back. */
  get lastAct(): { seq: number; key: number; kind: 'label' | 'skip' } | undefined {
    return this.acts.at(-1);
  }

  queue(round: Round): Queue | undefined {
    return this.queues.get(round);
  }

  setQueue(round: Round, slots: QueuedSlot[]): Queue {
    const queue = new Queue(slots, this);
    this.queues.set(round, queue);
    return queue;
  }

  dropQueue(round: Round): void {
    this.queues.delete(round);
  }

  /** The standing answers, the newest first. */
  *latest(): Generator<[number, Answer]> {
    const seen = new Set<number>();
    for (let i = this.acts.length - 1; i >= 0; i--) {
      const key = this.acts[i]?.key ?? -1;
      const answer = this.answers.get(key);
      if (!answer || seen.has(key)) continue;
      seen.add(key);
      yield [key, answer];
    }
  }

  /** The slot with this page id, in whichever round. */
  find(id: string): QueuedSlot | undefined {
    for (const queue of this.queues.values()) {
      const slot = queue.byId.get(id);
      if (slot) return slot;
    }
    return undefined;
  }
}

/** The slots of one round in the rater's order, and how far they are. */
export class Queue {
  readonly slots: readonly QueuedSlot[];
  readonly byId = new Map<string, QueuedSlot>();
  readonly byKey = new Map<number, QueuedSlot>();
  done = 0;
  private readonly sheet: Sheet;
  /** Every slot before this one is answered or put off. */
  private cursor = 0;

  constructor(slots: readonly QueuedSlot[], sheet: Sheet) {
    this.slots = slots;
    this.sheet = sheet;
    for (const slot of slots) {
      this.byId.set(slot.id, slot);
      this.byKey.set(slotKey(slot), slot);
      if (sheet.answers.has(slotKey(slot))) this.done++;
    }
  }

  answered(key: number, before: boolean, after: boolean): void {
    if (!this.byKey.has(key)) return;
    this.done += Number(after) - Number(before);
    if (!after) this.cursor = 0;
  }

  /** The next `count` slots to show: those never shown in order, then those put off, longest ago first. */
  next(count: number): QueuedSlot[] {
    const { answers, skipped } = this.sheet;
    const waits = (slot: Slot) => !answers.has(slotKey(slot)) && !skipped.has(slotKey(slot));
    while (this.cursor < this.slots.length && !waits(this.slots[this.cursor] as QueuedSlot)) this.cursor++;
    const result: QueuedSlot[] = [];
    for (let i = this.cursor; i < this.slots.length && result.length < count; i++) {
      const slot = this.slots[i] as QueuedSlot;
      if (waits(slot)) result.push(slot);
    }
    for (const key of skipped.keys()) {
      if (result.length >= count) break;
      const slot = this.byKey.get(key);
      if (slot) result.push(slot);
    }
    return result;
  }

  get skipped(): number {
    let count = 0;
    for (const key of this.sheet.skipped.keys()) if (this.byKey.has(key)) count++;
    return count;
  }

  /** The last `count` answered slots, in the order in which they were answered. */
  recent(count: number): (QueuedSlot & { answer: Answer })[] {
    const result: (QueuedSlot & { answer: Answer })[] = [];
    for (const [key, answer] of this.sheet.latest()) {
      if (result.length >= count) break;
      const slot = this.byKey.get(key);
      if (slot) result.push({ ...slot, answer });
    }
    return result.reverse();
  }
}
