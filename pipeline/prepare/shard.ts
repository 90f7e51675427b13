import { ConfigError } from '../../engine/errors.ts';

/** One of several machines (or processes) that share the work. */
export interface Shard {
  readonly index: number;
  readonly count: number;
}

/**
 * The shard of this process: `text` as in `--shard 2/8` (from 0), else the place in a Slurm array
 * (SLURM_ARRAY_TASK_ID, SLURM_ARRAY_TASK_MIN, SLURM_ARRAY_TASK_COUNT), else in a Kubernetes Indexed Job
 * (JOB_COMPLETION_INDEX, with the job's `completions` passed as JOB_COMPLETIONS); undefined where there is none.
 */
export function findShard(text: string | undefined, environment: NodeJS.ProcessEnv = process.env): Shard | undefined {
  if (text !== undefined) return parseShard(text);
  const { SLURM_ARRAY_TASK_ID, SLURM_ARRAY_TASK_MIN, SLURM_ARRAY_TASK_COUNT } = environment;
  if (SLURM_ARRAY_TASK_ID !== undefined) {
    const index = Number(SLURM_ARRAY_TASK_ID) - Number(SLURM_ARRAY_TASK_MIN ?? 0);
    return checked(index, Number(SLURM_ARRAY_TASK_COUNT), 'SLURM_ARRAY_TASK_ID and SLURM_ARRAY_TASK_COUNT');
  }
  const { JOB_COMPLETION_INDEX, JOB_COMPLETIONS } = environment;
  if (JOB_COMPLETION_INDEX !== undefined) {
    return checked(Number(JOB_COMPLETION_INDEX), Number(JOB_COMPLETIONS), 'JOB_COMPLETION_INDEX and JOB_COMPLETIONS');
  }
  return undefined;
}

function parseShard(text: string): Shard {
  const match = /^(\d+)\/(\d+)$/.exec(text);
  return checked(Number(match?.[1] ?? Number.NaN), Number(match?.[2]), `--shard ${text}`);
}

function checked(index: number, count: number, where: string): Shard {
  if (Number.isInteger(index) && Number.isInteger(count) && index >= 0 && index < count) return { index, count };
  throw new ConfigError(`${where}: no such shard.`, {
    remedy: 'Give --shard INDEX/COUNT with an index from 0 to COUNT − 1, such as --shard 0/4; or set both variables.',
  });
}

/** Whether content with this hash is this shard's work. Equal content always falls to one shard. */
export function isOurs(sha256: string, { index, count }: Shard): boolean {
  return Number.parseInt(sha256.slice(0, 12), 16) % count === index;
}

/** The folder, inside the output, that a shard writes. */
export const shardFolder = ({ index, count }: Shard) => `shard-${index}-of-${count}`;
