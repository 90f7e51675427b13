/** Runs async work one after the other, in the order it was given; a failure does not stop what follows. */
export type InTurn = <T>(work: () => Promise<T>) => Promise<T>;

export function inTurn(): InTurn {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const turn = last.then(work);
    last = turn.catch(() => undefined);
    return turn;
  };
}

/** Like inTurn, but up to `count` at the same time. */
export function inTurns(count: number): InTurn {
  const turns = Array.from({ length: count }, inTurn);
  let next = 0;
  return (work) => {
    const turn = turns[next++ % count] as InTurn;
    return turn(work);
  };
}
