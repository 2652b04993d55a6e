/** The box to write in. Enter sends, Shift+Enter is a new line. */

/** What Safari reports for the Enter that ends a composition, after `isComposing` is false again. */
const COMPOSING_KEY = 229;

/**
 * @param {HTMLFormElement} form
 * @param {HTMLTextAreaElement} box
 * @param {(text: string) => boolean} onSend false: not taken, the text stays
 */
export function compose(form, box, onSend) {
  const grows = CSS.supports('field-sizing', 'content');
  const fit = () => {
    if (grows) return;
    box.style.height = 'auto';
    box.style.height = `${box.scrollHeight + box.offsetHeight - box.clientHeight}px`;
  };
  box.addEventListener('input', fit);
  // By then the browser has put back what was in the box when the page was left.
  globalThis.addEventListener('pageshow', fit);
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

  return { text: () => box.value, put };

  /** @param {string} text */
  function put(text) {
    box.value = text;
    fit();
  }
}
