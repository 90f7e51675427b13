import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { writeSafetensors } from '../../engine/safetensors.ts';
import type { Prepared } from '../workloads.ts';
import type { Peer } from './contenders.ts';

type Reply = Readonly<Record<string, unknown>> & { readonly error?: string };

/** One run, timed by PyTorch itself. */
export interface TorchSample {
  readonly milliseconds: number;
  readonly losses: Readonly<Record<string, number>>;
}

const pythons = ['python3', '/usr/bin/python3'];

/**
 * PyTorch in a process of its own (measure_torch.py), which measures one sample on request: so it takes its turn among
 * the engines that run here.
 */
export class Torch {
  readonly name: string;
  readonly #works: readonly string[];
  readonly #child: ChildProcess;
  readonly #ask: (request: object) => Promise<Reply>;

  private constructor(child: ChildProcess, ask: (request: object) => Promise<Reply>, about: Reply) {
    this.#child = child;
    this.#ask = ask;
    this.name = String(about.name);
    this.#works = about.works as string[];
  }

  /** On the CPU with as many threads as there are cores; undefined where no python3 has torch. */
  static cpu(): Promise<Torch | undefined> {
    return Torch.#start(['cpu', String(availableParallelism())]);
  }

  /** On the CUDA device, with or without TF32; undefined where there is none. */
  static cuda(mode: 'fp32' | 'tf32'): Promise<Torch | undefined> {
    return Torch.#start(['cuda', mode]);
  }

  static async #start(args: readonly string[]): Promise<Torch | undefined> {
    const needed = args[0] === 'cuda' ? 'import torch; assert torch.cuda.is_available()' : 'import torch';
    const python = pythons.find((name) => spawnSync(name, ['-c', needed], { stdio: 'ignore' }).status === 0);
    if (!python) return undefined;
    const script = fileURLToPath(new URL('measure_torch.py', import.meta.url));
    const child = spawn(python, [script, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const next = async (): Promise<Reply> => {
      const line = await lines.next();
      if (line.done) throw new Error('measure_torch.py ended before its answer; what it said stands above.');
      const reply = JSON.parse(line.value) as Reply;
      if (reply.error !== undefined) throw new Error(`PyTorch: ${reply.error}`);
      return reply;
    };
    const ask = (request: object): Promise<Reply> => {
      child.stdin.write(`${JSON.stringify(request)}\n`);
      return next();
    };
    return new Torch(child, ask, await next());
  }

  /** Hands over the weights and inputs of a step, as they are now. */
  async prepareStep(step: Prepared): Promise<void> {
    const { settings, tensors } = await step.hand();
    const folder = await mkdtemp(join(tmpdir(), 'bench-'));
    try {
      const file = join(folder, 'step.safetensors');
      await writeFile(file, writeSafetensors(tensors));
      await this.#ask({ prepare: { ...settings, file } });
    } finally {
      await rm(folder, { recursive: true });
    }
  }

  async sample(): Promise<TorchSample> {
    return (await this.#ask({ sample: true })) as unknown as TorchSample;
  }

  /** The kernel comparisons that it knows. */
  get peer(): Peer {
    const contender = (work: string) => async () => {
      await this.#ask({ prepare: work });
      return { run: async () => ({ overriddenDuration: (await this.sample()).milliseconds }) };
    };
    return { name: this.name, contenders: new Map(this.#works.map((work) => [work, contender(work)])) };
  }

  close(): void {
    this.#child.stdin?.end();
  }
}
