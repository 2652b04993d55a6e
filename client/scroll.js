/**
 * Keeps the newest message in view for a reader who is there, and leaves alone one who reads further up.
 *
 * The log is a reversed column: it begins at its end, before any script runs, and `scrollTop` is 0 there and negative
 * above it. So what comes in above never moves anything, and what comes in below is made up for here; not every browser
 * has scroll anchoring, and what has it does not agree on reversed columns.
 */

/** A reader this close to the end is at the end, in pixels: a fraction of a line, and what zooming rounds away. */
const NEAR_PX = 48;

/** An end that is not further away than this is in reach, in heights of what the reader sees. */
const NEAR_HEIGHTS = 2;

/**
 * @typedef {object} Scroll
 * @property {() => boolean} atEnd
 * @property {() => boolean} isNear whether the end is in reach
 * @property {() => void} toEnd
 * @property {(change: () => void) => void} above runs a change above what the reader sees
 */

/**
 * @param {HTMLElement} log what scrolls
 * @param {HTMLElement} content what grows in it
 * @param {(atEnd: boolean) => void} onMove
 * @returns {Scroll}
 */
export function followEnd(log, content, onMove) {
  let height = content.offsetHeight;
  let pinned = true;
  const toEnd = () => {
    pinned = true;
    log.scrollTop = 0;
    onMove(true);
  };
  log.addEventListener('scroll', () => {
    pinned = -log.scrollTop <= NEAR_PX;
    onMove(pinned);
  }, { passive: true });
  // What grew is laid out by now and not painted yet.
  new ResizeObserver(() => {
    const grown = content.offsetHeight - height;
    height += grown;
    if (pinned) log.scrollTop = 0;
    else log.scrollTop -= grown;
  }).observe(content);

  return {
    atEnd: () => pinned,
    isNear: () => pinned || -log.scrollTop <= NEAR_HEIGHTS * log.clientHeight,
    toEnd,
    above(change) {
      const before = content.offsetHeight;
      change();
      height += content.offsetHeight - before;
    },
  };
}
