/** The list of a page's keys, and the switch that turns letters off as keys. */
import { useState } from 'preact/hooks';
import { html } from './studio.js';

/** Whether single letters are keys. Read at every press, so that a change counts at once. */
export const lettersOn = () => localStorage.getItem('kindergrad.letters') !== 'off';

/**
 * @param {{ rows: [string[], string][], letters: boolean, onLetters: (on: boolean) => void }} props `rows`: keys, and what
 * they do
 */
export function KeyHelp({ rows, letters, onLetters }) {
  // Open where there is room for it, until it is closed once.
  const [open] = useState(
    () => (localStorage.getItem('kindergrad.keys') ?? (innerHeight >= 760 ? 'open' : 'closed')) === 'open',
  );
  /** @param {any} event */
  const onChange = ({ target }) => {
    localStorage.setItem('kindergrad.letters', target.checked ? 'on' : 'off');
    onLetters(target.checked);
  };
  return html`<details class="keys" open=${open} onToggle=${(/** @type {any} */ event) => localStorage.setItem('kindergrad.keys', event.target.open ? 'open' : 'closed')}>
    <summary>Keys</summary>
    <dl>
      ${rows.map(([keys, what]) => html`<div key=${what}><dt>${keys.map((key) => html`<kbd key=${key}>${key}</kbd> `)}</dt><dd>${what}</dd></div>`)}
    </dl>
    <label class="switch"><input type="checkbox" checked=${letters} onChange=${onChange} /> Letters as keys (turn off for speech control)</label>
  </details>`;
}
