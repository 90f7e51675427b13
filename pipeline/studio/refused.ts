/** The log of refused requests: one JSON object a line, kept small, and a line on the terminal. */
import { appendFileSync, renameSync, statSync } from 'node:fs';

export interface RefusedRequest {
  from: string;
  rater: string | undefined;
  method: string;
  path: string;
  status: number;
  reason: string;
}

const largestLog = 4 * 1024 * 1024;

export class RefusedLog {
  private readonly file: string;
  private readonly print: (line: string) => void;
  private lastPrinted = 0;
  private unprinted = 0;

  constructor(file: string, print: (line: string) => void) {
    this.file = file;
    this.print = print;
  }

  add(request: RefusedRequest): void {
    const { from, rater, method, path, status, reason } = request;
    const line = { at: new Date().toISOString(), from, rater, method, path: path.slice(0, 300), status, reason };
    try {
      if ((statSync(this.file, { throwIfNoEntry: false })?.size ?? 0) > largestLog)
        renameSync(this.file, `${this.file}.1`);
      appendFileSync(this.file, `${JSON.stringify(line)}\n`, { mode: 0o600 });
    } catch (error) {
      this.print(`the log of refused requests cannot be written: ${error instanceof Error ? error.message : error}`);
    }
    // A flood of refusals must not flood the terminal.
    this.unprinted++;
    if (Date.now() - this.lastPrinted < 1000) return;
    const more = this.unprinted > 1 ? ` (and ${this.unprinted - 1} before it)` : '';
    this.print(`refused: ${method} ${JSON.stringify(line.path)} from ${rater ?? from}: ${status} ${reason}${more}`);
    this.lastPrinted = Date.now();
    this.unprinted = 0;
  }
}
