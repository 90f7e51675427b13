import type { Dispatch } from './lower.ts';
import type { Storage } from './memory.ts';

/** What a program's passes over its dispatches ask: who reads, who writes, when. */

/** Whether the program made a storage and nobody else sees it. */
export type IsTemporary = (storage: Storage) => boolean;

export const written = ({ shader, storages }: Dispatch): Storage[] =>
  storages.filter((s, i): s is Storage => s !== undefined && !shader.bindings[i].readOnly);

export const read = ({ shader, storages }: Dispatch): Storage[] =>
  storages.filter((s, i): s is Storage => s !== undefined && shader.bindings[i].readOnly);

export const countWriters = (dispatches: readonly Dispatch[]): Map<Storage, number> => {
  const writers = new Map<Storage, number>();
  for (const dispatch of dispatches) for (const s of written(dispatch)) writers.set(s, (writers.get(s) ?? 0) + 1);
  return writers;
};

/** Nothing but its inputs decides its outputs, which nobody else writes. */
export const isPure = (dispatch: Dispatch, writers: ReadonlyMap<Storage, number>, isTemporary: IsTemporary): boolean =>
  dispatch.dynamic.length === 0 && written(dispatch).every((s) => isTemporary(s) && writers.get(s) === 1);

/** When each storage is touched, and when written, as ascending positions in the list. */
export interface Uses {
  readonly touched: ReadonlyMap<Storage, readonly number[]>;
  readonly written: ReadonlyMap<Storage, readonly number[]>;
}

export function usesOf(dispatches: readonly Dispatch[]): Uses {
  const [touched, writes] = [new Map<Storage, number[]>(), new Map<Storage, number[]>()];
  const note = (map: Map<Storage, number[]>, storage: Storage, position: number): void => {
    const known = map.get(storage);
    if (!known) map.set(storage, [position]);
    else if (known[known.length - 1] !== position) known.push(position);
  };
  dispatches.forEach((dispatch, i) => {
    for (const storage of dispatch.storages) if (storage) note(touched, storage, i);
    for (const storage of written(dispatch)) note(writes, storage, i);
  });
  return { touched, written: writes };
}

/** Whether anyone writes `storage` at a position from `after` on and before `before`, both exclusive. */
export const changesBetween = (uses: Uses, storage: Storage, after: number, before: number): boolean =>
  (uses.written.get(storage) ?? []).some((position) => position > after && position < before);

/** Bytes of temporaries that are alive at each dispatch. */
export function liveBytes(uses: Uses, length: number, isTemporary: IsTemporary): Float64Array {
  const steps = new Float64Array(length + 1);
  for (const [storage, positions] of uses.touched) {
    if (!isTemporary(storage)) continue;
    steps[positions[0]] += storage.bytes;
    steps[positions[positions.length - 1] + 1] -= storage.bytes;
  }
  for (let i = 1; i <= length; i++) steps[i] += steps[i - 1];
  return steps.subarray(0, length);
}
