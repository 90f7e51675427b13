/**
 * A review as the page knows it: the candidates, what was decided, what is on its way. A decision counts when the server
 * has confirmed that it is on its disk.
 */
import { newActId, send, sendLeftOver } from '../../../studio/static/outbox.js';
import { ApiError, request } from '../../../studio/static/studio.js';

/** @typedef {{ keep: true } | { keep: false, reason: string }} Decision */
/**
 * @typedef {object} Candidate
 * @property {string} id
 * @property {string} subject
 * @property {number} discriminator
 * @property {number} similarity
 * @property {number} [target]
 * @property {boolean} [face]
 * @property {string | null} drop what the automatic checks have against it
 */
/** @typedef {{ from: string, to: string, wanted: number, unused: number, candidates: Candidate[] }} Class */
/** @typedef {{ seq: number, last: number | null, decisions: Record<string, Decision | null> }} Changes */
/** @typedef {Changes & { classes: Class[] }} Sheet */
/** @typedef {{ kind: 'done' | 'warning', text: string }} Notice */
/** @typedef {'open' | 'kept' | 'discarded' | 'dropped'} State */

export class ReviewClient {
  /** @param {string} token @param {Sheet} sheet @param {() => void} onChange */
  constructor(token, sheet, onChange) {
    this.token = token;
    this.classes = sheet.classes;
    this.onChange = onChange;
    this.sender = { owner: 'review', path: '/api/review/act', token };
    /** @type {Map<string, Decision>} */
    this.decisions = new Map();
    this.seq = 0;
    /** @type {number | null} the act that an undo takes back */
    this.last = null;
    this.saving = false;
    /** @type {string | null} why nothing can be saved at the moment */
    this.waiting = null;
    /** @type {Notice | null} */
    this.notice = null;
    /** @type {string[] | null} what the server said when the choice was recorded */
    this.finished = null;
    this.take(sheet);
    this.tabs = new BroadcastChannel('kindergrad.review');
    this.tabs.onmessage = ({ data }) => {
      if (data.finished) {
        this.finished = data.finished;
        this.onChange();
      } else if (!this.saving && !this.finished) this.refresh();
    };
  }

  close() {
    this.tabs.close();
  }

  /** Sends what an earlier page left behind. */
  async start() {
    const taken = await sendLeftOver(this.sender, (problem) => this.setWaiting(problem)).catch(() => 0);
    if (taken === 0) return;
    await this.refresh();
    this.say('done', 'A decision that had not been confirmed is saved now.');
  }

  /** @param {Candidate} candidate @returns {State} */
  stateOf({ id, drop }) {
    const decision = this.decisions.get(id);
    if (decision) return decision.keep ? 'kept' : 'discarded';
    return drop === null ? 'open' : 'dropped';
  }

  /** How many candidates of a class are in each state. @param {Class} of */
  counts({ candidates }) {
    const counts = { open: 0, kept: 0, discarded: 0, dropped: 0 };
    for (const candidate of candidates) counts[this.stateOf(candidate)]++;
    return counts;
  }

  /** Decides on these candidates; null takes decisions back. @param {string[]} ids @param {Decision | null} decision */
  async decide(ids, decision) {
    if (ids.length === 0) return false;
    const changes = await this.act({ kind: 'decide', ids, decision });
    if (!changes) return false;
    const what = decision === null ? 'Put back' : decision.keep ? 'Kept' : `Discarded: ${decision.reason}`;
    this.say('done', ids.length === 1 ? `${what}.` : `${what} (${ids.length} pictures).`);
    return true;
  }

  /** Takes the last act back. @returns {Promise<string[]>} the candidates it was about */
  async undo() {
    if (this.last === null) {
      this.say('warning', 'There is nothing to undo.');
      return [];
    }
    const changes = await this.act({ kind: 'undo', undoes: this.last });
    if (!changes) return [];
    const ids = Object.keys(changes.decisions);
    this.say('done', ids.length === 1 ? 'Undone.' : `Undone (${ids.length} pictures).`);
    return ids;
  }

  /** @param {Record<string, unknown>} fields @returns {Promise<Changes | undefined>} */
  async act(fields) {
    if (this.saving) return undefined;
    this.saving = true;
    this.onChange();
    try {
      const act = { act: newActId(), seen: this.seq, ...fields };
      const changes = await send(this.sender, act, (problem) => this.setWaiting(problem));
      this.take(changes);
      this.tabs.postMessage({});
      return changes;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      await this.refresh();
      const now = error.status === 409 ? ' This page now shows how things are.' : '';
      this.say('warning', error.message + now);
      return undefined;
    } finally {
      this.saving = false;
      this.onChange();
    }
  }

  /** Hears what other tabs decided. */
  async refresh() {
    try {
      const response = await request(`/api/review/changes?after=${this.seq}`, { token: this.token });
      this.take(await response.json());
      this.setWaiting(null);
    } catch (error) {
      this.setWaiting(error instanceof ApiError ? error.message : 'The server is not reached.');
    }
    this.onChange();
  }

  /** Has the choice recorded. */
  async finish() {
    this.saving = true;
    this.onChange();
    try {
      const response = await request('/api/review/finish', { token: this.token, body: { seen: this.seq } });
      this.finished = (await response.json()).lines;
      this.tabs.postMessage({ finished: this.finished });
    } catch (error) {
      if (error instanceof ApiError && error.status === 409) await this.refresh();
      const text =
        error instanceof ApiError ? error.message : 'The server is not reached: is the command still running?';
      this.say('warning', text);
    }
    this.saving = false;
    this.onChange();
  }

  /** @param {Changes} changes */
  take({ seq, last, decisions }) {
    for (const [id, decision] of Object.entries(decisions)) {
      if (decision) this.decisions.set(id, decision);
      else this.decisions.delete(id);
    }
    this.seq = seq;
    this.last = last;
  }

  /** @param {Notice['kind']} kind @param {string} text */
  say(kind, text) {
    this.notice = { kind, text };
    this.onChange();
  }

  /** @param {string | null} problem */
  setWaiting(problem) {
    if (problem === this.waiting) return;
    this.waiting = problem;
    this.onChange();
  }
}
