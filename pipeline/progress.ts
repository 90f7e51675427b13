/** One line that moves while something long runs: share done, what the work says of itself, time left. */
export interface Progress {
  update(done: number, total: number, detail?: string): void;
  /** Ends the moving line; later output starts on a line of its own. */
  finish(): void;
}

export interface ProgressOutput {
  isTTY?: boolean;
  columns?: number;
  write(text: string): unknown;
}

/** "47 s", "3 min 20 s", "2 h 05 min". */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const two = (value: number) => String(value).padStart(2, '0');
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
}

/**
 * On a terminal the line is rewritten at most ten times a second; elsewhere (a log file) a new line appears every 15
 * seconds. The time left assumes that the rest goes at the average speed so far in this process: `update` with the work
 * that was already done before (a resumed run) must come first.
 */
export function progress(label: string, output: ProgressOutput = process.stderr): Progress {
  const every = output.isTTY ? 100 : 15_000;
  let first: { at: number; done: number } | undefined;
  let shownAt = Number.NEGATIVE_INFINITY;
  let open = false;
  const show = (text: string) => {
    if (!output.isTTY) output.write(`${text}\n`);
    else output.write(`\r\x1b[2K${text.slice(0, Math.max(20, (output.columns || 100) - 1))}`);
    open = output.isTTY === true;
  };
  return {
    update(done, total, detail = '') {
      const now = performance.now();
      first ??= { at: now, done };
      if (now - shownAt < every && done < total) return;
      shownAt = now;
      const speed = (done - first.done) / (now - first.at);
      const left = done < total && speed > 0 ? `${formatDuration((total - done) / speed / 1000)} left` : '';
      const share = `${total === 0 ? 100 : Math.floor((100 * done) / total)} %`;
      show([label, share, `${done}/${total}`, detail, left].filter(Boolean).join('  '));
    },
    finish() {
      if (open) output.write('\n');
      open = false;
    },
  };
}
