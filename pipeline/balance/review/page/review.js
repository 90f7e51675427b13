/** The review page: candidates beside their sources, one by one or many at once, kept or discarded. */
import { useEffect, useLayoutEffect, useReducer, useRef, useState } from 'preact/hooks';
import { KeyHelp, lettersOn } from '../../../studio/static/key-help.js';
import { PictureCache } from '../../../studio/static/pictures.js';
import { announce, html, request, visitorToken } from '../../../studio/static/studio.js';
import { ReviewClient } from './client.js';
import { ContactSheet, pageSize } from './contact-sheet.js';
import { FinishDialog, Finished, pictures } from './finish.js';
import { keyRows, meaning, reasons, sheetRows } from './keys.js';
import { Single } from './single.js';

const session = visitorToken('review');

export default function ReviewPage() {
  const [sheet, setSheet] = useState(/** @type {import('./client.js').Sheet | null} */ (null));
  const [problem, setProblem] = useState(/** @type {string | null} */ (null));
  const token = session.get();
  useEffect(() => {
    if (!token) return;
    const ask = () =>
      request('/api/review/sheet', { token })
        .then((response) => response.json())
        .then(setSheet)
        .catch((error) => {
          setProblem(error instanceof TypeError ? 'The server is not reached. Trying again …' : error.message);
          if (error instanceof TypeError) setTimeout(ask, 1000);
        });
    ask();
  }, []);
  if (sheet && token) return html`<${Review} sheet=${sheet} token=${token} />`;
  return html`<div class="page narrow" aria-busy=${!problem}>
    ${(!token || problem) && html`<h1>Review</h1><p>Open the link that <code>kindergrad balance --review</code> printed.</p>`}
    ${problem && html`<p role="alert" class="notice warning">${problem}</p>`}
  </div>`;
}

/** @param {{ sheet: import('./client.js').Sheet, token: string }} props */
function Review({ sheet, token }) {
  const [, redraw] = useReducer((/** @type {number} */ n) => n + 1, 0);
  const held = useRef(/** @type {{ client: ReviewClient, cache: PictureCache } | null} */ (null));
  useEffect(() => {
    const client = new ReviewClient(token, sheet, () => redraw(0));
    const cache = new PictureCache(
      token,
      (id) => `/api/review/picture/${id}`,
      () => redraw(0),
    );
    held.current = { client, cache };
    client.start();
    redraw(0);
    return () => {
      client.close();
      cache.close();
    };
  }, []);
  if (!held.current) return '';
  const { client, cache } = held.current;
  return client.finished
    ? html`<${Finished} lines=${client.finished} />`
    : html`<${Desk} client=${client} cache=${cache} />`;
}

/** @typedef {import('./client.js').State | 'all'} Filter */
/** @type {[Filter, string][]} */
const filters = [
  ['open', 'To decide'],
  ['kept', 'Kept'],
  ['discarded', 'Discarded'],
  ['dropped', 'Left out by the checks'],
  ['all', 'All'],
];
/** @type {Record<string, [string, (a: import('./client.js').Candidate, b: import('./client.js').Candidate) => number]>} */
const orders = {
  discriminator: ['discriminator score', (a, b) => b.discriminator - a.discriminator],
  target: ['classifier', (a, b) => (b.target ?? 0) - (a.target ?? 0)],
  similarity: ['least like their source', (a, b) => a.similarity - b.similarity],
};

