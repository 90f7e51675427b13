/** The labelling page. */
import { useEffect, useReducer, useRef, useState } from 'preact/hooks';
import { KeyHelp, lettersOn } from '../../studio/static/key-help.js';
import { PictureCache } from '../../studio/static/pictures.js';
import { announce, html, request, visitorToken } from '../../studio/static/studio.js';
import { labelKeys, meaning } from './keys.js';
import { SheetClient } from './sheet.js';
import { SignIn } from './sign-in.js';
import { Stage, useZoom } from './stage.js';

const session = visitorToken('label');

export default function LabelPage() {
  const [sheet, setSheet] = useState(/** @type {import('./sheet.js').SheetAnswer | null} */ (null));
  const [token, setToken] = useState(session.get());
  const [problem, setProblem] = useState(/** @type {string | null} */ (null));
  useEffect(() => {
    if (!token) return;
    // Whose the token is, and how far they are, the server tells.
    const ask = () =>
      request('/api/label/sheet', { token })
        .then((response) => response.json())
        .then(setSheet)
        .catch((error) => {
          if (error instanceof TypeError) {
            setProblem('The server is not reached. Trying again …');
            setTimeout(ask, 1000);
          } else signOut(error.message);
        });
    ask();
  }, [token]);

  /** @param {string | null} reason */
  const signOut = (reason) => {
    session.forget();
    setToken(null);
    setSheet(null);
    setProblem(reason);
  };
  if (!token) {
    return html`<${SignIn}
      problem=${problem}
      onSignedIn=${(/** @type {string} */ newToken) => {
        session.keep(newToken);
        setProblem(null);
        setToken(newToken);
      }}
    />`;
  }
  if (!sheet)
    return html`<div class="page narrow" aria-busy="true">${problem && html`<p role="alert" class="notice warning">${problem}</p>`}</div>`;
  return html`<${Labelling} key=${token} sheet=${sheet} token=${token} signOut=${signOut} />`;
}

/** @param {{ sheet: import('./sheet.js').SheetAnswer, token: string, signOut: (reason: string | null) => void }} props */
function Labelling({ sheet: first, token, signOut }) {
  const [, redraw] = useReducer((/** @type {number} */ n) => n + 1, 0);
  const sheet = useRef(/** @type {SheetClient | null} */ (null));
  const pictures = useRef(/** @type {PictureCache | null} */ (null));
  useEffect(() => {
    const client = new SheetClient(
      first.rater,
      token,
      () => redraw(0),
      () => signOut('Your link or sign-in is no longer valid.'),
    );
    const cache = new PictureCache(
      token,
      (id) => `/api/label/picture/${id}`,
      () => redraw(0),
    );
    sheet.current = client;
    pictures.current = cache;
    client.start(first);
    return () => {
      client.close();
      cache.close();
    };
  }, []);
  const client = sheet.current;
  if (!client?.view || !pictures.current) {
    return html`<div class="labelling" aria-busy="true">${client?.waiting && html`<p role="alert" class="notice warning">${client.waiting} Trying again …</p>`}</div>`;
  }
  pictures.current.keep(client.wanted);
  return html`<${Desk} client=${client} view=${client.view} loaded=${client.current ? pictures.current.get(client.current.id) : undefined} signOut=${() => signOut(null)} />`;
}

/**
 * @typedef {object} DeskProps
 * @property {SheetClient} client
 * @property {import('./sheet.js').View} view
 * @property {import('../../studio/static/pictures.js').Loaded | undefined} loaded
 * @property {() => void} signOut
 */

