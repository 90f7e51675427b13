/**
 * Choices on their way to the server. Each is written to the browser's storage before it is sent and removed when the
 * server has confirmed or refused it, so a page that is closed or reloaded meanwhile sends it again. The server knows a
 * choice by its id and takes it once.
 */
import { ApiError, request } from './studio.js';

/** @typedef {{ act: string } & Record<string, unknown>} Act */

/**
 * Whose choices these are, and where they go.
 * @typedef {{ owner: string, path: string, token: string }} Sender
 */

/** @param {string} owner @param {string} act */
const key = (owner, act) => `kindergrad.outbox.${owner}/${act}`;

/** An id no other choice has. `randomUUID` exists only on pages served over https or from this machine. */
export function newActId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Resolves after `ms`, or as soon as the network is back. @param {number} ms */
function pause(ms) {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
    addEventListener('online', resolve, { once: true });
  });
}

/**
 * Sends one act until the server has answered it. Rejects with ApiError when it was refused.
 * @param {Sender} sender
 * @param {Act} act
 * @param {(problem: string | null) => void} onWaiting told why the act is not on its way yet, and null when it is
 * @returns {Promise<any>} the server's answer
 */
export async function send({ owner, path, token }, act, onWaiting) {
  localStorage.setItem(key(owner, act.act), JSON.stringify(act));
  for (let attempt = 0; ; attempt++) {
    try {
      const response = await request(path, { body: act, token });
      const answer = await response.json();
      localStorage.removeItem(key(owner, act.act));
      onWaiting(null);
      return answer;
    } catch (error) {
      const refused = error instanceof ApiError && error.status < 500;
      // Without a valid token the choice waits in the storage until its owner has signed in again.
      if (refused && error.status !== 401) localStorage.removeItem(key(owner, act.act));
      if (refused) throw error;
      onWaiting(error instanceof ApiError ? error.message : 'The server is not reached.');
      await pause(Math.min(4000, 300 * 2 ** attempt));
    }
  }
}

/**
 * Sends what an earlier page of this owner left behind. Returns how many choices the server took.
 * @param {Sender} sender @param {(problem: string | null) => void} onWaiting
 */
export async function sendLeftOver(sender, onWaiting) {
  const prefix = key(sender.owner, '');
  const keys = Object.keys(localStorage).filter((name) => name.startsWith(prefix));
  let taken = 0;
  for (const name of keys) {
    try {
      await send(sender, JSON.parse(localStorage.getItem(name) ?? '{}'), onWaiting);
      taken++;
    } catch (error) {
      if (!(error instanceof ApiError) || error.status === 401) throw error;
    }
  }
  return taken;
}
