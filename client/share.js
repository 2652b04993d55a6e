/** The button that copies the link to a room, without the name of the user who shares it. */

/** How long the button shows the outcome. */
const OUTCOME_MS = 2_000;

/**
 * @param {HTMLElement} button
 * @param {HTMLElement} label
 * @param {string} url
 * @param {(text: string) => void} announce
 */
export function shareLink(button, label, url, announce) {
  const { textContent: usual } = label;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  button.addEventListener('click', async () => {
    setLabel((await copy(url)) ? 'Copied' : 'Not copied');
    announce(label.textContent ?? '');
    clearTimeout(timer);
    timer = setTimeout(() => setLabel(usual), OUTCOME_MS);
  });

  /** @param {string | null} text */
  function setLabel(text) {
    label.textContent = text;
    // The style shows the outcome also on a narrow page, which hides the usual label.
    button.classList.toggle('shows-outcome', text !== usual);
  }
}

/** @param {string} text */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // There is no clipboard API over plain HTTP, as on a LAN.
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
