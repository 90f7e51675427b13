/**
 * The key that was pressed for the page, in lower case, digits by their place; null when the press is none of its business:
 * with Ctrl, Alt or Meta it belongs to the browser, a key held down counts once, and what is typed into a field is text.
 * @param {KeyboardEvent} event
 */
export function pressedKey(event) {
  const { target } = event;
  const typing = target instanceof HTMLElement && target.matches('textarea, select, input:not([type="checkbox"])');
  if (event.ctrlKey || event.altKey || event.metaKey || event.repeat || typing) return null;
  // On French keyboards the key in the place of 1 types &.
  return /^(?:Digit|Numpad)(\d)$/.exec(event.code)?.[1] ?? event.key.toLowerCase();
}
