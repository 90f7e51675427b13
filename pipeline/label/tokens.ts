/**
 * Who sends a request. A token is an HMAC of the rater's name under the secret of the answers: the same after a restart,
 * never stored, and worthless once the secret is changed (`--new-tokens`).
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { LabelStore, Rater } from './store.ts';

export type Visitor = { role: 'rater'; rater: Rater } | { role: 'coordinator' };

export function raterToken(secret: string, name: string): string {
  return sign(secret, `rater ${name.toLowerCase()}`);
}

/** Opens the results page, which raters must not see while they label. */
export function coordinatorToken(secret: string): string {
  return sign(secret, 'coordinator');
}

function sign(secret: string, text: string): string {
  return createHmac('sha256', secret).update(text).digest('base64url').slice(0, 27);
}

/** The visitor with this token. */
export function visitorOf(store: LabelStore, token: string): Visitor | undefined {
  const { secret } = store.settings;
  if (same(token, coordinatorToken(secret))) return { role: 'coordinator' };
  const rater = store.raters.find(({ name }) => same(token, raterToken(secret, name)));
  return rater && { role: 'rater', rater };
}

function same(a: string, b: string): boolean {
  const x = Buffer.from(a);
  const y = Buffer.from(b);
  return x.length === y.length && timingSafeEqual(x, y);
}
