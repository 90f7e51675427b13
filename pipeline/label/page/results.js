/** The results, for whoever runs the study: the same report as `kindergrad aggregate` writes, on what is there now. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { html, request, visitorToken } from '../../studio/static/studio.js';

const session = visitorToken('results');

export default function ResultsPage() {
  const [report, setReport] = useState(/** @type {string | null} */ (null));
  const [problem, setProblem] = useState(/** @type {string | null} */ (null));
  const [busy, setBusy] = useState(false);
  const body = useRef(/** @type {HTMLDivElement | null} */ (null));
  const token = session.get();

  const load = async () => {
    setBusy(true);
    try {
      const response = await request('/api/label/results', { token });
      setReport((await response.json()).html);
      setProblem(null);
    } catch (error) {
      setProblem(
        error instanceof TypeError ? 'The server is not reached.' : String(/** @type {Error} */ (error).message),
      );
    }
    setBusy(false);
  };
  useEffect(() => {
    if (token) load();
  }, []);
  useEffect(() => loadPictures(body.current, token), [report]);

  if (!token) {
    return html`<div class="page"><h1>Results</h1><p>Open the link that <code>kindergrad label</code> printed when it started: raters should not see the results while they label.</p></div>`;
  }
  return html`<div class="page results">
    <div class="title"><h1>Results so far</h1><button onClick=${load} disabled=${busy}>${busy ? 'Computing …' : 'Refresh'}</button></div>
    ${problem && html`<p role="alert" class="notice warning">${problem}</p>`}
    <div ref=${body} aria-busy=${busy} dangerouslySetInnerHTML=${{ __html: report ?? '' }}></div>
  </div>`;
}

/** The pictures need the token, so they are fetched, each when it comes near the window. @param {HTMLElement | null} root @param {string | null} token */
function loadPictures(root, token) {
  /** @type {string[]} */
  const urls = [];
  const observer = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting || !(target instanceof HTMLImageElement)) continue;
        observer.unobserve(target);
        request(`/api/label/results/picture/${target.dataset.picture}`, { token })
          .then((response) => response.blob())
          .then((blob) => {
            target.src = URL.createObjectURL(blob);
            urls.push(target.src);
          })
          .catch(() => target.classList.add('missing'));
      }
    },
    { rootMargin: '300px' },
  );
  for (const image of root?.querySelectorAll('img[data-picture]') ?? []) observer.observe(image);
  return () => {
    observer.disconnect();
    for (const url of urls) URL.revokeObjectURL(url);
  };
}
