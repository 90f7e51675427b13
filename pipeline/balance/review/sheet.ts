/** What there is to review: the candidates of every class, under ids that tell no file name, with what was decided. */
import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import type { Picture } from '../../dataset/read.ts';
import type { Candidate } from '../candidates.ts';
import type { BalanceTask } from '../plan.ts';
import { byScore, type CheckOptions, complaint, type Decision, type Selection, selectReviewed } from '../select.ts';
import type { ReviewJournal } from './journal.ts';

/** One class to choose pictures for. */
export interface ReviewWork {
  readonly task: BalanceTask;
  readonly run: string;
  /** Side of the generated pictures; sources are shown at the same size and in the same cut. */
  readonly imageSize: number;
  readonly candidates: readonly Candidate[];
  /** The real pictures they were made from, by name. */
  readonly sources: ReadonlyMap<string, Picture>;
  /** Pictures that more can be made from afterwards. */
  readonly unused: number;
}

export interface ReviewItem {
  readonly work: ReviewWork;
  readonly candidate: Candidate;
}

export class ReviewSheet {
  readonly journal: ReviewJournal;
  readonly #works: readonly ReviewWork[];
  readonly #checks: CheckOptions;
  readonly #items = new Map<string, ReviewItem>();

  constructor(works: readonly ReviewWork[], checks: CheckOptions, journal: ReviewJournal) {
    this.#works = works;
    this.#checks = checks;
    this.journal = journal;
    for (const work of works) {
      for (const candidate of work.candidates) this.#items.set(idOf(work, candidate), { work, candidate });
    }
  }

  find(id: string): ReviewItem | undefined {
    return this.#items.get(id);
  }

  /** All there is to show. */
  view() {
    return {
      classes: this.#works.map((work) => ({
        from: work.task.from,
        to: work.task.to,
        wanted: work.task.make,
        unused: work.unused,
        candidates: [...work.candidates].sort(byScore).map((candidate) => {
          const { subject, discriminator, similarity, target, face } = candidate;
          const drop = complaint(candidate, this.#checks) ?? null;
          return { id: idOf(work, candidate), subject, discriminator, similarity, target, face, drop };
        }),
      })),
      ...this.changes(0),
    };
  }

  /** Decisions after act `seen`; null where one was taken back. */
  changes(seen: number) {
    const { journal } = this;
    const known = journal.changedAfter(seen).filter((id) => this.#items.has(id));
    const decisions = Object.fromEntries(
      known.map((id): [string, Decision | null] => [id, journal.decision(id) ?? null]),
    );
    return { seq: journal.seq, last: journal.last ?? null, decisions };
  }

  /** What was chosen, class by class. */
  selections(): Selection[] {
    return this.#works.map((work) =>
      selectReviewed(work.candidates, (candidate) => this.journal.decision(idOf(work, candidate)), {
        ...this.#checks,
        keep: work.task.make,
      }),
    );
  }
}

/** The same after a restart. */
const idOf = ({ run }: ReviewWork, { file }: Candidate): string =>
  createHash('sha256')
    .update(`${basename(run)}/${file}`)
    .digest('hex')
    .slice(0, 20);
