import { platform } from '../platform.ts';
import { type IsTemporary, usesOf } from './dataflow.ts';
import type { Dispatch } from './lower.ts';
import type { Storage } from './memory.ts';
import type { Shaders } from './shader.ts';

/** An output of a dispatch and the input whose room it takes. */
interface Exchange {
  readonly output: { readonly name: string; readonly storage: Storage };
  readonly input: { readonly name: string; readonly storage: Storage };
}

/**
 * Lets outputs take the place of inputs that end with them, where the kernel says that it may (`Kernel.inPlace`): the gradient
 * of a norm stands where its input stood. At so-dlse's peak that is 78 of 182 MiB. The results are the same bits.
 * `IN_PLACE=0` gives every output room of its own.
 */
export async function takeOver(
  dispatches: readonly Dispatch[],
  isTemporary: IsTemporary,
  shaders: Shaders,
): Promise<readonly Dispatch[]> {
  if (platform().env('IN_PLACE') === '0') return dispatches;
  const { touched } = usesOf(dispatches);
  const stands = new Map<Storage, Storage>();
  const lastUse = (storage: Storage): number => (touched.get(storage) ?? []).at(-1) ?? -1;
  /** Ends of what stands in a place now: that of the last to have taken it. */
  const ends = new Map<Storage, number>();

  const exchangeOf = ({ kernel, shader, storages }: Dispatch, i: number): Exchange | undefined => {
    const bound = (name: string): Storage | undefined => storages[shader.bindings.findIndex((b) => b.name === name)];
    for (const [name, inputs] of Object.entries(kernel.inPlace ?? {})) {
      const output = bound(name);
      if (!output || !isTemporary(output) || touched.get(output)?.[0] !== i) continue;
      for (const other of inputs ?? []) {
        const input = bound(other);
        if (!input || !isTemporary(input) || input.bytes !== output.bytes) continue;
        const alone = storages.filter((s) => s === input).length === 1;
        if (alone && (ends.get(input) ?? lastUse(input)) === i) {
          return { output: { name, storage: output }, input: { name: other, storage: input } };
        }
      }
    }
    return undefined;
  };

  const out: Dispatch[] = [];
  for (const [i, original] of dispatches.entries()) {
    const storages = original.storages.map((s) => s && (stands.get(s) ?? s));
    const dispatch = { ...original, storages };
    const exchange = exchangeOf(dispatch, i);
    if (!exchange) {
      out.push(dispatch);
      continue;
    }
    const { output, input } = exchange;
    const shader = await shaders.inPlace(dispatch.shader, output.name, input.name);
    const places = shader.bindings.map(
      ({ name }) => storages[dispatch.shader.bindings.findIndex((b) => b.name === name)],
    );
    stands.set(output.storage, input.storage);
    ends.set(input.storage, lastUse(output.storage));
    out.push({ ...dispatch, shader, storages: places });
  }
  return out;
}
