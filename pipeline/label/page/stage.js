/** The picture in view, and its zoom. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { html } from '../../studio/static/studio.js';

const steps = [1, 1.5, 2, 3, 4];

/** The zoom of the picture `id`: 1 fits it to the stage; a new picture starts there. @param {string | undefined} id */
export function useZoom(id) {
  const [state, setState] = useState({ id, zoom: 1 });
  const zoom = state.id === id ? state.zoom : 1;
  /** @param {number} by */
  const step = (by) => {
    const at = steps.indexOf(zoom) + by;
    setState({ id, zoom: steps[Math.min(steps.length - 1, Math.max(0, at))] ?? 1 });
  };
  return { zoom, zoomIn: () => step(1), zoomOut: () => step(-1), fit: () => setState({ id, zoom: 1 }) };
}

/**
 * @param {{ loaded: import('../../studio/static/pictures.js').Loaded | undefined, alt: string, zoom: number, onDoubleClick: () => void }} props
 */
export function Stage({ loaded, alt, zoom, onDoubleClick }) {
  const box = useRef(/** @type {HTMLDivElement | null} */ (null));
  const image = useRef(/** @type {HTMLImageElement | null} */ (null));
  useEffect(() => {
    const { current } = box;
    if (!current) return;
    // The middle of the picture stays in the middle; set here because the page's policy allows no style attributes.
    if (image.current) {
      image.current.style.width = `${zoom * 100}%`;
      image.current.style.height = `${zoom * 100}%`;
    }
    current.scrollLeft = (current.scrollWidth - current.clientWidth) / 2;
    current.scrollTop = (current.scrollHeight - current.clientHeight) / 2;
  }, [zoom, loaded]);
  const content = loaded?.url
    ? html`<img ref=${image} src=${loaded.url} alt=${alt} draggable=${false} onDblClick=${onDoubleClick} />`
    : html`<p class="stage-note">${loaded ? `${loaded.problem} Choose “error”, or put it off.` : 'Loading the picture …'}</p>`;
  return html`<div class="stage" ref=${box} tabindex=${zoom > 1 ? 0 : undefined} role=${zoom > 1 ? 'region' : undefined} aria-label=${zoom > 1 ? 'Picture, enlarged; scroll with Shift and the arrow keys' : undefined}>${content}</div>`;
}
