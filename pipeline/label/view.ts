/** What the labelling page is told: enough to show the next pictures, and nothing of what others chose. */

import { type QueuedSlot, type Round, slotKey } from './order.ts';
import type { Answer, Queue, Sheet } from './sheet.ts';
import type { LabelStore, Rater } from './store.ts';

export interface SlotView {
  id: string;
  /** The standing answer, for pictures that are shown again. */
  answer: Answer | null;
}

export interface RoundView {
  done: number;
  total: number;
  /** Put off; they come back at the end. */
  skipped: number;
}

export interface SheetView {
  rater: string;
  labels: readonly string[];
  round: Round;
  rounds: Record<Round, RoundView>;
  /** The act that undo takes back. */
  last: { seq: number; kind: 'label' | 'skip'; label: string | null } | null;
  /** The pictures to come; the first is the one to show. */
  next: SlotView[];
}

/** How many pictures a page loads ahead. */
const ahead = 8;

/** @param show a slot to put first if it waits for an answer, such as the one whose answer was just undone. */
export function sheetView(store: LabelStore, rater: Rater, round: Round, show?: QueuedSlot): SheetView {
  const sheet = store.sheet(rater);
  const queues = { 1: sheet.queue(1) as Queue, 2: sheet.queue(2) as Queue };
  const waiting = queues[round].next(ahead);
  const unanswered = show?.round === round && !sheet.answers.has(slotKey(show));
  const first = unanswered ? [show, ...waiting.filter(({ id }) => id !== show.id)] : waiting;
  const last = sheet.lastAct;
  return {
    rater: rater.name,
    labels: store.settings.labels,
    round,
    rounds: { 1: roundView(queues[1]), 2: roundView(queues[2]) },
    last: last ? { seq: last.seq, kind: last.kind, label: sheet.answers.get(last.key)?.label ?? null } : null,
    next: first.map((slot) => slotView(sheet, slot)),
  };
}

/** The rater's last answers, oldest first, for going back. */
export function trail(store: LabelStore, rater: Rater, round: Round): SlotView[] {
  const queue = store.sheet(rater).queue(round);
  return (queue?.recent(50) ?? []).map(({ id, answer }) => ({ id, answer }));
}

function roundView(queue: Queue): RoundView {
  return { done: queue.done, total: queue.slots.length, skipped: queue.skipped };
}

function slotView(sheet: Sheet, slot: QueuedSlot): SlotView {
  return { id: slot.id, answer: sheet.answers.get(slotKey(slot)) ?? null };
}
