/** Which key does what in a review. */
import { pressedKey } from '../../../studio/static/keys.js';

/** Why pictures are turned down, in the order of their digits. */
export const reasons = ['wrong expression', 'melted or blurred', 'hardly changed', 'another face'];

/** @type {Record<string, string>} */
const letterCommands = { k: 'keep', d: 'other', z: 'undo', r: 'put-back', c: 'mode', f: 'filter', x: 'compare' };
/** @type {Record<string, string>} */
const otherCommands = { arrowleft: 'previous', arrowright: 'next', escape: 'clear' };

/**
 * What a key press asks for: `{ reason }`, `{ command }` or nothing.
 * @param {KeyboardEvent} event
 * @param {boolean} letters whether single letters count
 * @returns {{ reason?: string, command?: string } | null}
 */
export function meaning(event, letters) {
  const key = pressedKey(event);
  if (key === null) return null;
  const reason = /^\d$/.test(key) ? reasons[Number(key) - 1] : undefined;
  if (reason) return { reason };
  if (key === String(reasons.length + 1)) return { command: 'other' };
  const command = (letters ? letterCommands[key] : undefined) ?? otherCommands[key];
  return command ? { command } : null;
}

/** @type {[string[], string][]} */
export const keyRows = [
  [['K'], 'keep'],
  ...reasons.map((reason, i) => /** @type {[string[], string]} */ ([[String(i + 1)], reason])),
  [['5', 'D'], 'discard for another reason'],
  [['Z'], 'undo'],
  [['R'], 'put back among those to decide'],
  [['←', '→'], 'previous, next'],
  [['X'], 'hold: the source in the place of the picture'],
  [['C'], 'contact sheet, or one by one'],
  [['F'], 'which ones are shown'],
];

/** @type {[string[], string][]} */
export const sheetRows = [
  [['Space'], 'select'],
  [['Shift'], 'with a click or an arrow: select up to there'],
  [['Ctrl A'], 'select all on the page'],
  [['Esc'], 'select none'],
  [['Enter'], 'look at it alone'],
  [['Page ↓', 'Page ↑'], 'next, previous page'],
];
