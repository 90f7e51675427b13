/**
 * One rater's work as the page knows it: which picture is in view, what was answered, what is on its way. It moves on only
 * when the server has confirmed that an answer is on its disk.
 */
import { newActId, send, sendLeftOver } from '../../studio/static/outbox.js';
import { ApiError, request } from '../../studio/static/studio.js';

/** @typedef {{ seq: number, label: string }} Answer */
/** @typedef {{ id: string, answer: Answer | null }} SlotView */
/** @typedef {{ done: number, total: number, skipped: number }} RoundView */
/**
 * @typedef {object} View
 * @property {string} rater
 * @property {string[]} labels
 * @property {1 | 2} round
 * @property {Record<1 | 2, RoundView>} rounds
 * @property {{ seq: number, kind: string, label: string | null } | null} last
 * @property {SlotView[]} next
 */
/** @typedef {View & { trail: SlotView[] }} SheetAnswer what the server answers when a sheet is asked for */
/** @typedef {{ text: string, kind: 'done' | 'warning' }} Notice */

/** Answers whose times make the pace. */
const paceWindow = 20;

export class SheetClient {
  /** @param {string} rater @param {string} token @param {() => void} onChange @param {() => void} onSignedOut */
  constructor(rater, token, onChange, onSignedOut) {
    this.token = token;
    this.sender = { owner: rater, path: '/api/label/act', token };
    this.onChange = onChange;
    this.onSignedOut = onSignedOut;
    /** @type {View | null} */
    this.view = null;
    /** @type {SlotView[]} answered pictures, oldest first */
    this.trail = [];
    /** @type {number | null} place in the trail of a picture looked at again; null for the picture to answer */
    this.at = null;
    /** @type {string | null} the label (or 'skip', 'undo') being saved */
    this.saving = null;
    /** @type {string | null} why nothing can be saved at the moment */
    this.waiting = null;
    /** @type {Notice | null} */
    this.notice = null;
    /** @type {number[]} */
    this.times = [];
    this.shownAt = performance.now();
    this.tabs = new BroadcastChannel(`kindergrad.label.${rater}`);
    this.tabs.onmessage = () => {
      if (!this.saving && this.view) this.load(this.view.round).catch(() => undefined);
    };
  }

  close() {
    this.tabs.close();
  }

  /** The picture in view; null when all are answered. @returns {SlotView | null} */
  get current() {
    return (this.at === null ? this.view?.next[0] : this.trail[this.at]) ?? null;
  }

  /** Pictures to have ready, the most urgent first. */
  get wanted() {
    const behind = this.at === null ? this.trail.slice(-2) : this.trail.slice(Math.max(0, this.at - 2), this.at + 3);
    const slots = [this.current, ...(this.view?.next ?? []), ...behind];
    return [...new Set(slots.flatMap((slot) => (slot ? [slot.id] : [])))];
  }

  /** Answers a minute, over the last ones; null before there are three. */
  get pace() {
    const { times } = this;
    const span = (times.at(-1) ?? 0) - (times[0] ?? 0);
    return times.length < 3 || span === 0 ? null : ((times.length - 1) * 60_000) / span;
  }

  /** @param {1 | 2} round */
  async load(round) {
    await this.guard(async () => {
      const response = await request(`/api/label/sheet?round=${round}`, { token: this.token });
      const { trail, ...view } = await response.json();
      this.trail = trail;
      this.show(view);
    });
  }

  /** Starts from a sheet that was just loaded, after sending what an earlier page left behind. @param {SheetAnswer} first */
  async start(first) {
    let taken = 0;
    await this.guard(async () => {
      taken = await sendLeftOver(this.sender, (problem) => this.setWaiting(problem));
    });
    if (taken > 0) {
      await this.load(first.round);
      this.notice = { kind: 'done', text: 'An answer that had not been confirmed is saved now.' };
      this.onChange();
    } else {
      const { trail, ...view } = first;
      this.trail = trail;
      this.show(view);
    }
    const rounds = this.view?.rounds;
    const inSecond = rounds && rounds[1].done === rounds[1].total && rounds[2].done > 0;
    if (inSecond && rounds[2].done < rounds[2].total) await this.load(2);
  }

