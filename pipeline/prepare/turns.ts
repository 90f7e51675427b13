/**
 * libvips keeps the words of its errors in one place for all threads, and clears it when any picture is done: of two files that
 * fail at the same time one may get the other's, half of its own or none, and one that fails beside a success may be left
 * with "Unknown error" (117 of 400 truncated photographs while faces were encoded). So everything that sharp does while
 * photographs are read goes through here, and what failed is done again while nothing else is.
 */
let running = 0;
let whenIdle: (() => void) | undefined;
let turns: Promise<unknown> = Promise.resolve();

/** Runs `work` beside others of its kind, but not while one that failed has its turn alone. */
export async function beside<T>(work: () => Promise<T>): Promise<T> {
  for (let turn: unknown; turn !== turns; await turn) turn = turns;
  running++;
  try {
    return await work();
  } finally {
    if (--running === 0) whenIdle?.();
  }
}

/** The same; what fails runs once more, alone, for the words of its error. */
export async function attempt<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await beside(work);
  } catch {
    const turn = turns.then(async () => {
      if (running > 0) await new Promise<void>((resolve) => (whenIdle = resolve));
      return work();
    });
    turns = turn.catch(() => undefined);
    return turn;
  }
}
