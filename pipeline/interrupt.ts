/** What `work` gives, or nothing when the signal ended it early: it threw the signal's reason. */
export async function unlessInterrupted<T>(signal: AbortSignal, work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (signal.aborted && error === signal.reason) return undefined;
    throw error;
  }
}

/**
 * Runs `work` with a signal that Ctrl-C (SIGINT) and SIGTERM abort, so that it can save and return. A second Ctrl-C ends
 * the process at once; a second signal that comes together with the first, as from `timeout`, is none.
 */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  let first = Number.POSITIVE_INFINITY;
  const stop = () => {
    if (controller.signal.aborted && performance.now() - first < 100) return;
    if (controller.signal.aborted) process.exit(130);
    first = performance.now();
    console.error('\nstopping: finishing this step and saving (press Ctrl-C again to stop at once)');
    controller.abort();
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  try {
    return await work(controller.signal);
  } finally {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  }
}
