/**
 * The box to write in. Enter sends, Shift+Enter starts a new line. A touch keyboard has no Shift+Enter: there, Enter
 * starts a new line and a button sends. An unsent text is kept for the next visit as one draft for all tabs, so that
 * what one tab has sent is not offered in another.
 */

import { persistent } from './storage.js';

/** The key code that Safari reports for the Enter that ends a composition, after `isComposing` is false again. */
const COMPOSING_KEY = 229;

/**
 * @param {HTMLFormElement} form
 * @param {HTMLTextAreaElement} box
 * @param {string} draftKey where the draft is stored
 * @param {(text: string) => boolean} onSend returns false if the text was not accepted and must stay
 */
export function compose(form, box, draftKey, onSend) {
  const growsItself = CSS.supports('field-sizing', 'content');
  const updateForm = () => {
    form.classList.toggle('blank', box.value.trim() === '');
    if (growsItself) return;
    box.style.height = 'auto';
    box.style.height = `${box.scrollHeight + box.offsetHeight - box.clientHeight}px`;
  };
  const stored = () => persistent.get(draftKey) ?? '';
  /** The draft as this page last stored or read it. */
  let known = stored();

  // A browser would restore a text that another tab has sent since.
  box.autocomplete = 'off';
  box.addEventListener('input', () => put(box.value));
  // Browsers would report an empty box, which is just not sent, and cut off the end of a text that is too long.
  form.noValidate = true;
  box.removeAttribute('maxlength');
  if (isTouchOnly()) box.enterKeyHint = 'enter';
  box.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === COMPOSING_KEY) return;
    if (isTouchOnly()) return;
    event.preventDefault();
    if (!event.repeat) form.requestSubmit();
  });
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (box.value.trim() !== '' && onSend(box.value)) {
      // Another tab may have started another draft.
      if (stored() === known) put('');
      else show('');
    }
    box.focus();
  });
  if (box.value === '') show(known);
  else put(box.value);
  globalThis.addEventListener('storage', adopt);
  // For a page that comes back from the back/forward cache.
  globalThis.addEventListener('pageshow', adopt);

  return {
    focus: () => box.focus(),
    /**
     * Inserts a text before what is in the box.
     *
     * @param {string} text
     */
    add: (text) => put(box.value === '' ? text : `${text}\n${box.value}`),
  };

  /** Shows another tab's change to the draft, unless the box has text that is not stored. */
  function adopt() {
    if (box.value === known && known !== stored()) show(stored());
  }

  /** @param {string} text */
  function put(text) {
    persistent.put(draftKey, text);
    show(text);
    // Read back: if nothing can be stored, an empty draft is not another tab's change.
    known = stored();
  }

  /** @param {string} text */
  function show(text) {
    known = text;
    // Setting the same value would move the caret.
    if (box.value !== text) box.value = text;
    updateForm();
  }
}

/** Whether the only keyboard is one on the screen, as far as a page can know. */
const isTouchOnly = () => matchMedia('(pointer: coarse)').matches && !matchMedia('(any-pointer: fine)').matches;
