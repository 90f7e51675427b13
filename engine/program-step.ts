import { KernelError } from './errors.ts';
import type { Storage } from './runtime/memory.ts';
import { collectTouched } from './tape.ts';
import { scope, Tensor } from './tensor.ts';

/** The tensors in what a step returns: alone, in arrays, maps or objects. */
export const tensorsIn = (value: unknown, out: Tensor[] = []): Tensor[] => {
  if (value instanceof Tensor) out.push(value);
  else if (Array.isArray(value)) for (const v of value) tensorsIn(v, out);
  else if (value instanceof Map) for (const v of value.values()) tensorsIn(v, out);
  else if (value && typeof value === 'object') for (const v of Object.values(value)) tensorsIn(v, out);
  return out;
};

/** Gradients made in the step are its temporaries, but for those it returns; they mean nothing outside it. */
function takeBack(touched: ReadonlySet<Tensor>, result: unknown): void {
  const returned = new Set(tensorsIn(result));
  for (const leaf of touched) {
    if (leaf.grad && !returned.has(leaf.grad)) leaf.grad.dispose();
    leaf.grad = undefined;
  }
}

/** What a step returns, with its gradients taken back, also when it fails. */
export function runStep<T>(step: () => T): { result: T; saved: readonly Set<Storage>[] } {
  const {
    touched,
    saved,
    result: ended,
  } = collectTouched((): { result: T } | { error: unknown } => {
    try {
      return { result: scope(step) };
    } catch (error) {
      return { error };
    }
  });
  if ('error' in ended) {
    takeBack(touched, undefined);
    throw ended.error;
  }
  const { result } = ended;
  takeBack(touched, result);
  if (result instanceof Promise) {
    result.catch(() => undefined); // it may fail as well; the cause is the async step
    throw new KernelError('The step of a program is asynchronous.', {
      remedy: 'Make it synchronous: return tensors and read them after the run.',
    });
  }
  return { result, saved };
}
