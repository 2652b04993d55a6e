/**
 * New messages that the reader may not have seen. A screen reader announces them; the title of the page counts them while
 * the page is hidden, and a button while the reader is further up in the log.
 */

/** Lines kept to be read aloud: enough for a burst. Older ones have been read, or are no longer of interest. */
const MAX_LINES = 5;

/** Messages remembered, to count each once: more than arrive while a sender makes its three attempts. */
const MAX_COUNTED = 500;

/**
 * Announces texts to screen readers. The list of messages is not a live region itself: its elements move when they get
 * their number, and pages of history are inserted, none of which is news.
 *
 * @param {HTMLElement} area
 * @returns {(text: string) => void}
 */
export function announcer(area) {
  return (text) => {
    const line = document.createElement('p');
    line.textContent = text;
    area.append(line);
    while (area.childElementCount > MAX_LINES) area.firstElementChild?.remove();
  };
}

/**
 * @param {HTMLElement} jump the button
 * @param {HTMLElement} log gets the focus when the button that has it disappears
 * @param {() => boolean} atEnd
 */
export function unreadCount(jump, log, atEnd) {
  const { title } = document;
  let unseen = 0;
  let below = 0;
  /** The number of messages counted so far, and its value when none was unseen, and when none was below. */
  let count = 0;
  let seenUntil = 0;
  let readUntil = 0;
  /** The number of each message, by provisional id; 0 if it was retracted and may come again. @type {Map<string, number>} */
  const counted = new Map();
  document.addEventListener('visibilitychange', update);
  return {
    /**
     * Counts a message of another user. It may come several times: provisional, once per attempt of its sender, and
     * stored.
     *
     * @param {string} provisionalId
     * @returns {boolean} whether it is to be announced
     */
    add(provisionalId) {
      const before = counted.get(provisionalId);
      if (before) return false;
      count += 1;
      unseen += 1;
      below += 1;
      counted.set(provisionalId, count);
      if (counted.size > MAX_COUNTED) counted.delete(counted.keys().next().value ?? '');
      update();
      return before === undefined;
    },
    /**
     * Uncounts a retracted message.
     *
     * @param {string} provisionalId
     */
    remove(provisionalId) {
      const number = counted.get(provisionalId) ?? 0;
      if (number > seenUntil) unseen -= 1;
      if (number <= readUntil) return;
      below -= 1;
      counted.set(provisionalId, 0);
      update();
    },
    update,
  };

  function update() {
    if (!document.hidden) {
      unseen = 0;
      seenUntil = count;
      if (atEnd()) {
        below = 0;
        readUntil = count;
      }
    }
    const fullTitle = unseen > 0 ? `(${unseen}) ${title}` : title;
    if (document.title !== fullTitle) document.title = fullTitle;
    if (atEnd() && document.activeElement === jump) log.focus();
    jump.hidden = atEnd();
    jump.classList.toggle('news', below > 0);
    const label = below > 0 ? `${below} new message${below === 1 ? '' : 's'}` : 'Newest messages';
    if (jump.textContent !== label) jump.textContent = label;
  }
}
