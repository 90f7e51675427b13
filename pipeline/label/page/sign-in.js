/** Who labels: a name on one's own machine, a personal link elsewhere. */
import { useEffect, useState } from 'preact/hooks';
import { html, request } from '../../studio/static/studio.js';

/** @param {{ onSignedIn: (token: string) => void, problem: string | null }} props */
export function SignIn({ onSignedIn, problem: initial }) {
  const [welcome, setWelcome] = useState(/** @type {{ tokens: boolean, raters?: string[] } | null} */ (null));
  const [name, setName] = useState('');
  const [problem, setProblem] = useState(initial);
  useEffect(() => {
    request('/api/label/welcome')
      .then((response) => response.json())
      .then(setWelcome)
      .catch(() => setProblem('The server is not reached. Start it again, then reload this page.'));
  }, []);

  /** @param {string} chosen */
  const signIn = async (chosen) => {
    try {
      const response = await request('/api/label/sign-in', { body: { name: chosen } });
      const { token } = await response.json();
      onSignedIn(token);
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
    }
  };
  if (!welcome)
    return html`<div class="page narrow" aria-busy=${!problem}>${problem && html`<p role="alert" class="notice warning">${problem}</p>`}</div>`;
  if (welcome.tokens) {
    return html`<div class="page narrow">
      <h1>Your link is needed</h1>
      <p>Every rater here has a link of their own. Open the one you were sent; if it is not taken, ask for a new one.</p>
      ${problem && html`<p role="alert" class="notice warning">${problem}</p>`}
    </div>`;
  }
  const raters = welcome.raters ?? [];
  return html`<div class="page narrow">
    <h1>Who is labelling?</h1>
    <p>You see the pictures one by one and choose what the face shows. Nobody sees what the others chose.</p>
    ${problem && html`<p role="alert" class="notice warning">${problem}</p>`}
    ${
      raters.length > 0 &&
      html`<ul class="raters" aria-label="Raters so far">${raters.map((rater) => html`<li key=${rater}><button onClick=${() => signIn(rater)}>${rater}</button></li>`)}</ul>`
    }
    <form
      class="new-rater"
      onSubmit=${(/** @type {Event} */ event) => {
        event.preventDefault();
        if (name.trim()) signIn(name);
      }}
    >
      <label for="name">${raters.length > 0 ? 'Or a new name' : 'Your name'}</label>
      <span>
        <input id="name" name="name" autocomplete="nickname" maxlength="40" required value=${name} onInput=${(/** @type {any} */ event) => setName(event.target.value)} />
        <button class="primary">Start</button>
      </span>
    </form>
  </div>`;
}
