import { platform } from '../platform.ts';
import {
  changesBetween,
  countWriters,
  type IsTemporary,
  isPure,
  liveBytes,
  read,
  type Uses,
  usesOf,
  written,
} from './dataflow.ts';
import type { Dispatch } from './lower.ts';
import { type Memory, Storage } from './memory.ts';

/** Not worth a dispatch below this. */
const LEAST = 2 ** 20;

/** Operations per byte up to which a dispatch takes hardly longer than a copy: norms, activations, pooling. */
const MOST_INTENSE = 2;

/** Repetitions in a row that may leave the peak as high as it was: several places are often as high. */
const PATIENCE = 8;

/** A value that stands unused over the peak: made by `writer`, used next at `next`. */
interface Candidate {
  readonly storage: Storage;
  readonly writer: number;
  readonly next: number;
  /** Bytes freed at the peak for each byte that computing it again moves. */
  readonly worth: number;
}

const isCheap = ({ cost }: Dispatch): boolean => cost.bytes > 0 && cost.flops <= MOST_INTENSE * cost.bytes;

function candidateOf(
  dispatches: readonly Dispatch[],
  storage: Storage,
  peak: number,
  uses: Uses,
  isTemporary: IsTemporary,
): Candidate | undefined {
  const positions = uses.touched.get(storage) ?? [];
  const [writer] = positions;
  const next = positions.find((position) => position >= peak);
  if (next === undefined || next === peak || writer >= peak) return undefined;
  // Without a use before the peak it could as well be made later, once.
  if (!positions.some((position) => position > writer && position < peak)) return undefined;
  const dispatch = dispatches[writer];
  if (!isCheap(dispatch)) return undefined;
  // Everything else that it writes must be able to stay away as well.
  const others = written(dispatch).filter((s) => s !== storage);
  if (others.some((s) => (uses.touched.get(s) ?? []).some((position) => position > peak && position < next))) {
    return undefined;
  }
  let freed = storage.bytes;
  for (const input of read(dispatch)) {
    if (changesBetween(uses, input, writer, next)) return undefined;
    const last = uses.touched.get(input) ?? [];
    if (isTemporary(input) && last[last.length - 1] < next) freed -= input.bytes;
  }
  return freed < LEAST ? undefined : { storage, writer, next, worth: freed / dispatch.cost.bytes };
}

const highestOf = (live: Float64Array): number => live.reduce((a, b) => Math.max(a, b), 0);

/** The list with the writer's work done once more before `next`, into storages that the uses from there on take. */
function again(dispatches: readonly Dispatch[], { writer, next }: Candidate, memory: Memory): Dispatch[] {
  const copies = new Map<Storage, Storage>();
  for (const storage of written(dispatches[writer])) {
    const copy = new Storage(memory, storage.bytes, storage.label);
    copy.written = true;
    copy.release(); // as scratch: the program gives it a place
    copies.set(storage, copy);
  }
  const renamed = (dispatch: Dispatch): Dispatch =>
    dispatch.storages.some((s) => s && copies.has(s))
      ? { ...dispatch, storages: dispatch.storages.map((s) => s && (copies.get(s) ?? s)) }
      : dispatch;
  const repeated = renamed(dispatches[writer]);
  return [...dispatches.slice(0, next), repeated, ...dispatches.slice(next).map(renamed)];
}

/**
 * Rematerialisation where memory is highest (Chen et al. 2016, arXiv 1604.06174, on single values): what a norm, an
 * activation or a pooling made for the forward pass, and the backward pass needs only after the peak, is computed again
 * from inputs that are there anyway. The most room per byte moved goes first, until the peak stands where nothing helps.
 * The results are the same bits. `RECOMPUTE=0` keeps every value from its first use to its last.
 */
export function recompute(
  dispatches: readonly Dispatch[],
  isTemporary: IsTemporary,
  memory: Memory,
): readonly Dispatch[] {
  if (platform().env('RECOMPUTE') === '0') return dispatches;
  let list = dispatches;
  let uses = usesOf(list);
  let live = liveBytes(uses, list.length, isTemporary);
  let best = { list, bytes: highestOf(live) };
  for (let patience = PATIENCE; patience > 0; patience--) {
    const peak = live.indexOf(highestOf(live));
    const writers = countWriters(list);
    let found: Candidate | undefined;
    for (const [storage, [writer]] of uses.touched) {
      if (!isPure(list[writer], writers, isTemporary) || !written(list[writer]).includes(storage)) continue;
      const candidate = candidateOf(list, storage, peak, uses, isTemporary);
      if (candidate && (!found || candidate.worth > found.worth)) found = candidate;
    }
    if (!found) break;
    list = again(list, found, memory);
    uses = usesOf(list);
    live = liveBytes(uses, list.length, isTemporary);
    if (highestOf(live) < best.bytes) {
      best = { list, bytes: highestOf(live) };
      patience = PATIENCE + 1;
    }
  }
  return best.list;
}
