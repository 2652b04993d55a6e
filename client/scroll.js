/**
 * Keeps the newest message in view for a reader at the end of the log, and the message in the middle in its position for a
 * reader further up.
 *
 * The log is a reversed column: it starts at its end, before any script runs, where `scrollTop` is 0; above, it is
 * negative. So messages inserted above move nothing, and this module compensates for changes below. Not every browser has
 * scroll anchoring, and those that have it differ for reversed columns.
 */

/** Within this distance a reader is at the end, in pixels: a fraction of a line, and the rounding of zoomed pages. */
const AT_END_PX = 48;

/** Within this distance a reader is near the end, in heights of the log. */
const NEAR_HEIGHTS = 2;

/**
 * @typedef {object} Scroll
 * @property {() => boolean} atEnd
 * @property {() => boolean} isNear whether the reader is near the end
 * @property {() => void} toEnd
 *
 * @param {HTMLElement} log the element that scrolls
 * @param {HTMLElement} list the messages in it
 * @param {(atEnd: boolean) => void} onMove
 * @returns {Scroll}
 */
export function followEnd(log, list, onMove) {
  let pinned = true;
  /** The message in the middle, unless the reader is at the end. @type {Element | undefined} */
  let anchor;
  /** Pixels from its end to the end of the list, less the height of the log, when it was in its position. */
  let below = 0;

  const toEnd = () => {
    pinned = true;
    anchor = undefined;
    log.scrollTop = 0;
    onMove(true);
  };
  log.addEventListener('scroll', () => {
    // First compensate for what changed since the last frame.
    holdAnchor();
    pinned = -log.scrollTop <= AT_END_PX;
    const middle = pinned ? undefined : middleMessage();
    if (anchor !== middle) {
      anchor = middle;
      below = belowAnchor();
    }
    onMove(pinned);
  }, { passive: true });
  // Called after layout and before paint.
  const observer = new ResizeObserver(() => {
    if (pinned) log.scrollTop = 0;
    else holdAnchor();
  });
  observer.observe(list);
  // The composer below grows with its text, and the keyboard of a phone reduces the height as well.
  observer.observe(log);

  return {
    atEnd: () => pinned,
    isNear: () => pinned || -log.scrollTop <= NEAR_HEIGHTS * log.clientHeight,
    toEnd,
  };

  function holdAnchor() {
    const grown = anchor?.isConnected ? belowAnchor() - below : 0;
    // Browsers scroll by whole pixels; the next change compensates for the rest.
    if (Math.abs(grown) < 1) return;
    const from = log.scrollTop;
    log.scrollTop = from - grown;
    below += from - log.scrollTop;
  }

  function belowAnchor() {
    return anchor ? bottom(list) - bottom(anchor) - log.clientHeight : 0;
  }

  function middleMessage() {
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
