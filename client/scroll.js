/** Keeps the newest message in view for a reader who is there, and leaves alone one who reads further up. */

/** A reader this close to the end is at the end, in pixels: a fraction of a line, and what zooming rounds away. */
const NEAR_PX = 48;

/**
 * @typedef {object} Scroll
 * @property {() => boolean} atEnd
 * @property {() => void} toEnd
 * @property {(change: () => void) => void} steady runs a change above the reader's place without moving it
 */

/**
 * @param {HTMLElement} log what scrolls
 * @param {HTMLElement} content what grows in it
 * @param {(atEnd: boolean) => void} onMove
 * @returns {Scroll}
 */
export function followEnd(log, content, onMove) {
  let pinned = true;
  const toEnd = () => {
    pinned = true;
    log.scrollTop = log.scrollHeight;
    onMove(true);
  };
  log.addEventListener('scroll', () => {
    pinned = log.scrollHeight - log.scrollTop - log.clientHeight <= NEAR_PX;
    onMove(pinned);
  }, { passive: true });
  // Messages, a growing composer and a phone's keyboard all end up here; scroll events of the same frame come first.
  const sizes = new ResizeObserver(() => {
    if (pinned) log.scrollTop = log.scrollHeight;
  });
  sizes.observe(log);
  sizes.observe(content);
  toEnd();

  return {
    atEnd: () => pinned,
    toEnd,
    steady(change) {
      // Not left to the browser's scroll anchoring: it is off at the very top, which is where older messages come in.
      const fromEnd = log.scrollHeight - log.scrollTop;
      change();
      log.scrollTop = log.scrollHeight - fromEnd;
    },
  };
}
