/** The box to write in. Enter sends, Shift+Enter is a new line. What is not sent is kept for the next visit. */

import { forGood } from './storage.js';

/** What Safari reports for the Enter that ends a composition, after `isComposing` is false again. */
const COMPOSING_KEY = 229;

/**
 * @param {HTMLFormElement} form
 * @param {HTMLTextAreaElement} box
 * @param {string} draftKey where the draft is kept
 * @param {(text: string) => boolean} onSend false: not taken, the text stays
 */
export function compose(form, box, draftKey, onSend) {
  const grows = CSS.supports('field-sizing', 'content');
  const changed = () => {
    form.classList.toggle('blank', box.value.trim() === '');
    if (grows) return;
    box.style.height = 'auto';
    box.style.height = `${box.scrollHeight + box.offsetHeight - box.clientHeight}px`;
  };
  box.addEventListener('input', () => {
    forGood.put(draftKey, box.value);
    changed();
  });
  // By then the browser has put back what was in the box when the page was left.
  globalThis.addEventListener('pageshow', changed);
  box.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === COMPOSING_KEY) return;
    event.preventDefault();
    form.requestSubmit();
  });
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (box.value.trim() !== '' && onSend(box.value)) put('');
    box.focus();
  });
  if (box.value === '') put(forGood.get(draftKey) ?? '');

  return {
    focus: () => box.focus(),
    /**
     * In front of what is in the box by now.
     *
     * @param {string} text
     */
    add: (text) => put(box.value === '' ? text : `${text}\n${box.value}`),
  };

  /** @param {string} text */
  function put(text) {
    box.value = text;
    forGood.put(draftKey, text);
    changed();
  }
}
