/**
 * The box to write in. Enter sends, Shift+Enter is a new line; on a touch keyboard, which has no Shift+Enter, Enter is a
 * new line, and a button sends. What is not sent is kept for the next visit, and is one draft in all tabs: what is sent
 * in one is not offered in another.
 */

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
  const stored = () => forGood.get(draftKey) ?? '';
  /** The draft as this page last stored or found it. */
  let known = stored();

  // A browser would put back what has been sent in another tab since.
  box.autocomplete = 'off';
  box.addEventListener('input', () => put(box.value));
  // Nothing is sent of an empty box, and a browser need not say so. Of a text that is too long it would cut off the end.
  form.noValidate = true;
  box.removeAttribute('maxlength');
  if (onlyTouched()) box.enterKeyHint = 'enter';
  box.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === COMPOSING_KEY) return;
    if (onlyTouched()) return;
    event.preventDefault();
    if (!event.repeat) form.requestSubmit();
  });
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (box.value.trim() !== '' && onSend(box.value)) {
      // Another tab may have begun something else.
      if (stored() === known) put('');
      else show('');
    }
    box.focus();
  });
  if (box.value === '') show(known);
  else put(box.value);
  globalThis.addEventListener('storage', adopt);
  // Also a page that comes back as it was left.
  globalThis.addEventListener('pageshow', adopt);

  return {
    focus: () => box.focus(),
    /**
     * In front of what is in the box by now.
     *
     * @param {string} text
     */
    add: (text) => put(box.value === '' ? text : `${text}\n${box.value}`),
  };

  /** What another tab has made of the draft, unless there is more in the box than they both knew. */
  function adopt() {
    if (box.value === known && known !== stored()) show(stored());
  }

  /** @param {string} text */
  function put(text) {
    forGood.put(draftKey, text);
    show(text);
    // Where nothing can be stored, nothing is taken for the other tabs' word.
    known = stored();
  }

  /** @param {string} text */
  function show(text) {
    known = text;
    // Setting the same would move the caret.
    if (box.value !== text) box.value = text;
    changed();
  }
}

/** Whether there is no other keyboard than one on the screen, as far as a page can know. */
const onlyTouched = () => matchMedia('(pointer: coarse)').matches && !matchMedia('(any-pointer: fine)').matches;
