/**
 * Waits between turns until the machine is quiet, so that no engine pays for the threads of the one before. Measured on two
 * cores: OpenBLAS keeps a core spinning for 100 ms after a call, oneDNN's OpenMP for 10 ms, V8 tiers up the WebAssembly of
 * ONNX Runtime for tens of seconds after its first run.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

/** Readings of a machine; tests have their own. */
export interface Gauge {
  /** Milliseconds of CPU time that the bench's processes have used; undefined where those of a peer cannot be read. */
  used(): number | undefined;
  /** The same of everything on the machine, and what all cores could have given. */
  machine(): { readonly busy: number; readonly all: number };
  now(): number;
  pause(ms: number): Promise<unknown>;
}

/** How the turns of a run began, and what else the machine did meanwhile. */
export interface Turns {
  readonly turns: number;
  /** Turns that began although the machine had not become quiet in time. */
  readonly unquiet: number;
  readonly meanWaitMs: number;
  readonly longestWaitMs: number;
  /** Share of the machine's CPU time that other work took, 0 to 1. */
  readonly foreign: number;
  /** Whether CPU time could be read; else every turn began after a fixed pause. */
  readonly measured: boolean;
}

/**
 * Whether other work took so much of the machine that no verdict should stand on the run. PyTorch's OpenMP, whose threads
 * wait for each other, took 150 ms for a step of 9 where others had half of two cores.
 */
export const isDisturbed = ({ foreign }: Turns): boolean => foreign > 0.1;

const WINDOW_MS = 20;
/** Quiet: the bench's own processes use less than this share of one core. The window's own timer and polling take 3 %. */
const QUIET_SHARE = 0.1;
/** Longer than any pool that was measured spins. */
const FIXED_PAUSE_MS = 150;
export const TURN_LIMIT_MS = 500;
const START_LIMIT_MS = 120_000;
const START_WINDOWS = 10;

export class Quiet {
  readonly #gauge: Gauge;
  readonly #start: { used: number; busy: number; all: number };
  readonly #waits: number[] = [];
  #unquiet = 0;
  #measured = true;

  constructor(gauge: Gauge) {
    this.#gauge = gauge;
    this.#start = { used: gauge.used() ?? 0, ...gauge.machine() };
  }

  /** Before each turn. Resolves with whether it is quiet. */
  async turn(): Promise<boolean> {
    const began = this.#gauge.now();
    const quiet = await this.#settle(TURN_LIMIT_MS, 1);
    this.#waits.push(this.#gauge.now() - began);
    if (!quiet) this.#unquiet++;
    return quiet;
  }

  /** After a start: longer, and sure that what compiles in the background did not just wait for a core. */
  settleStart(): Promise<boolean> {
    return this.#settle(START_LIMIT_MS, START_WINDOWS);
  }

  /** Waits until so many windows in a row are quiet, or `limitMs` have passed. */
  async #settle(limitMs: number, windows: number): Promise<boolean> {
    const { used, now, pause } = this.#gauge;
    const began = now();
    let still = 0;
    for (let before = used(); ; ) {
      if (before === undefined) {
        this.#measured = false;
        await pause(FIXED_PAUSE_MS);
        return true;
      }
      const from = now();
      await pause(WINDOW_MS);
      const after = used();
      const isStill = after !== undefined && after - before < QUIET_SHARE * (now() - from);
      still = isStill ? still + 1 : 0;
      if (still >= windows) return true;
      if (now() - began + WINDOW_MS > limitMs) return false;
      before = after;
    }
  }

  report(): Turns {
    const { busy, all } = this.#gauge.machine();
    const used = (this.#gauge.used() ?? this.#start.used) - this.#start.used;
    const others = busy - this.#start.busy - used;
    return {
      turns: this.#waits.length,
      unquiet: this.#unquiet,
      meanWaitMs: this.#waits.reduce((sum, ms) => sum + ms, 0) / Math.max(1, this.#waits.length),
      longestWaitMs: Math.max(0, ...this.#waits),
      foreign: Math.min(1, Math.max(0, others / Math.max(1, all - this.#start.all))),
      measured: this.#measured,
    };
  }
}

/** CPU milliseconds of a process by the scheduler's clock, which unlike /proc/PID/stat does not count in steps of 10 ms. */
function usedBy(pid: number): number | undefined {
  try {
    const threads = readdirSync(`/proc/${pid}/task`);
    return threads.reduce((sum, thread) => {
      const [nanoseconds] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ');
      return sum + Number(nanoseconds) / 1e6;
    }, 0);
  } catch {
    return undefined;
  }
}

/** The same in steps of 10 ms, threads that have ended included; 0 once the process has. */
function usedInAllBy(pid: number): number {
  try {
    // Behind the name, which may hold blanks: state, ten numbers, then user and system time in hundredths of a second.
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
    return 10 * (Number(fields[11]) + Number(fields[12]));
  } catch {
    return 0;
  }
}

/** This machine, the bench's process and those of the peers that it has started. */
export class ProcessGauge implements Gauge {
  readonly #peers = new Map<number, number>();
  /** What peers that have ended had used. */
  #ended = 0;

  /** Counts a peer's process in; what it returns counts it out. */
  watch(pid: number): () => void {
    this.#peers.set(pid, 0);
    return () => {
      // Once more: a process that answers one question may have come and gone between two readings.
      this.#ended += Math.max(this.#peers.get(pid) ?? 0, usedInAllBy(pid));
      this.#peers.delete(pid);
    };
  }

  used = (): number | undefined => {
    const { user, system } = process.cpuUsage();
    let sum = (user + system) / 1000 + this.#ended;
    for (const pid of this.#peers.keys()) {
      const ms = usedBy(pid);
      if (ms === undefined) return undefined;
      this.#peers.set(pid, ms);
      sum += ms;
    }
    return sum;
  };

  machine = (): { busy: number; all: number } => {
    const times = cpus().map(({ times }) => times);
    const all = times.reduce((sum, t) => sum + t.user + t.nice + t.sys + t.irq + t.idle, 0);
    return { busy: all - times.reduce((sum, t) => sum + t.idle, 0), all };
  };

  now = (): number => performance.now();
  pause = (ms: number): Promise<unknown> => sleep(ms);
}

/** There is one machine: every measurement of the bench takes its turns on it. */
export const processes = new ProcessGauge();
export const quiet = new Quiet(processes);