/** @param {{ client: ReviewClient, cache: PictureCache }} props */
function Desk({ client, cache }) {
  const [index, setIndex] = useState(0);
  const [filter, setFilter] = useState(/** @type {Filter} */ ('open'));
  const [order, setOrder] = useState('discriminator');
  const [many, setMany] = useState(() => localStorage.getItem('kindergrad.review.mode') === 'sheet');
  const [at, setAt] = useState(/** @type {string | null} */ (null));
  const [selected, setSelected] = useState(/** @type {Set<string>} */ (new Set()));
  const [comparing, setComparing] = useState(false);
  const [asking, setAsking] = useState(/** @type {string[] | null} */ (null));
  const [finishing, setFinishing] = useState(false);
  const [letters, setLetters] = useState(lettersOn);

  const of = /** @type {import('./client.js').Class} */ (client.classes[index]);
  const sorted = [...of.candidates].sort(orders[order]?.[1]);
  const list = sorted.filter((candidate) => filter === 'all' || client.stateOf(candidate) === filter);
  const found = list.findIndex(({ id }) => id === at);
  const here = Math.max(0, found);
  const candidate = list[here];
  const page = Math.floor(here / pageSize);
  const onPage = list.slice(page * pageSize, (page + 1) * pageSize);
  const chosen = many && selected.size > 0 ? list.filter(({ id }) => selected.has(id)).map(({ id }) => id) : [];
  const targets = chosen.length > 0 ? chosen : candidate ? [candidate.id] : [];

  const near = many ? onPage : [0, 1, 2, 3, -1].flatMap((by) => list[here + by] ?? []);
  cache.keep(near.flatMap(({ id }) => [`${id}/made`, `${id}/source`]));

  /** @param {number} by */
  const move = (by) => {
    const next = list[(here + by + list.length) % Math.max(1, list.length)];
    if (next) setAt(next.id);
    setComparing(false);
  };
  /** @param {number} by */
  const turn = (by) => {
    const next = list[(page + by) * pageSize];
    if (!next) return;
    setAt(next.id);
    setSelected(new Set());
  };
  /** @param {string[]} ids @param {import('./client.js').Decision | null} decision */
  const decide = async (ids, decision) => {
    const gone = new Set(ids);
    const next = list.slice(here).find(({ id }) => !gone.has(id)) ?? list.findLast(({ id }) => !gone.has(id));
    if (!(await client.decide(ids, decision))) return;
    setSelected(new Set());
    setComparing(false);
    setAt((many && filter === 'all' ? ids.at(-1) : next?.id) ?? null);
  };
  const undo = async () => {
    const ids = await client.undo();
    const back = client.classes.findIndex(({ candidates }) => candidates.some(({ id }) => id === ids[0]));
    if (back < 0) return;
    setIndex(back);
    setAt(ids[0] ?? null);
    setSelected(new Set(ids.length > 1 ? ids : []));
  };
  const setMode = (/** @type {boolean} */ sheet) => {
    localStorage.setItem('kindergrad.review.mode', sheet ? 'sheet' : 'single');
    setMany(sheet);
    setSelected(new Set());
  };
  const show = (/** @type {Filter} */ wanted) => {
    setFilter(wanted);
    setSelected(new Set());
    setAt(null);
  };
  /** @type {Record<string, () => void>} */
  const commands = {
    keep: () => decide(targets, { keep: true }),
    other: () => targets.length > 0 && setAsking(targets),
    'put-back': () => decide(targets, null),
    undo,
    previous: () => move(-1),
    next: () => move(1),
    mode: () => setMode(!many),
    filter: () => show(filters[(filters.findIndex(([name]) => name === filter) + 1) % filters.length]?.[0] ?? 'open'),
    compare: () => !many && setComparing(true),
    clear: () => setSelected(new Set()),
  };
  // Before the next key comes, so that it is about what is shown then.
  useLayoutEffect(() => {
    const onKey = (/** @type {KeyboardEvent} */ event) => {
      if (finishing || asking) return;
      if (many && /^Page(Up|Down)$/.test(event.key)) {
        event.preventDefault();
        return turn(event.key === 'PageDown' ? 1 : -1);
      }
      if (many && (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'a') {
        event.preventDefault();
        return setSelected(new Set(onPage.map(({ id }) => id)));
      }
      const found = meaning(event, lettersOn());
      if (!found || event.shiftKey) return;
      event.preventDefault();
      if (found.reason !== undefined) decide(targets, { keep: false, reason: found.reason });
      else commands[found.command ?? '']?.();
    };
    const onKeyUp = (/** @type {KeyboardEvent} */ event) => event.key.toLowerCase() === 'x' && setComparing(false);
    addEventListener('keydown', onKey);
    addEventListener('keyup', onKeyUp);
    return () => {
      removeEventListener('keydown', onKey);
      removeEventListener('keyup', onKeyUp);
    };
  });
  useEffect(() => {
    const where = candidate
      ? `Picture ${here + 1} of ${list.length}, from ${candidate.subject}, score ${candidate.discriminator.toFixed(2)}.`
      : 'Nothing left in this list.';
    announce(`${client.notice?.text ?? ''} ${where}`.trim());
  }, [candidate?.id, client.notice]);

  /** @param {string} id */
  const pictureOf = (id) => cache.get(id);
  const rank = candidate ? of.candidates.indexOf(candidate) + 1 : 0;
  return html`<div class="reviewing">
    <${Head} client=${client} of=${of} index=${index} onClass=${(/** @type {number} */ i) => {
      setIndex(i);
      show('open');
    }} onFinish=${() => setFinishing(true)} />
    <${Choice} client=${client} of=${of} filter=${filter} onFilter=${show} order=${order} onOrder=${setOrder} many=${many} onMode=${setMode} />
    <${Messages} client=${client} />
    ${
      !candidate
        ? html`<${NothingHere} client=${client} of=${of} filter=${filter} onFilter=${show} onFinish=${() => setFinishing(true)} />`
        : many
          ? html`<${ContactSheet} of=${of} list=${onPage} client=${client} pictureOf=${pictureOf} focused=${candidate.id} selected=${selected}
              onSelect=${(/** @type {string} */ id, /** @type {Set<string>} */ ids) => {
                setAt(id);
                setSelected(ids);
              }}
              onOpen=${(/** @type {string} */ id) => {
                setAt(id);
                setMode(false);
              }} />`
          : html`<${Single} of=${of} candidate=${candidate} place=${here + 1} total=${list.length} rank=${rank} decision=${client.decisions.get(candidate.id)} pictureOf=${pictureOf} comparing=${comparing} onCompare=${setComparing} />`
    }
    ${candidate && html`<${Actions} targets=${targets} chosen=${chosen.length} many=${many} client=${client} letters=${letters} onDecide=${decide} commands=${commands} />`}
    ${
      many && list.length > pageSize
        ? html`<nav class="tools" aria-label="Pages of the contact sheet">
            <button class="quiet" disabled=${page === 0} onClick=${() => turn(-1)}>Previous page</button>
            <span>page ${page + 1} of ${Math.ceil(list.length / pageSize)}</span>
            <button class="quiet" disabled=${(page + 1) * pageSize >= list.length} onClick=${() => turn(1)}>Next page</button>
          </nav>`
        : ''
    }
    <${KeyHelp} rows=${many ? [...keyRows.filter(([[key]]) => key !== 'X' && key !== '←'), ...sheetRows] : keyRows} letters=${letters} onLetters=${setLetters} />
    ${
      asking &&
      html`<${OtherReason} count=${asking.length} onDone=${(/** @type {string | null} */ reason) => {
        setAsking(null);
        if (reason) decide(asking, { keep: false, reason });
      }} />`
    }
    ${finishing && html`<${FinishDialog} client=${client} onClose=${() => setFinishing(false)} />`}
  </div>`;
}

/** @param {{ client: ReviewClient, of: import('./client.js').Class, index: number, onClass: (index: number) => void, onFinish: () => void }} props */
function Head({ client, of, index, onClass, onFinish }) {
  const { open, kept, discarded } = client.counts(of);
  return html`<section class="progress" aria-label="Progress">
    <progress max=${of.wanted} value=${Math.min(kept, of.wanted)} aria-label=${`${kept} of ${of.wanted} wanted are kept`}></progress>
    ${
      client.classes.length > 1
        ? html`<div class="classes" role="group" aria-label="Class">${client.classes.map((each, i) => html`<button key=${each.to} class="quiet" aria-pressed=${i === index} onClick=${() => onClass(i)}>${each.from} → ${each.to} <small>${client.counts(each).kept}/${each.wanted}</small></button>`)}</div>`
        : html`<h1 class="class">${of.from} → ${of.to}</h1>`
    }
    <p><b class="count">${kept}</b> of ${of.wanted} wanted kept · ${discarded} discarded · ${open} to decide</p>
    <button class=${open === 0 || kept >= of.wanted ? 'primary' : ''} onClick=${onFinish}>Finish …</button>
  </section>`;
}

/** @param {{ client: ReviewClient, of: import('./client.js').Class, filter: Filter, onFilter: (filter: Filter) => void, order: string, onOrder: (order: string) => void, many: boolean, onMode: (many: boolean) => void }} props */
function Choice({ client, of, filter, onFilter, order, onOrder, many, onMode }) {
  const counts = { ...client.counts(of), all: of.candidates.length };
  const judged = of.candidates.some(({ target }) => target !== undefined);
  /** @param {any} event */
  const choose = ({ target }) => {
    onOrder(target.value);
    // Chosen with the mouse, the list gives the keys back to the pictures.
    if (!target.matches(':focus-visible')) target.blur();
  };
  return html`<div class="choice">
    <div class="filters" role="group" aria-label="Which pictures are shown">
      ${filters.map(([name, title]) => (name === 'dropped' && counts.dropped === 0 ? '' : html`<button key=${name} class="quiet" aria-pressed=${name === filter} onClick=${() => onFilter(name)}>${title} <small>${counts[name]}</small></button>`))}
    </div>
    <label class="order"><span>Sorted by </span><select aria-label="Sorted by" value=${order} onChange=${choose}>${Object.entries(orders).map(([name, [title]]) => (name === 'target' && !judged ? '' : html`<option key=${name} value=${name}>${title}</option>`))}</select></label>
    <button class="mode" aria-pressed=${many} onClick=${() => onMode(!many)}>Contact sheet <kbd aria-hidden="true">C</kbd></button>
  </div>`;
}

/** @param {{ client: ReviewClient }} props */
function Messages({ client }) {
  if (client.waiting) {
    return html`<p class="notice warning" role="alert">${client.saving ? 'Not saved yet: ' : ''}${client.waiting} Trying again …</p>`;
  }
  if (client.notice?.kind === 'warning') return html`<p class="notice warning" role="alert">${client.notice.text}</p>`;
  return html`<p class="notice quiet-notice">${client.notice?.text ?? ''}\u00a0</p>`;
}

/**
 * @typedef {object} ActionsProps
 * @property {string[]} targets
 * @property {number} chosen
 * @property {boolean} many
 * @property {ReviewClient} client
 * @property {boolean} letters
 * @property {(ids: string[], decision: import('./client.js').Decision | null) => void} onDecide
 * @property {Record<string, () => void>} commands
 */

/** @param {ActionsProps} props */
function Actions({ targets, chosen, many, client, letters, onDecide, commands }) {
  /** @param {string} key */
  const cap = (key) => (letters || /\d/.test(key)) && html`<kbd aria-hidden="true">${key}</kbd>`;
  const decided = targets.some((id) => client.decisions.has(id));
  return html`<div class="decide">
    ${many && html`<p class="chosen">${chosen > 0 ? `${pictures(chosen)} selected` : 'Nothing selected: this is about the one in focus'}</p>`}
    <div class="answers" role="group" aria-label="Keep or discard" aria-busy=${client.saving}>
      <button class="keep" onClick=${commands.keep}>Keep${chosen > 1 ? ` ${chosen}` : ''} ${cap('K')}</button>
      ${reasons.map((reason, i) => html`<button key=${reason} class="discard" onClick=${() => onDecide(targets, { keep: false, reason })}>${reason} ${cap(String(i + 1))}</button>`)}
      <button class="discard" onClick=${commands.other}>other … ${cap(String(reasons.length + 1))}</button>
    </div>
    <div class="tools" role="toolbar" aria-label="Tools">
      ${!many && html`<button class="quiet" onClick=${commands.previous}>Previous<kbd aria-hidden="true">←</kbd></button><button class="quiet" onClick=${commands.next}>Next<kbd aria-hidden="true">→</kbd></button>`}
      <button class="quiet" disabled=${client.last === null} onClick=${commands.undo}>Undo${letters && html`<kbd aria-hidden="true">Z</kbd>`}</button>
      <button class="quiet" disabled=${!decided} onClick=${commands['put-back']}>Put back${letters && html`<kbd aria-hidden="true">R</kbd>`}</button>
    </div>
  </div>`;
}

/** @param {{ client: ReviewClient, of: import('./client.js').Class, filter: Filter, onFilter: (filter: Filter) => void, onFinish: () => void }} props */
function NothingHere({ client, of, filter, onFilter, onFinish }) {
  const { open, kept, discarded, dropped } = client.counts(of);
  if (filter !== 'open') {
    return html`<div class="nothing"><h2>None here</h2><button onClick=${() => onFilter('open')}>Show those to decide (${open})</button></div>`;
  }
  const lacking = of.wanted - kept;
  return html`<div class="nothing">
    <h2>Every ${of.to} picture is decided on.</h2>
    <p>${lacking > 0 ? `${kept} of ${of.wanted} wanted are kept; ${lacking} lacking.` : `${kept} are kept, ${of.wanted} were wanted.`}</p>
    ${lacking > 0 && discarded + dropped > 0 && html`<p>Look through those left out once more, or finish: ${of.unused > 0 ? `the same command then makes more from ${of.unused} unused ${of.from} ${of.unused === 1 ? 'picture' : 'pictures'}.` : `no ${of.from} picture is left to make more from.`}</p>`}
    <p class="choices">
      ${discarded > 0 && html`<button onClick=${() => onFilter('discarded')}>Discarded (${discarded})</button>`}
      ${dropped > 0 && html`<button onClick=${() => onFilter('dropped')}>Left out by the checks (${dropped})</button>`}
      <button class="primary" onClick=${onFinish}>Finish …</button>
    </p>
  </div>`;
}

/** @param {{ count: number, onDone: (reason: string | null) => void }} props */
function OtherReason({ count, onDone }) {
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const [text, setText] = useState('');
  useEffect(() => dialog.current?.showModal(), []);
  return html`<dialog ref=${dialog} class="other" aria-labelledby="other-title" onClose=${() => onDone(null)}>
    <form onSubmit=${(/** @type {Event} */ event) => {
      event.preventDefault();
      if (text.trim()) onDone(text.trim());
    }}>
      <label id="other-title" for="other-reason">Why ${count === 1 ? 'is this picture' : `are these ${count} pictures`} discarded?</label>
      <input id="other-reason" maxlength="80" required autocomplete="on" name="reason" value=${text} onInput=${(/** @type {any} */ event) => setText(event.target.value)} />
      <p class="choices"><button type="button" onClick=${() => dialog.current?.close()}>Cancel</button><button class="primary">Discard</button></p>
    </form>
  </dialog>`;
}
