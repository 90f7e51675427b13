import type { z } from 'zod';

/**
 * What a schema says of a value first, with the place and what was found there:
 * `loss.alpha (2): Too big: expected number to be <=1`. `whole` names the value itself.
 */
export function complaint({ issues: [issue] }: z.ZodError, value: unknown, whole = 'value'): string {
  const found = issue.path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown> | null)?.[key], value);
  const short = found === undefined || typeof found === 'object' ? '' : JSON.stringify(found);
  const place = issue.path.join('.') || whole;
  return `${place}${short && short.length <= 60 ? ` (${short})` : ''}: ${issue.message}`;
}
