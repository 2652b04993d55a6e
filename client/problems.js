/** What failed, in words, until it is settled or dismissed. */

/** Older ones make room: a wall of alerts says no more than the last few. */
const MAX_SHOWN = 3;

/**
 * @param {HTMLElement} area stands on the page from the start, or screen readers would not announce what comes in
 */
export function problemArea(area) {
  /** @type {Map<string, HTMLElement>} */
  const shown = new Map();
  return { show, clear };

  /**
   * @param {string} key
   * @param {string} reason
   * @param {{text: string, retry: () => void}} [unsent] a text that has no other place
   */
  function show(key, reason, unsent) {
    clear(key);
    const item = make('div', 'problem');
    const words = make('p', 'reason', reason);
    const actions = make('div', 'actions');
    item.append(words);
    if (unsent) {
      const text = make('p', 'unsent', unsent.text);
      text.dir = 'auto';
      item.append(text);
      actions.append(button('Retry', () => {
        clear(key);
        unsent.retry();
      }));
    }
    actions.append(button('Dismiss', () => clear(key)));
    item.append(actions);
    area.append(item);
    shown.set(key, item);
    const [oldest] = shown.keys();
    if (shown.size > MAX_SHOWN) clear(oldest);
  }

  /** @param {string} key */
  function clear(key) {
    shown.get(key)?.remove();
    shown.delete(key);
  }
}

/**
 * @param {string} label
 * @param {() => void} act
 */
function button(label, act) {
  const element = /** @type {HTMLButtonElement} */ (make('button', 'quiet', label));
  element.type = 'button';
  element.addEventListener('click', act);
  return element;
}

/**
 * @param {string} tag
 * @param {string} className
 * @param {string} [text]
 */
function make(tag, className, text = '') {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
}
