/**
 * Messages that come while the reader is far above the end. They are counted and said aloud at once, and put on the page
 * when the reader comes back: laying out a page of thousands of messages for each one that nobody sees would make
 * scrolling stutter.
 */

/** In one frame. */
const CHUNK = 50;

/** Of more, only the newest are kept: a room that is busy for weeks must not fill the memory of a page left open. */
const MAX_WAITING = 1_000;

/** What the reader who jumps over more than this is given; the rest is among the older messages. */
const MAX_JUMPED = 200;

/** @typedef {import('./message.js').Final} Final */

/**
 * @param {object} page
 * @param {() => boolean} page.isNear whether the reader is near the end
 * @param {(message: Final) => unknown} page.show
 * @param {(messages: Final[]) => void} page.replace shows these and no others
 * @param {() => void} page.refresh shows the newest that are stored
 */
export function createBacklog({ isNear, show, replace, refresh }) {
  /** All that came since the first of them, or the newest of it, ascending. @type {Final[]} */
  let waiting = [];
  let draining = false;
  /** Some are not kept, so that the others do not go on from what is on the page. */
  let holed = false;
  return { add, drain, jump, clear };

  /**
   * @param {Final} message
   * @returns {boolean} whether it waits now
   */
  function add(message) {
    if (waiting.length === 0 && isNear()) return false;
    waiting.push(message);
    if (waiting.length > MAX_WAITING) {
      waiting.shift();
      holed = true;
    }
    return true;
  }

  /** The reader may have come near. */
  function drain() {
    if (draining || waiting.length === 0 || !isNear()) return;
    if (holed) {
      clear();
      refresh();
      return;
    }
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
    clear();
    if (messages.length > MAX_JUMPED) replace(messages.slice(-MAX_JUMPED));
    else messages.forEach(show);
  }

  function clear() {
    waiting = [];
    holed = false;
  }
}
