/**
 * Messages that come while the reader is far above the end. They are counted and said aloud at once, and put on the page
 * when the reader comes back: laying out a page of thousands of messages for each one that nobody sees would make
 * scrolling stutter.
 */

/** In one frame. */
const CHUNK = 50;

/** What the reader who jumps over more than this is given; the rest is among the older messages. */
const MAX_JUMPED = 200;

/** @typedef {import('./message.js').Final} Final */

/**
 * @param {object} page
 * @param {() => boolean} page.isNear whether the reader is near the end
 * @param {(message: Final) => unknown} page.show
 * @param {(messages: Final[]) => void} page.replace shows these and no others
 */
export function createBacklog({ isNear, show, replace }) {
  /** All that came since the first of them, ascending. @type {Final[]} */
  let waiting = [];
  let draining = false;
  return { add, drain, jump, clear };

  /**
   * @param {Final} message
   * @returns {boolean} whether it waits now
   */
  function add(message) {
    if (waiting.length === 0 && isNear()) return false;
    waiting.push(message);
    return true;
  }

  /** The reader may have come near. */
  function drain() {
    if (draining || waiting.length === 0 || !isNear()) return;
    draining = true;
    requestAnimationFrame(() => {
      draining = false;
      waiting.splice(0, CHUNK).forEach(show);
      drain();
    });
  }

  /** The reader wants the end now. */
  function jump() {
    const messages = waiting;
    waiting = [];
    if (messages.length > MAX_JUMPED) replace(messages.slice(-MAX_JUMPED));
    else messages.forEach(show);
  }

  function clear() {
    waiting = [];
  }
}
