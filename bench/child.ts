/** A process that answers one JSON line with one JSON line: engines and settings that need a process of their own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { processes } from './quiet.ts';

export type Reply = Readonly<Record<string, unknown>> & { readonly error?: string };

export class Child {
  readonly #child: ChildProcess;
  readonly #name: string;
  readonly #lines: AsyncIterator<string>;
  readonly #unwatch: () => void;

  private constructor(child: ChildProcess, name: string, lines: AsyncIterator<string>) {
    this.#child = child;
    this.#name = name;
    this.#lines = lines;
    this.#unwatch = child.pid === undefined ? () => undefined : processes.watch(child.pid);
  }

  /** Starts it and waits for its first line. */
  static async start(
    name: string,
    [command, ...args]: readonly [string, ...string[]],
    env: NodeJS.ProcessEnv = process.env,
  ): Promise<{ child: Child; about: Reply }> {
    const running = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'], env });
    running.stdin.on('error', () => undefined); // it has ended; so does its output, which says so
    const lines = createInterface({ input: running.stdout })[Symbol.asyncIterator]();
    const child = new Child(running, name, lines);
    return { child, about: await child.#next() };
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  ask(request: object): Promise<Reply> {
    this.#child.stdin?.write(`${JSON.stringify(request)}\n`);
    return this.#next();
  }

  async #next(): Promise<Reply> {
    const line = await this.#lines.next();
    if (line.done) throw new Error(`${this.#name} ended before its answer; what it said stands above.`);
    const reply = JSON.parse(line.value) as Reply;
    if (reply.error !== undefined) throw new Error(`${this.#name}: ${reply.error}`);
    return reply;
  }

  /** It lives as long as its input is open. */
  close(): void {
    this.#unwatch();
    this.#child.stdin?.end();
  }
}
