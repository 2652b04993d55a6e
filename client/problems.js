/** What failed beside messages, in words, until it is settled or dismissed. */

/**
 * @param {HTMLElement} area stands on the page from the start, or screen readers would not announce what comes in
 */
export function problemArea(area) {
  /** @type {Map<string, HTMLElement>} */
  const shown = new Map();
  return { show, clear };

  /**
   * @param {string} key
   * @param {string} words
   */
  function show(key, words) {
    if (shown.get(key)) return;
    const item = document.createElement('p');
    item.className = 'problem';
    const dismiss = document.createElement('button');
    dismiss.type = 'button';
    dismiss.className = 'quiet';
    dismiss.textContent = 'Dismiss';
    dismiss.addEventListener('click', () => clear(key));
    item.append(words, ' ', dismiss);
    area.append(item);
    shown.set(key, item);
  }

  /** @param {string} key */
  function clear(key) {
    shown.get(key)?.remove();
    shown.delete(key);
  }
}
