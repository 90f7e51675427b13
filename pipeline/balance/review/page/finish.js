/** The last look before the choice is recorded, and what is said after it. */
import { useEffect, useRef } from 'preact/hooks';
import { html } from '../../../studio/static/studio.js';

/** "1 picture", "7 pictures". @param {number} n */
export const pictures = (n) => `${n} ${n === 1 ? 'picture' : 'pictures'}`;

/** @param {{ client: import('./client.js').ReviewClient, onClose: () => void }} props */
export function FinishDialog({ client, onClose }) {
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  useEffect(() => dialog.current?.showModal(), []);
  /** @param {import('./client.js').Class} of */
  const line = (of) => {
    const { open, kept, discarded, dropped } = client.counts(of);
    const lacking = of.wanted - kept;
    const best = of.candidates
      .filter((candidate) => client.stateOf(candidate) === 'open')
      .slice(0, Math.max(0, lacking));
    return html`<li key=${of.to}>
      <h3>${of.from} → ${of.to}</h3>
      <p><b>${kept}</b> of ${of.wanted} wanted will be written. ${discarded} discarded, ${dropped} left out by the checks.</p>
      ${open > 0 && html`<p>${pictures(open)} not decided on: ${open === 1 ? 'it stays' : 'they stay'} out, and ${open === 1 ? 'comes' : 'come'} back with the next call.</p>`}
      ${
        best.length > 0 &&
        html`<p><button disabled=${client.saving} onClick=${() =>
          client.decide(
            best.map(({ id }) => id),
            { keep: true },
          )}>Keep the ${best.length} best of them by score</button></p>`
      }
      ${lacking > 0 && best.length < lacking && html`<p class="note">${of.unused > 0 ? `The same command then makes more: ${of.unused} ${of.from} ${of.unused === 1 ? 'picture is' : 'pictures are'} unused.` : `No ${of.from} picture is left to make more from.`}</p>`}
    </li>`;
  };
  return html`<dialog ref=${dialog} class="finish" aria-labelledby="finish-title" onClose=${onClose}>
    <h2 id="finish-title">Write the chosen pictures into the data set?</h2>
    <ul>${client.classes.map(line)}</ul>
    ${client.notice?.kind === 'warning' && html`<p role="alert" class="notice warning">${client.notice.text}</p>`}
    <p class="choices">
      <button onClick=${() => dialog.current?.close()}>Go on choosing</button>
      <button class="primary" autofocus disabled=${client.saving} onClick=${() => client.finish()}>${client.saving ? 'Writing …' : 'Write and finish'}</button>
    </p>
  </dialog>`;
}

/** @param {{ lines: readonly string[] }} props */
export function Finished({ lines }) {
  const title = useRef(/** @type {HTMLHeadingElement | null} */ (null));
  useEffect(() => title.current?.focus(), []);
  return html`<div class="page narrow finished">
    <h1 ref=${title} tabindex="-1">Done</h1>
    ${lines.map((line) => html`<p key=${line}>${line}</p>`)}
    <p class="note">The terminal names the report. You can close this page.</p>
  </div>`;
}
