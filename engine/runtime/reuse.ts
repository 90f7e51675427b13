import { platform } from '../platform.ts';
import { countWriters, type IsTemporary, isPure, read, written } from './dataflow.ts';
import type { Dispatch } from './lower.ts';
import type { Storage } from './memory.ts';

/**
 * Results above this are computed again rather than kept from their first use to their last: what a repeat saves is
 * about a copy's time, what it costs is memory.
 */
const LARGEST = 8 * 2 ** 20;

/**
 * Leaves out dispatches whose results are there already: the same shader and parameters on inputs that nobody has
 * written since. A layer that runs several times in a step (CycleGAN's generators: three times) arranges its weights
 * once; a weight gradient takes the padded input that the forward made. The results are the same bits.
 */
function withoutRepeats(dispatches: readonly Dispatch[], isTemporary: IsTemporary): Dispatch[] {
  const writers = countWriters(dispatches);
  const ids = new Map<object, number>();
  const id = (object: object): number => {
    const known = ids.get(object) ?? ids.size;
    ids.set(object, known);
    return known;
  };
  const stands = new Map<Storage, Storage>();
  const lastWriter = new Map<Storage, number>();
  const done = new Map<string, Dispatch>();
  const kept: Dispatch[] = [];
  for (const original of dispatches) {
    let dispatch = original;
    if (dispatch.storages.some((s) => s && stands.has(s))) {
      dispatch = { ...dispatch, storages: dispatch.storages.map((s) => s && (stands.get(s) ?? s)) };
    }
    if (isPure(dispatch, writers, isTemporary) && written(dispatch).every((s) => s.bytes <= LARGEST)) {
      const { shader, storages, slices, immediates, workgroups } = dispatch;
      const inputs = storages.map((s, i) =>
        shader.bindings[i].readOnly ? (s ? `${id(s)}@${lastWriter.get(s)}` : 'zeros') : 'out',
      );
      const numbers = immediates ? new Uint32Array(immediates.buffer) : '';
      const key = `${id(shader)}|${workgroups}|${numbers}|${inputs}|${JSON.stringify(slices)}`;
      const earlier = done.get(key);
      if (earlier) {
        const same = written(earlier);
        for (const [i, s] of written(dispatch).entries()) stands.set(s, same[i]);
        continue;
      }
      done.set(key, dispatch);
    }
    for (const s of written(dispatch)) lastWriter.set(s, kept.length);
    kept.push(dispatch);
  }
  return kept;
}

/** A program's dispatches; apart, those that need to run only after a parameter has changed. */
interface Split {
  readonly each: readonly Dispatch[];
  readonly once: readonly Dispatch[];
  /** The parameters that `once` reads. */
  readonly sources: readonly Storage[];
  /** What `once` writes: it lives as long as the program. */
  readonly results: ReadonlySet<Storage>;
}

/**
 * Finds what depends on nothing but parameters that the program itself does not change: arranged or transformed weights
 * of inference, of frozen layers.
 */
function splitConstants(dispatches: readonly Dispatch[], isTemporary: IsTemporary): Split {
  const writers = countWriters(dispatches);
  const sources = new Set<Storage>();
  const results = new Set<Storage>();
  const once: Dispatch[] = [];
  const each = dispatches.filter((dispatch) => {
    const inputs = read(dispatch);
    const isSource = (s: Storage): boolean => s.stable && !writers.has(s);
    if (!isPure(dispatch, writers, isTemporary) || !inputs.every((s) => results.has(s) || isSource(s))) return true;
    for (const s of inputs) if (!results.has(s)) sources.add(s);
    for (const s of written(dispatch)) results.add(s);
    once.push(dispatch);
    return false;
  });
  return { each, once, sources: [...sources], results };
}

/** What remains to be done of a program's dispatches, at every run and seldom. `REUSE=0` leaves them as they are. */
export function reduce(dispatches: readonly Dispatch[], isTemporary: IsTemporary): Split {
  if (platform().env('REUSE') === '0') return { each: dispatches, once: [], sources: [], results: new Set() };
  return splitConstants(withoutRepeats(dispatches, isTemporary), isTemporary);
}
