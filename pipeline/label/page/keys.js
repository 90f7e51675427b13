/** Which key does what. */
import { pressedKey } from '../../studio/static/keys.js';

const commands = {
  z: 'undo',
  k: 'skip',
  arrowleft: 'back',
  arrowright: 'forward',
  '+': 'zoom-in',
  '=': 'zoom-in',
  '-': 'zoom-out',
  0: 'zoom-fit',
};

/**
 * The digit and the letter of each label: its place, and its first letter that no command and no label before it has.
 * @param {readonly string[]} labels
 */
export function labelKeys(labels) {
  const taken = new Set(Object.keys(commands));
  return labels.map((label, index) => {
    const letter = [...label.toLowerCase()].find((c) => /\p{L}/u.test(c) && !taken.has(c)) ?? null;
    if (letter) taken.add(letter);
    return { label, digit: String(index + 1), letter };
  });
}

/**
 * What a key press asks for: `{ label }`, `{ command }` or nothing.
 * @param {KeyboardEvent} event
 * @param {readonly string[]} labels
 * @param {boolean} letters whether single letters count, which people who speak to their computer may not want
 * @returns {{ label?: string, command?: string } | null}
 */
export function meaning(event, labels, letters) {
  const key = pressedKey(event);
  if (key === null) return null;
  const entry = labelKeys(labels).find(({ digit, letter }) => key === digit || (letters && key === letter));
  if (entry) return { label: entry.label };
  if (!letters && /^\p{L}$/u.test(key)) return null;
  const command = Object.hasOwn(commands, key) ? commands[/** @type {keyof typeof commands} */ (key)] : undefined;
  return command ? { command } : null;
}
