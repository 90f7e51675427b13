/** One candidate beside its source. */
import { html } from '../../../studio/static/studio.js';

/**
 * @typedef {object} SingleProps
 * @property {import('./client.js').Class} of
 * @property {import('./client.js').Candidate} candidate
 * @property {number} place from 1, in the list that is shown
 * @property {number} total
 * @property {number} rank from 1, by the discriminator's score among all
 * @property {import('./client.js').Decision | undefined} decision
 * @property {(id: string) => import('../../../studio/static/pictures.js').Loaded | undefined} pictureOf
 * @property {boolean} comparing whether the source stands in the picture's place
 * @property {(on: boolean) => void} onCompare
 */

/** @param {SingleProps} props */
export function Single({ of, candidate, place, total, rank, decision, pictureOf, comparing, onCompare }) {
  const source = pictureOf(`${candidate.id}/source`);
  const made = pictureOf(`${candidate.id}/made`);
  const hold = {
    onPointerDown: () => onCompare(true),
    onPointerUp: () => onCompare(false),
    onPointerLeave: () => onCompare(false),
  };
  return html`<section class="single" aria-label=${`Picture ${place} of ${total}`}>
    <div class="pair">
      <figure>${shown(source, `Source: ${of.from}, ${candidate.subject}`)}<figcaption>real, ${of.from}</figcaption></figure>
      <span class="turns-into" aria-hidden="true">→</span>
      <figure class=${decision ? (decision.keep ? 'kept' : 'discarded') : ''} ...${hold}>
        ${shown(comparing ? source : made, comparing ? 'Source' : `Made: ${of.to}, from ${candidate.subject}`)}
        <figcaption>${comparing ? html`<b>real, ${of.from}</b>` : html`made, ${of.to}`}</figcaption>
      </figure>
    </div>
    <dl class="facts">
      <div><dt>picture</dt><dd>${place} of ${total}</dd></div>
      <div><dt>from</dt><dd class="subject">${candidate.subject}</dd></div>
      <div><dt>discriminator</dt><dd>${candidate.discriminator.toFixed(2)} <small>no. ${rank}</small></dd></div>
      <div><dt>SSIM with its source</dt><dd>${candidate.similarity.toFixed(2)}</dd></div>
      ${candidate.target === undefined ? '' : html`<div><dt>classifier: ${of.to}</dt><dd>${Math.round(100 * candidate.target)} %</dd></div>`}
      ${candidate.face === undefined ? '' : html`<div><dt>face</dt><dd>${candidate.face ? 'found' : 'not found'}</dd></div>`}
    </dl>
    <p class="verdict">${verdict(decision, candidate.drop)}</p>
  </section>`;
}

/** @param {import('./client.js').Decision | undefined} decision @param {string | null} drop */
export function verdict(decision, drop) {
  if (decision?.keep) return html`<span class="badge kept">kept</span>`;
  if (decision) return html`<span class="badge discarded">discarded: ${decision.reason}</span>`;
  if (drop !== null) return html`<span class="badge dropped">left out by the checks: ${drop}</span>`;
  return '\u00a0';
}

/** @param {import('../../../studio/static/pictures.js').Loaded | undefined} loaded @param {string} alt */
export function shown(loaded, alt) {
  if (loaded?.url) return html`<img src=${loaded.url} alt=${alt} draggable=${false} />`;
  return html`<span class="no-picture" role="img" aria-label=${alt}>${loaded ? loaded.problem : ''}</span>`;
}
