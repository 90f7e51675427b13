/**
 * The shell of the studio in the browser: the head line, the theme, the visitor's token, requests, and words for screen
 * readers. A page is a module whose default export is a preact component; it imports what it needs from here.
 */
import htm from 'htm';
import { h, render } from 'preact';
import { useEffect, useState } from 'preact/hooks';

/** @type {(strings: TemplateStringsArray, ...values: any[]) => any} */
export const html = /** @type {any} */ (htm).bind(h);

/** An answer of the server that is not a success. */
export class ApiError extends Error {
  /** @param {number} status @param {string} message */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/**
 * Sends a request in the visitor's name. Throws ApiError when the server refuses it, TypeError when it is not reached.
 * @param {string} path
 * @param {{ body?: unknown, token?: string | null }} [options] with a body it is a POST
 * @returns {Promise<Response>}
 */
export async function request(path, { body, token = null } = {}) {
  const response = await fetch(path, {
    method: body === undefined ? 'GET' : 'POST',
    cache: 'no-store',
    headers: {
      ...(token ? { Authorization: `Bearer ${token}` } : {}),
      ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (response.ok) return response;
  const answer = await response.json().catch(() => ({}));
  throw new ApiError(response.status, answer.error ?? `The server answered ${response.status}.`);
}

/**
 * The visitor's token for a page. A link brings it behind `#token=`; it is taken out of the address bar and kept, so that
 * a new tab on the same device works too. A token without a link lives as long as its tab.
 * @param {string} page
 */
export function visitorToken(page) {
  const key = `kindergrad.token.${page}`;
  const fromLink = new URLSearchParams(location.hash.slice(1)).get('token');
  if (fromLink) {
    sessionStorage.setItem(key, fromLink);
    localStorage.setItem(key, fromLink);
    history.replaceState(null, '', location.pathname);
  }
  return {
    get: () => sessionStorage.getItem(key) ?? localStorage.getItem(key),
    /** @param {string} token */
    keep: (token) => sessionStorage.setItem(key, token),
    forget: () => {
      sessionStorage.removeItem(key);
      localStorage.removeItem(key);
    },
  };
}

/** Says something to people who do not see the page. @param {string} text */
export function announce(text) {
  const region = document.getElementById('announcer');
  // The same words twice in a row are read only when the region was empty in between.
  if (region) region.textContent = region.textContent === text ? `${text}\u00a0` : text;
}

const themes = ['auto', 'light', 'dark'];

/** @param {string} theme */
function applyTheme(theme) {
  if (theme === 'auto') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

function ThemeButton() {
  const [theme, setTheme] = useState(() => localStorage.getItem('kindergrad.theme') ?? 'auto');
  useEffect(() => {
    applyTheme(theme);
    localStorage.setItem('kindergrad.theme', theme);
  }, [theme]);
  const next = themes[(themes.indexOf(theme) + 1) % themes.length] ?? 'auto';
  const name = { auto: 'as the system', light: 'light', dark: 'dark' }[theme] ?? theme;
  return html`<button class="quiet" onClick=${() => setTheme(next)} aria-label=${`Colours: ${name}. Change.`} title=${`Colours: ${name}`}>
    <svg viewBox="0 0 20 20" width="20" height="20" aria-hidden="true">
      <circle cx="10" cy="10" r="7" fill="none" stroke="currentColor" stroke-width="1.6" />
      ${theme !== 'light' && html`<path d="M10 3a7 7 0 0 1 0 14z" fill="currentColor" />`}
      ${theme === 'dark' && html`<path d="M10 3a7 7 0 0 0 0 14z" fill="currentColor" />`}
    </svg>
  </button>`;
}

/** @param {{ pages: { id: string, title: string, module: string, hidden: boolean }[], current: string, page: import('preact').ComponentType }} props */
function Shell({ pages, current, page: Page }) {
  const listed = pages.filter(({ id, hidden }) => !hidden || id === current || visitorToken(id).get());
  return html`
    <a class="skip-link" href="#main">Skip to the page</a>
    <header class="head">
      <span class="wordmark"><img src="/studio/static/icon.svg" alt="" width="22" height="22" />kindergrad</span>
      ${listed.length > 1 && html`<nav aria-label="Pages">${listed.map(({ id, title }) => html`<a key=${id} href=${`/${id}`} aria-current=${id === current ? 'page' : undefined}>${title}</a>`)}</nav>`}
      <span class="spacer"></span>
      <${ThemeButton} />
    </header>
    <main id="main" tabindex="-1"><${Page} /></main>
    <div id="announcer" class="visually-hidden" role="status" aria-live="polite"></div>
  `;
}

async function start() {
  applyTheme(localStorage.getItem('kindergrad.theme') ?? 'auto');
  const pages = JSON.parse(document.body.dataset.pages ?? '[]');
  const current = location.pathname.slice(1);
  const entry = pages.find((/** @type {{ id: string }} */ { id }) => id === current);
  if (!entry) return;
  document.title = `${entry.title} – kindergrad`;
  const { default: page } = await import(entry.module);
  render(h(Shell, { pages, current, page }), document.body);
}

if (typeof document !== 'undefined') start();
