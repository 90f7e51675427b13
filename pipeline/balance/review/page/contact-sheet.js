/** Many candidates at once, a page at a time, with a selection that a decision applies to. */
import { useEffect, useRef } from 'preact/hooks';
import { html } from '../../../studio/static/studio.js';
import { shown, verdict } from './single.js';

/** Pairs on a page. */
export const pageSize = 36;

/**
 * @typedef {object} SheetProps
 * @property {import('./client.js').Class} of
 * @property {import('./client.js').Candidate[]} list those on the page
 * @property {import('./client.js').ReviewClient} client
 * @property {(id: string) => import('../../../studio/static/pictures.js').Loaded | undefined} pictureOf
 * @property {string | null} focused
 * @property {Set<string>} selected
 * @property {(focused: string, selected: Set<string>) => void} onSelect
 * @property {(id: string) => void} onOpen
 */

/** @param {SheetProps} props */
export function ContactSheet({ of, list, client, pictureOf, focused, selected, onSelect, onOpen }) {
  const grid = useRef(/** @type {HTMLDivElement | null} */ (null));
  const anchor = useRef(/** @type {string | null} */ (null));
  const at = Math.max(
    0,
    list.findIndex(({ id }) => id === focused),
  );

  // The focus stays on the sheet when a decision takes the tile in focus away.
  useEffect(() => {
    const active = document.activeElement;
    if (active === document.body || grid.current?.contains(active)) tileAt(at)?.focus();
  }, [focused, list[0]?.id, list.length]);

  /** @param {number} index @returns {HTMLElement | undefined} */
  const tileAt = (index) => /** @type {HTMLElement | undefined} */ (grid.current?.children[index]);
  const columns = () => {
    const tiles = [...(grid.current?.children ?? [])].map((tile) => /** @type {HTMLElement} */ (tile).offsetTop);
    return Math.max(1, tiles.filter((top) => top === tiles[0]).length);
  };
  /** @param {string} id the other end is where the selection began, where that is still on the page */
  const upTo = (id) => {
    const places = [anchor.current, id].map((end) => list.findIndex((item) => item.id === end));
    const [from, to] = places.filter((place) => place >= 0).sort((a, b) => a - b);
    return new Set([...selected, ...list.slice(from, (to ?? from ?? 0) + 1).map((item) => item.id)]);
  };
  /** @param {string} id */
  const toggled = (id) => {
    anchor.current = id;
    const next = new Set(selected);
    if (!next.delete(id)) next.add(id);
    return next;
  };
  const onKey = (/** @type {KeyboardEvent} */ event) => {
    const current = list[at];
    if (!current) return;
    const moves = {
      ArrowLeft: -1,
      ArrowRight: 1,
      ArrowUp: -columns(),
      ArrowDown: columns(),
      Home: -at,
      End: list.length - 1 - at,
    };
    const by = moves[/** @type {keyof typeof moves} */ (event.key)];
    if (by !== undefined && !event.ctrlKey && !event.metaKey && !event.altKey) {
      const next = list[Math.min(list.length - 1, Math.max(0, at + by))];
      if (next) {
        if (!event.shiftKey) anchor.current = null;
        else anchor.current ??= current.id;
        onSelect(next.id, event.shiftKey ? upTo(next.id) : selected);
      }
    } else if (event.key === ' ') onSelect(current.id, toggled(current.id));
    else if (event.key === 'Enter') onOpen(current.id);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };

  return html`<div class="contact-sheet" ref=${grid} role="listbox" aria-multiselectable="true" aria-label=${`Pictures made: ${of.to}`} onKeyDown=${onKey}>
    ${list.map((candidate, index) => {
      const { id, subject, discriminator, drop } = candidate;
      const decision = client.decisions.get(id);
      const state = client.stateOf(candidate);
      const words = `from ${subject}, score ${discriminator.toFixed(2)}`;
      return html`<div
        key=${id}
        class=${`tile ${state}`}
        role="option"
        aria-selected=${selected.has(id)}
        aria-label=${`${words}${state === 'open' ? '' : `, ${state}`}`}
        tabindex=${index === at ? 0 : -1}
        onFocus=${() => id !== focused && onSelect(id, selected)}
        onClick=${(/** @type {MouseEvent} */ event) => onSelect(id, event.shiftKey ? upTo(id) : toggled(id))}
        onDblClick=${() => onOpen(id)}
      >
        <span class="two">${shown(pictureOf(`${id}/source`), 'source')}${shown(pictureOf(`${id}/made`), 'made')}</span>
        <span class="below"><span class="subject">${subject}</span><span>${discriminator.toFixed(2)}</span></span>
        ${state === 'open' ? '' : html`<span class="below">${verdict(decision, drop)}</span>`}
      </div>`;
    })}
  </div>`;
}
