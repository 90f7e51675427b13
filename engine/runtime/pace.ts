import { platform } from '../platform.ts';

interface Queued {
  /** Undefined: all that was submitted for the first time. */
  readonly work: object | undefined;
  times: number;
  /** Number of the last submission among them. */
  last: number;
}

/** What a slower run may add to what is expected: one that was held up by others must not hold up the next. */
const GROWTH = 1.05;
/** Of what is expected, how much to sleep: the rest shows whether it was less. */
const SHARE = 0.93;

/**
 * When the queue will be done, from how long the same work took before: a program submits the same list at every run. Who
 * waits can then sleep until shortly before, where turns of the event loop would take time from the threads that compute
 * (a step of the small CNN: 6.8 → 6.2 ms). `PACE=0` expects nothing.
 */
export class Pace {
  /** Shortest times, in milliseconds, that grow slowly. */
  readonly #known = new WeakMap<object, number>();
  /** What comes again may be learnt; what operations outside programs submit never does, and is not held. */
  readonly #met = new WeakSet<object>();
  readonly #learns = platform().env('PACE') !== '0';
  #queued: Queued[] = [];
  #begun = 0;
  #count = 0;

  /** Submissions so far: what a wait that begins now waits for. */
  get submissions(): number {
    return this.#count;
  }

  submitted(list: object, now: number): void {
    if (this.#queued.length === 0) this.#begun = now;
    this.#count++;
    const work = this.#met.has(list) ? list : undefined;
    this.#met.add(list);
    const queued = this.#queued.find((one) => one.work === work);
    if (queued) {
      queued.times++;
      queued.last = this.#count;
    } else this.#queued.push({ work, times: 1, last: this.#count });
  }

  /** From when on to look whether all that is submitted is done; undefined where some of it is new. */
  get due(): number | undefined {
    if (!this.#learns || this.#queued.length === 0) return undefined;
    let expected = 0;
    for (const { work, times } of this.#queued) expected += times * ((work && this.#known.get(work)) ?? Number.NaN);
    return Number.isNaN(expected) ? undefined : this.#begun + SHARE * expected;
  }

  /** The first `submissions` are done; `watched`: somebody waited for the end, and did not come after it. */
  done(submissions: number, now: number, watched: boolean): void {
    const left = this.#queued.filter(({ last }) => last > submissions);
    if (left.length === this.#queued.length) return;
    const [{ work, times }] = this.#queued;
    if (work && this.#queued.length === 1) {
      const took = (now - this.#begun) / times;
      const before = this.#known.get(work) ?? Number.POSITIVE_INFINITY;
      this.#known.set(work, Math.min(took, watched ? GROWTH * before : before));
    }
    this.#queued = left;
    this.#begun = now;
  }
}

/**
 * Milliseconds to sleep before looking again. Until `due`, at most 4, so that the event loop serves others in
 * between. After it, or where it is not known, short turns at first, then sleeps of √t / 4 after t: each turn takes
 * some 60 µs from the threads that compute, each sleep may last too long by half. A GPU loses nothing by the turns: half a
 * millisecond of them, then sleeps of t / 20.
 */
export function pauseAt(now: number, begun: number, due: number | undefined, turn: number, software: boolean): number {
  const left = (due ?? now) - now;
  if (left > 0.1) return Math.min(4, left);
  const passed = now - Math.max(begun, due ?? begun);
  const atOnce = software ? due === undefined && turn < 4 : passed < 0.5;
  if (atOnce) return 0;
  return Math.min(4, Math.max(0.1, software ? Math.sqrt(passed) / 4 : passed / 20));
}
