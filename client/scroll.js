/**
 * Keeps the newest message in view for a reader who is there, and for one who reads further up the message they read.
 *
 * The log is a reversed column: it begins at its end, before any script runs, and `scrollTop` is 0 there and negative
 * above it. So what comes in above never moves anything, and what changes below is made up for here; not every browser
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
 *
 * @param {HTMLElement} log what scrolls
 * @param {HTMLElement} list of the messages in it
 * @param {(atEnd: boolean) => void} onMove
 * @returns {Scroll}
 */
export function followEnd(log, list, onMove) {
  let pinned = true;
  /** What is read, by somebody who is not at the end. @type {Element | undefined} */
  let anchor;
  /** How much more than the log's height was below it when it was last where it belongs. */
  let below = 0;

  const toEnd = () => {
    pinned = true;
    anchor = undefined;
    log.scrollTop = 0;
    onMove(true);
  };
  log.addEventListener('scroll', () => {
    // What changed since the last frame, before it counts as seen.
    hold();
    pinned = -log.scrollTop <= NEAR_PX;
    const read = pinned ? undefined : inTheMiddle();
    if (anchor !== read) {
      anchor = read;
      below = belowAnchor();
    }
    onMove(pinned);
  }, { passive: true });
  // What changed is laid out by now and not painted yet.
  const observer = new ResizeObserver(() => {
    if (pinned) log.scrollTop = 0;
    else hold();
  });
  observer.observe(list);
  // The box below it grows with what is written in it, and a phone's keyboard is taken from its height as well.
  observer.observe(log);

  return {
    atEnd: () => pinned,
    isNear: () => pinned || -log.scrollTop <= NEAR_HEIGHTS * log.clientHeight,
    toEnd,
  };

  function hold() {
    const grown = anchor?.isConnected ? belowAnchor() - below : 0;
    // A browser scrolls by whole pixels; the rest is made up for with the next change.
    if (Math.abs(grown) < 1) return;
    const from = log.scrollTop;
    log.scrollTop = from - grown;
    below += from - log.scrollTop;
  }

  function belowAnchor() {
    return anchor ? bottom(list) - bottom(anchor) - log.clientHeight : 0;
  }

  function inTheMiddle() {
    const { top, height } = log.getBoundingClientRect();
    let first = 0;
    let last = list.childElementCount - 1;
    while (first < last) {
      const half = (first + last) >> 1;
      if (bottom(list.children[half]) < top + height / 2) first = half + 1;
      else last = half;
    }
    return list.children[first];
  }
}

/** @param {Element} element */
const bottom = (element) => element.getBoundingClientRect().bottom;
