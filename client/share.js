/** The link to a room, without the name of who shares it. */

/** How long the button says what it did. */
const SAID_MS = 2_000;

/**
 * @param {HTMLElement} button
 * @param {HTMLElement} label
 * @param {string} url
 */
export function shareLink(button, label, url) {
  const { textContent: usual } = label;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let later;
  button.addEventListener('click', async () => {
    label.textContent = (await copy(url)) ? 'Copied' : 'Not copied';
    clearTimeout(later);
    later = setTimeout(() => { label.textContent = usual; }, SAID_MS);
  });
}

/** @param {string} text */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Plain http, as on somebody's LAN, has no clipboard but this.
    const focused = /** @type {HTMLElement | null} */ (document.activeElement);
    const box = document.createElement('textarea');
    box.value = text;
    box.className = 'visually-hidden';
    document.body.append(box);
    box.select();
    const copied = document.execCommand('copy');
    box.remove();
    focused?.focus();
    return copied;
  }
}
