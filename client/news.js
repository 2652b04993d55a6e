/**
 * What has come that the reader may not have seen: said aloud to who listens, and counted for who does not look, in the
 * title for who looks elsewhere and in a button for who reads further up.
 */

/** Lines that are kept to be read out. Enough for a burst; what is older has been read out or is not wanted any more. */
const MAX_LINES = 5;

/** Messages that are known when they come again: more than come while a sender tries three times. */
const MAX_TOLD = 500;

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
  /** How many have been counted, ever; and of these, how many when nothing was unseen, and when nothing was below. */
  let count = 0;
  let seenUntil = 0;
  let readUntil = 0;
  /** Which each was, by provisional id; of one that was taken back and may come again, 0. @type {Map<string, number>} */
  const told = new Map();
  document.addEventListener('visibilitychange', show);
  return {
    /**
     * A message of somebody else: provisional, again for the sender's next attempt, and when it is stored.
     *
     * @param {string} provisionalId
     * @returns {boolean} whether nobody has been told of it
     */
    came(provisionalId) {
      const before = told.get(provisionalId);
      if (before) return false;
      count += 1;
      unseen += 1;
      below += 1;
      told.set(provisionalId, count);
      if (told.size > MAX_TOLD) told.delete(told.keys().next().value ?? '');
      show();
      return before === undefined;
    },
    /**
     * It is not stored, and counts only if it comes again.
     *
     * @param {string} provisionalId
     */
    went(provisionalId) {
      const which = told.get(provisionalId) ?? 0;
      if (which > seenUntil) unseen -= 1;
      if (which <= readUntil) return;
      below -= 1;
      told.set(provisionalId, 0);
      show();
    },
    moved: show,
  };

  function show() {
    if (!document.hidden) {
      unseen = 0;
      seenUntil = count;
      if (atEnd()) {
        below = 0;
        readUntil = count;
      }
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
