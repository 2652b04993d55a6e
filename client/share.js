/** The link to a room, without the name of who shares it. */

/** How long the button says what it did. */
const SAID_MS = 2_000;

/**
 * @param {HTMLElement} button
 * @param {HTMLElement} label
 * @param {string} url
 * @param {(words: string) => void} announce
 */
export function shareLink(button, label, url, announce) {
  const { textContent: usual } = label;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let later;
  button.addEventListener('click', async () => {
    say((await copy(url)) ? 'Copied' : 'Not copied');
    announce(label.textContent ?? '');
    clearTimeout(later);
    later = setTimeout(() => say(usual), SAID_MS);
  });

  /** @param {string | null} words */
  function say(words) {
    label.textContent = words;
    // Shown also where the usual words are not.
    button.classList.toggle('said', words !== usual);
  }
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