/** @param {DeskProps} props */
function Desk({ client, view, loaded, signOut }) {
  const slot = client.current;
  const { zoom, zoomIn, zoomOut, fit } = useZoom(slot?.id);
  const [letters, setLetters] = useState(lettersOn);
  const { done, total } = view.rounds[view.round];
  const place = client.at === null ? Math.min(done + 1, total) : done - (client.trail.length - 1 - client.at);

  /** @type {Record<string, () => void>} */
  const commands = {
    undo: () => client.undo(),
    skip: () => client.skip(),
    back: () => client.back(),
    forward: () => client.forward(),
    'zoom-in': zoomIn,
    'zoom-out': zoomOut,
    'zoom-fit': fit,
  };
  useEffect(() => {
    const onKey = (/** @type {KeyboardEvent} */ event) => {
      const found = event.shiftKey && event.key.startsWith('Arrow') ? null : meaning(event, view.labels, lettersOn());
      if (!found) return;
      event.preventDefault();
      if (found.label !== undefined) client.choose(found.label);
      else commands[found.command ?? '']?.();
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  });
  useEffect(() => {
    const words = slot
      ? `Picture ${place} of ${total}${slot.answer ? `, answered ${slot.answer.label}` : ''}.`
      : 'All pictures are answered.';
    announce(`${client.notice?.text ?? ''} ${words}`.trim());
  }, [slot?.id, client.notice]);

  return html`<div class=${`labelling${slot ? '' : ' finished'}`}>
    <${Progress} client=${client} view=${view} signOut=${signOut} />
    <${Messages} client=${client} slot=${slot} />
    ${
      slot
        ? html`<${Stage} loaded=${loaded} alt=${`Picture ${place} of ${total}`} zoom=${zoom} onDoubleClick=${zoom > 1 ? fit : () => [1, 2].map(zoomIn)} />
            <${Answers} client=${client} view=${view} slot=${slot} letters=${letters} />`
        : html`<${Finished} client=${client} view=${view} />`
    }
    <${Tools} client=${client} view=${view} commands=${commands} zoom=${zoom} slot=${slot} />
    <${KeyHelp} rows=${keyRows(view.labels, letters)} letters=${letters} onLetters=${setLetters} />
  </div>`;
}

/** @param {string[]} labels @param {boolean} letters @returns {[string[], string][]} */
const keyRows = (labels, letters) => [
  ...labelKeys(labels).map(
    ({ label, digit, letter }) =>
      /** @type {[string[], string]} */ ([letters && letter ? [digit, letter.toUpperCase()] : [digit], label]),
  ),
  [['Z'], 'undo the last answer'],
  [['K'], 'skip: the picture comes back at the end'],
  [['←'], 'back to an answered picture'],
  [['→'], 'forward again'],
  [['+ −'], 'zoom'],
  [['0'], 'fit the picture'],
];

/** @param {{ client: SheetClient, view: import('./sheet.js').View, signOut: () => void }} props */
function Progress({ client, view, signOut }) {
  const { done, total } = view.rounds[view.round];
  const { pace } = client;
  const minutes = pace ? Math.ceil((total - done) / pace) : 0;
  const left = minutes > 90 ? `${(minutes / 60).toFixed(1)} hours` : `${minutes} min`;
  const second = view.rounds[2];
  return html`<section class="progress" aria-label="Progress">
    <progress max=${Math.max(1, total)} value=${done} aria-label=${`${done} of ${total} answered`}></progress>
    <p>
      <b class="count">${done}</b> of ${total}
      ${pace && total > done ? html`<span class="pace"> · ${Math.round(pace)} a minute, about ${left} left</span>` : ''}
    </p>
    ${
      second.total > 0 &&
      html`<div class="rounds" role="group" aria-label="Round">
        ${[1, 2].map((round) => {
          const r = view.rounds[/** @type {1 | 2} */ (round)];
          return html`<button key=${round} class="quiet" aria-pressed=${view.round === round} onClick=${() => client.load(/** @type {1 | 2} */ (round))}>${round === 1 ? 'First round' : 'Second round'} ${r.done}/${r.total}</button>`;
        })}
      </div>`
    }
    <button class="quiet rater" onClick=${signOut} aria-label=${`${view.rater}: change the rater`} title="Change the rater">${view.rater}</button>
  </section>`;
}

/** @param {{ client: SheetClient, slot: import('./sheet.js').SlotView | null }} props */
function Messages({ client, slot }) {
  if (client.waiting) {
    const what = client.saving ? 'Not saved yet: ' : '';
    return html`<p class="notice warning" role="alert">${what}${client.waiting} Trying again …</p>`;
  }
  if (client.notice?.kind === 'warning') return html`<p class="notice warning" role="alert">${client.notice.text}</p>`;
  if (client.at !== null && slot?.answer) {
    return html`<p class="notice">You answered <b>${slot.answer.label}</b>. Choose again to change it; <kbd>→</kbd> goes on.</p>`;
  }
  return html`<p class="notice quiet-notice">${client.notice?.text ?? ''}\u00a0</p>`;
}

/** @param {{ client: SheetClient, view: import('./sheet.js').View, slot: import('./sheet.js').SlotView, letters: boolean }} props */
function Answers({ client, view, slot, letters }) {
  return html`<div class="answers" role="group" aria-label="What does the face show?">
    ${labelKeys(view.labels).map(
      ({ label, digit, letter }) => html`<button
        key=${label}
        class=${client.saving === label ? 'saving' : ''}
        aria-pressed=${slot.answer ? slot.answer.label === label : undefined}
        aria-keyshortcuts=${letters && letter ? `${digit} ${letter.toUpperCase()}` : digit}
        aria-disabled=${client.saving ? 'true' : undefined}
        onClick=${() => client.choose(label)}
      >
        <span>${label}</span>
        <span class="caps" aria-hidden="true"><kbd>${digit}</kbd>${letters && letter && html`<kbd>${letter.toUpperCase()}</kbd>`}</span>
      </button>`,
    )}
  </div>`;
}

/** @param {{ client: SheetClient, view: import('./sheet.js').View, commands: Record<string, () => void>, zoom: number, slot: unknown }} props */
function Tools({ client, view, commands, zoom, slot }) {
  /** @param {string} command @param {string} text @param {string} key @param {boolean} off */
  const tool = (command, text, key, off) =>
    html`<button class="quiet" disabled=${off} onClick=${() => commands[command]?.()}>${text}<kbd aria-hidden="true">${key}</kbd></button>`;
  /** @param {string} command @param {string} name @param {string} sign @param {boolean} off */
  const sign = (command, name, sign, off) =>
    html`<button class="quiet sign" disabled=${off} aria-label=${name} title=${name} onClick=${() => commands[command]?.()}>${sign}</button>`;
  return html`<div class="tools" role="toolbar" aria-label="Tools">
    ${tool('back', 'Back', '←', client.trail.length === 0 || client.at === 0)}
    ${tool('forward', 'Forward', '→', client.at === null)}
    ${tool('undo', 'Undo', 'Z', !view.last)}
    ${slot && tool('skip', 'Skip', 'K', client.at !== null)}
    ${slot && sign('zoom-out', 'Zoom out', '−', zoom <= 1)}
    ${slot && sign('zoom-in', 'Zoom in', '+', zoom >= 4)}
  </div>`;
}

/** @param {{ client: SheetClient, view: import('./sheet.js').View }} props */
function Finished({ client, view }) {
  const { total } = view.rounds[view.round];
  const other = view.round === 1 ? 2 : 1;
  const left = view.rounds[other].total - view.rounds[other].done;
  const title = useRef(/** @type {HTMLHeadingElement | null} */ (null));
  useEffect(() => title.current?.focus(), []);
  return html`<div class="done">
    <h1 ref=${title} tabindex="-1">${view.round === 1 ? `All ${total} pictures are labelled.` : `All ${total} pictures of the second round are labelled.`}</h1>
    ${
      left > 0
        ? html`<p>${
            view.round === 1
              ? `On ${left} ${left === 1 ? 'picture' : 'pictures'} the raters were tied. Please look at ${left === 1 ? 'it' : 'them'} a second time.`
              : `${left} ${left === 1 ? 'picture waits' : 'pictures wait'} in the first round.`
          }</p>
          <button class="primary" onClick=${() => client.load(other)}>${view.round === 1 ? 'Start the second round' : 'Go to the first round'}</button>`
        : html`<p>Thank you. Everything is saved; you can close this page.</p>`
    }
  </div>`;
}
