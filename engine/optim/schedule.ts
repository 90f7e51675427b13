import { ConfigError } from '../errors.ts';

/** The learning rate at a step or epoch, counted from 0. */
export type Schedule = (at: number) => number;

/** From `from` in a straight line to `to` at `over`, and `to` from then on. */
export function linearSchedule(from: number, to: number, over: number): Schedule {
  if (!(over > 0)) throw new ConfigError(`linearSchedule: it runs over ${over}.`, { remedy: 'Use a number above 0.' });
  return (at) => from + (to - from) * Math.min(1, Math.max(0, at / over));
}

/** A table of [first, rate], ascending: the rate of the last entry whose `first` has been reached. */
export function stepSchedule(table: readonly (readonly [first: number, rate: number])[]): Schedule {
  if (table.length === 0 || table[0][0] !== 0 || table.some(([first], i) => i > 0 && first <= table[i - 1][0])) {
    throw new ConfigError(`stepSchedule: ${JSON.stringify(table)}.`, { remedy: 'Start at 0 and ascend.' });
  }
  return (at) => table.filter(([first]) => first <= at).at(-1)?.[1] ?? table[0][1];
}

/** Constant for `constant`, then linearly to 0 over `decay` (CycleGAN: 1 − max(0, epoch − constant) / (decay + 1)). */
export function constantThenLinear(rate: number, constant: number, decay: number): Schedule {
  return (at) => rate * (1 - Math.max(0, at + 1 - constant) / (decay + 1));
}
