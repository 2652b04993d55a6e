/**
 * Messages that arrive while the reader is far above the end of the log. They are counted and announced immediately, but
 * added to the page only when the reader comes back: a layout of thousands of messages for each one that nobody sees
 * would make scrolling stutter.
 */

/** Messages added in one animation frame. */
const CHUNK = 50;

/** Only the newest are kept, so that weeks of a busy room do not fill the memory of a page left open. */
const MAX_WAITING = 1_000;

/** Messages shown to a reader who jumps to the end; the rest can be loaded as older messages. */
const MAX_JUMPED = 200;

/** @typedef {import('./message.js').Final} Final */

/**
 * @param {object} page
 * @param {() => boolean} page.isNear whether the reader is near the end
 * @param {(message: Final) => unknown} page.show
 * @param {(messages: Final[]) => void} page.replace shows these messages and no others
 * @param {() => void} page.refresh shows the newest stored messages
 */
export function createBacklog({ isNear, show, replace, refresh }) {
  /** The newest messages that arrived, ascending. @type {Final[]} */
  let waiting = [];
  let draining = false;
  /** Older ones were dropped, so that there is a gap between the page and the first waiting message. */
  let incomplete = false;
  return { add, drain, jump, clear };

  /**
   * @param {Final} message
   * @returns {boolean} whether the message waits now
   */
  function add(message) {
    if (waiting.length === 0 && isNear()) return false;
    waiting.push(message);
    if (waiting.length > MAX_WAITING) {
      waiting.shift();
      incomplete = true;
    }
    return true;
  }

  /** Call it when the reader may have come near the end. */
  function drain() {
    if (draining || waiting.length === 0 || !isNear()) return;
    if (incomplete) {
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

  /** Shows the end immediately. */
  function jump() {
    const messages = waiting;
    clear();
    if (messages.length > MAX_JUMPED) replace(messages.slice(-MAX_JUMPED));
    else messages.forEach(show);
  }

  function clear() {
    waiting = [];
    incomplete = false;
  }
}
