/**
 * What has come that the reader may not have seen: said aloud to who listens, and counted for who does not look, in the
 * title for who looks elsewhere and in a button for who reads further up.
 */

/** Lines that are kept to be read out. Enough for a burst; what is older has been read out or is not wanted any more. */
const MAX_LINES = 5;

/**
 * Tells screen readers. The list itself is not live: elements move in it when they get their number, and whole pages of
 * history come into it, none of which is news.
 *
 * @param {HTMLElement} area
 * @returns {(words: string) => void}
 */
export function announcer(area) {
  return (words) => {
    const line = document.createElement('p');
    line.textContent = words;
    area.append(line);
    while (area.childElementCount > MAX_LINES) area.firstElementChild?.remove();
  };
}

/**
 * @param {HTMLElement} jump the button
 * @param {HTMLElement} log gets the focus of a button that goes
 * @param {() => boolean} atEnd
 */
export function unreadCount(jump, log, atEnd) {
  const { title } = document;
  let unseen = 0;
  let below = 0;
  document.addEventListener('visibilitychange', show);
  return {
    /** A message of somebody else. */
    came() {
      if (document.hidden) unseen += 1;
      if (document.hidden || !atEnd()) below += 1;
      show();
    },
    moved: show,
  };

  function show() {
    if (!document.hidden) {
      unseen = 0;
      if (atEnd()) below = 0;
    }
    const words = unseen > 0 ? `(${unseen}) ${title}` : title;
    if (document.title !== words) document.title = words;
    if (atEnd() && document.activeElement === jump) log.focus();
    jump.hidden = atEnd();
    jump.classList.toggle('news', below > 0);
    const label = below > 0 ? `${below} new message${below === 1 ? '' : 's'}` : 'Newest messages';
    if (jump.textContent !== label) jump.textContent = label;
  }
}
