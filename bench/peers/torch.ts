import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeSafetensors } from '../../engine/safetensors.ts';
import { Child, type Reply } from '../child.ts';
import type { Prepared } from '../workloads.ts';
import type { Peer } from './contenders.ts';

/** One run, timed by PyTorch itself. */
export interface TorchSample {
  readonly milliseconds: number;
  readonly losses: Readonly<Record<string, number>>;
}

const pythons = ['python3', '/usr/bin/python3'];

/**
 * glibc hands large blocks back to the kernel when they are freed, and the next step faults their pages in anew: on one
 * machine that took longer than the rest of so-dlse's step. An allocator that keeps them, as we keep our buffers, is what
 * PyTorch's tuning guide advises; with this glibc is one.
 */
const keepFreedMemory = { MALLOC_MMAP_MAX_: '0', MALLOC_TRIM_THRESHOLD_: String(2 ** 40) };

/**
 * PyTorch in a process of its own (measure_torch.py), which measures one sample on request: so it takes its turn among
 * the engines that run here.
 */
export class Torch {
  readonly name: string;
  readonly #works: readonly string[];
  readonly #child: Child;

  private constructor(child: Child, about: Reply) {
    this.#child = child;
    this.name = String(about.name);
    this.#works = about.works as string[];
  }

  /** On the CPU with as many threads as there are cores; undefined where no python3 has torch. */
  static cpu(freedMemory: 'returned' | 'kept' = 'returned'): Promise<Torch | undefined> {
    const kept = freedMemory === 'kept' ? keepFreedMemory : {};
    return Torch.#start(['cpu', String(availableParallelism())], { ...process.env, ...kept });
  }

  /** On the CUDA device, with or without TF32; undefined where there is none. */
  static cuda(mode: 'fp32' | 'tf32'): Promise<Torch | undefined> {
    return Torch.#start(['cuda', mode]);
  }

  static async #start(args: readonly string[], env = process.env): Promise<Torch | undefined> {
    const needed = args[0] === 'cuda' ? 'import torch; assert torch.cuda.is_available()' : 'import torch';
    const python = pythons.find((name) => spawnSync(name, ['-c', needed], { stdio: 'ignore' }).status === 0);
    if (!python) return undefined;
    const script = fileURLToPath(new URL('measure_torch.py', import.meta.url));
    const { child, about } = await Child.start('PyTorch', [python, script, ...args], env);
    return new Torch(child, about);
  }

  /** Hands over the weights and inputs of a step, as they are now. */
  async prepareStep(step: Prepared): Promise<void> {
    const { settings, tensors } = await step.hand();
    const folder = await mkdtemp(join(tmpdir(), 'bench-'));
    try {
      const file = join(folder, 'step.safetensors');
      await writeFile(file, writeSafetensors(tensors));
      await this.#child.ask({ prepare: { ...settings, file } });
    } finally {
      await rm(folder, { recursive: true });
    }
  }

  async sample(): Promise<TorchSample> {
    return (await this.#child.ask({ sample: true })) as unknown as TorchSample;
  }

  /** The kernel comparisons that it knows. */
  get peer(): Peer {
    const contender = (work: string) => async () => {
      await this.#child.ask({ prepare: work });
      return { run: async () => ({ ownMilliseconds: (await this.sample()).milliseconds }) };
    };
    return { name: this.name, contenders: new Map(this.#works.map((work) => [work, contender(work)])) };
  }

  close(): void {
    this.#child.close();
  }
}