  /** @param {View} view */
  show(view) {
    this.view = view;
    this.at = null;
    this.shownAt = performance.now();
    this.onChange();
  }

  /** @param {string | null} problem */
  setWaiting(problem) {
    if (problem === this.waiting) return;
    this.waiting = problem;
    this.onChange();
  }

  /** Gives the picture in view a label. @param {string} label */
  async choose(label) {
    const slot = this.current;
    if (!slot || this.saving) return;
    if (slot.answer?.label === label) return this.forward();
    const answer = await this.act(label, { kind: 'label', slot: slot.id, label, previous: slot.answer?.seq ?? null });
    if (!answer) return;
    const entry = { id: slot.id, answer: { seq: answer.seq, label } };
    if (this.at === null) {
      this.times = [...this.times, performance.now()].slice(-paceWindow);
      this.trail = [...this.trail, entry].slice(-50);
      this.notice = { kind: 'done', text: `Saved: ${label}.` };
      this.show(answer);
    } else {
      this.trail = this.trail.map((old, index) => (index === this.at ? entry : old));
      this.notice = { kind: 'done', text: `Changed to ${label}.` };
      this.view = answer;
      this.forward();
    }
  }

  async skip() {
    const slot = this.current;
    if (!slot || this.saving) return;
    if (this.at !== null) return this.forward();
    const answer = await this.act('skip', { kind: 'skip', slot: slot.id });
    if (!answer) return;
    this.notice = { kind: 'done', text: 'Put off: it comes back at the end.' };
    this.show(answer);
  }

  async undo() {
    const last = this.view?.last;
    if (this.saving) return;
    if (!last) {
      this.notice = { kind: 'warning', text: 'There is nothing to undo.' };
      return this.onChange();
    }
    const answer = await this.act('undo', { kind: 'undo', undoes: last.seq });
    if (!answer) return;
    this.notice = { kind: 'done', text: `Undone: ${last.label ?? 'put off'}.` };
    if (answer.next[0]?.id === answer.slot) {
      this.trail = this.trail.filter(({ id }) => id !== answer.slot);
      this.show(answer);
    } else {
      // The answer before it stands again, or it belongs to the other round.
      await this.load(answer.round);
      const at = this.trail.findIndex(({ id }) => id === answer.slot);
      if (at >= 0) this.at = at;
      this.onChange();
    }
  }

  back() {
    const at = (this.at ?? this.trail.length) - 1;
    if (at < 0 || this.saving) return;
    this.look(at);
  }

  forward() {
    if (this.at === null || this.saving) return;
    this.look(this.at + 1 < this.trail.length ? this.at + 1 : null);
  }

  /** @param {number | null} at */
  look(at) {
    this.at = at;
    this.shownAt = performance.now();
    this.onChange();
  }

  /**
   * Has one act recorded. Returns the server's answer, or nothing when it was refused: then the page shows how things
   * really are, and says why.
   * @param {string} what @param {{ kind: 'label' | 'skip' | 'undo' } & Record<string, unknown>} fields
   * @returns {Promise<any>}
   */
  async act(what, fields) {
    const { view } = this;
    if (!view) return undefined;
    this.saving = what;
    this.notice = null;
    this.onChange();
    const elapsed = Math.min(86_400_000, Math.round(performance.now() - this.shownAt));
    const act = { act: newActId(), round: view.round, elapsed, ...fields };
    try {
      const answer = await send(this.sender, act, (problem) => this.setWaiting(problem));
      this.saving = null;
      this.tabs.postMessage(answer.seq);
      return answer;
    } catch (error) {
      this.saving = null;
      await this.guard(() => {
        throw error;
      });
      return undefined;
    }
  }

  /** @param {() => Promise<void> | void} work */
  async guard(work) {
    try {
      await work();
      this.setWaiting(null);
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) this.onSignedOut();
      else if (error instanceof ApiError && error.status < 500) {
        await this.load(this.view?.round ?? 1);
        this.notice = { kind: 'warning', text: `${error.message} This page now shows how things are.` };
        this.onChange();
      } else if (error instanceof ApiError || error instanceof TypeError) {
        this.setWaiting(error instanceof ApiError ? error.message : 'The server is not reached.');
        await new Promise((resolve) => setTimeout(resolve, 1000));
        await this.guard(work);
      } else throw error;
    }
  }
}
