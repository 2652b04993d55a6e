/**
 * Tells screen readers what came in. The list itself is not live: elements move in it when they get their number, and
 * whole pages of history come into it, none of which is news.
 */

/** Enough for a burst; what is older has been read out or is not wanted any more. */
const MAX_KEPT = 5;

/**
 * @param {HTMLElement} area
 * @returns {(words: string) => void}
 */
export function announcer(area) {
  return (words) => {
    const line = document.createElement('p');
    line.textContent = words;
    area.append(line);
    while (area.childElementCount > MAX_KEPT) area.firstElementChild?.remove();
  };
}
