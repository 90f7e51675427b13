import { platform } from '../platform.ts';
import {
  changesBetween,
  countWriters,
  type IsTemporary,
  isPure,
  read,
  type Uses,
  usesOf,
  written,
} from './dataflow.ts';
import type { Dispatch } from './lower.ts';

/** Not worth a move below this. */
const LEAST = 2 ** 16;

/** The dispatch before which `i` had better run, because until then its results take more room than its inputs. */
function laterPlace(order: readonly Dispatch[], i: number, uses: Uses, isTemporary: IsTemporary): number | undefined {
  const outputs = written(order[i]);
  const readers = outputs.flatMap((s) => (uses.touched.get(s) ?? []).filter((position) => position > i));
  const first = Math.min(...readers);
  if (!Number.isFinite(first) || first === i + 1) return undefined;
  const inputs = new Set(read(order[i]));
  if ([...inputs].some((s) => changesBetween(uses, s, i, first))) return undefined;
  let gain = outputs.reduce((sum, { bytes }) => sum + bytes, 0);
  for (const s of inputs) {
    const positions = uses.touched.get(s) ?? [];
    if (isTemporary(s) && positions[positions.length - 1] < first) gain -= s.bytes;
  }
  return gain >= LEAST ? first : undefined;
}

/**
 * Moves dispatches towards the first reader of their results where the results are larger than the inputs that must wait
 * with them. A linear layer's weight gradient is the case that pays: so-dlse's of 31 MiB, from 0.7 MiB of features and
 * gradients, would otherwise stand beside all the activations from the first backward dispatch to the optimiser's.
 * The results are the same bits. `POSTPONE=0` leaves the order as it was recorded.
 */
export function postpone(dispatches: readonly Dispatch[], isTemporary: IsTemporary): readonly Dispatch[] {
  if (platform().env('POSTPONE') === '0') return dispatches;
  const order = [...dispatches];
  const writers = countWriters(order);
  let uses = usesOf(order);
  // From the end: what a moved dispatch reads may then follow it.
  for (let i = order.length - 2; i >= 0; i--) {
    if (!isPure(order[i], writers, isTemporary)) continue;
    const place = laterPlace(order, i, uses, isTemporary);
    if (place === undefined) continue;
    order.splice(place - 1, 0, ...order.splice(i, 1));
    uses = usesOf(order);
  }
  return order;
}
