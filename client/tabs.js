/**
 * One stream for all tabs that show a room: browsers open six connections to a host over HTTP/1.1, and a stream takes
 * one for good. The tab that has the room's lock opens the stream and tells the others what comes; when it goes, the
 * browser gives the lock to the next one, which goes on from its own cursor.
 *
 * What the others hear is judged like what a stream says: each message once, in order, and a hole is asked about. Every
 * sign of life names the leader's cursor, so that a hole shows also where nothing follows it. Without locks or channels
 * each tab has a stream of its own.
 */

import { EMPTY, relation, uuid } from './message.js';
import { openStream, watchPage } from './stream.js';
import { systemClock } from './waiting.js';

/** Messages that are kept for tabs that come later or have missed some; who lacks more takes a snapshot. */
const MAX_KEPT = 200;

/** A leader that is asked answers at once, unless its tab is frozen or its page hangs. */
const ANSWER_MS = 3_000;

/** Two keep-alives of the stream and a margin, as for the stream itself. */
const SILENCE_MS = 50_000;

/**
 * @typedef {import('./message.js').Final} Final
 * @typedef {import('./stream.js').StreamOptions} StreamOptions
 * @typedef {import('./stream.js').StreamState} StreamState
 * @typedef {{state: StreamState, problem?: string}} Standing
 *
 * @typedef {{type: 'final', message: Final}
 *   | {type: 'provisional', message: import('./message.js').Provisional}
 *   | {type: 'retract', provisionalId: string}
 *   | {type: 'reset', reset: {reason: string, lastEventId: string}}
 *   | {type: 'state', standing: Standing, cursor: string}
 *   | {type: 'alive', cursor: string}
 *   | {type: 'lead'}
 *   | {type: 'ask', tab: string, seen: boolean, cursor: string}
 *   | {type: 'seen', tab: string, seen: boolean}
 *   | {type: 'tell', tab: string, messages: Final[], reset?: string, standing: Standing}} Word
 *
 * @typedef {StreamOptions & {
 *   name: string,
 *   locks?: LockManager | null,
 *   Channel?: new (name: string) => BroadcastChannel,
 *   open?: typeof openStream,
 *   limit?: (open: typeof openStream) => typeof openStream,
 *   tab?: string,
 * }} TabOptions `name`: what tabs of one room, and no others, have in common; `limit`: what keeps a shared stream from
 *   being one too many
 */

/**
 * @param {TabOptions} options
 * @returns {import('./stream.js').Stream}
 */
export function shareStream(options) {
  const {
    locks = globalThis.navigator?.locks, Channel = globalThis.BroadcastChannel, open = openStream, limit, name,
  } = options;
  try {
    // Where a page may store nothing, it may not talk to others either.
    new Channel(name).close();
  } catch {
    return open(options);
  }
  return locks ? share(options, locks, Channel, limit ? limit(open) : open) : open(options);
}

/**
 * @param {TabOptions} options
 * @param {LockManager} locks
 * @param {new (name: string) => BroadcastChannel} Channel
 * @param {typeof openStream} open
 * @returns {import('./stream.js').Stream}
 */
function share(options, locks, Channel, open) {
  const clock = options.clock ?? systemClock;
  const tab = options.tab ?? uuid();
  const { onMessage, onProvisional, onRetract, onReset, onState, window = globalThis.window } = options;
  const isHere = () => window.document.visibilityState === 'visible';

  let cursor = options.cursor;
  let heard = clock.now();
  /** @type {unknown} */
  let silence;
  /** @type {Standing} */
  let standing = { state: 'connecting' };
  /** Oldest first, without a hole. @type {Final[]} */
  let kept = [];
  /** What they go on from. */
  let base = cursor;
  /** An answer is on its way, which tells of all that has come by then. */
  let asking = false;
  /** Other tabs that somebody looks at, as far as a leader knows. @type {Set<string>} */
  const lookedAt = new Set();
  /** Of this tab, while it leads. @type {import('./stream.js').Stream | null} */
  let stream = null;
  /** Aborted when this tab stops to lead or to wait for it. */
  let part = new AbortController();
  /** @type {BroadcastChannel | null} */
  let channel = null;

  const unwatch = watchPage({
    window,
    // The leader's own stream sees to the network.
    onWake: () => { if (!channel) join(); },
    onVisible() {
      tellIfSeen(true);
      ask();
    },
    onHidden: () => tellIfSeen(false),
    // A page that has a lock or an open channel is not kept for the way back.
    onSleep: leave,
  });
  onState('connecting');
  join();
  return { cursor: () => cursor, close };

  function join() {
    part = new AbortController();
    channel = new Channel(options.name);
    channel.addEventListener('message', (event) => hear(event.data));
    void lead(part, false);
    ask();
    watchSilence();
  }

  function leave() {
    tellIfSeen(false);
    part.abort();
    asking = false;
    clock.clearTimeout(silence);
    channel?.close();
    channel = null;
  }

  function close() {
    unwatch();
    leave();
    onState('stopped');
  }

  /** @param {Word} word */
  function say(word) {
    channel?.postMessage(word);
  }

  /** @param {boolean} seen */
  function tellIfSeen(seen) {
    say({ type: 'seen', tab, seen });
  }

  // === Leading ===

  /**
   * Waits for the lock and leads until the part is over.
   *
   * @param {AbortController} mine
   * @param {boolean} steal from a leader that is silent
   */
  async function lead(mine, steal) {
    const { signal } = mine;
    const over = new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    try {
      // What is stolen cannot be waited for, and so not be given up.
      await locks.request(options.name, steal ? { steal } : { signal }, () => {
        if (signal.aborted) return undefined;
        begin();
        return over;
      });
      end();
    } catch (error) {
      // Given up while it waited.
      if (signal.aborted) return;
      end();
      // Stolen by a tab that heard nothing of this one; anything else is no lock to be had at all.
      if (/** @type {Error} */ (error).name === 'AbortError') void lead(mine, false);
      else begin();
    }
  }

  function begin() {
    clock.clearTimeout(silence);
    lookedAt.clear();
    say({ type: 'lead' });
    stream = open({
      ...options,
      cursor,
      isSeen: () => isHere() || lookedAt.size > 0,
      onMessage(message) {
        say({ type: 'final', message });
        take(message);
      },
      onProvisional(message) {
        say({ type: 'provisional', message });
        onProvisional(message);
      },
      onRetract(provisionalId) {
        say({ type: 'retract', provisionalId });
        onRetract(provisionalId);
      },
      onReset(reset) {
        say({ type: 'reset', reset });
        start(reset);
      },
      onState(state, problem) {
        // Its last word is about this tab, not about the room.
        if (!stream && state === 'stopped') return;
        stand({ state, problem });
        say({ type: 'state', standing, cursor });
        // Whoever has the lock next may be welcome again, as a page that is loaded anew would be.
        if (state === 'stopped') leave();
      },
      onAlive: () => say({ type: 'alive', cursor }),
    });
  }

  function end() {
    const ended = stream;
    stream = null;
    ended?.close();
    if (part.signal.aborted) return;
    watchSilence();
    // What came meanwhile was told to the others. Whoever has just taken over is not to be robbed for a late answer.
    say({ type: 'ask', tab, seen: isHere(), cursor });
  }

  // === Following ===

  /** @param {Word} word */
  function hear(word) {
    if ('seen' in word) {
      if (word.seen) lookedAt.add(word.tab);
      else lookedAt.delete(word.tab);
      if (!stream || word.type === 'seen') return;
      stream.nudge?.();
      tell(word.tab, word.cursor);
      return;
    }
    // Two lead for a moment, when one steals from another: each believes its own stream.
    if (stream) return;
    heard = clock.now();
    if ('cursor' in word && word.cursor !== cursor && relation(cursor, word.cursor) !== 'seen') ask();
    switch (word.type) {
      case 'final':
        // Behind nothing comes anything, and only the leader knows what came before.
        if (cursor === EMPTY || relation(cursor, word.message.id) === 'hole') ask();
        else take(word.message);
        break;
      case 'provisional':
        onProvisional(word.message);
        break;
      case 'retract':
        onRetract(word.provisionalId);
        break;
      case 'reset':
        start(word.reset);
        break;
      case 'state':
        stand(word.standing);
        break;
      case 'lead':
        ask();
        break;
      case 'tell':
        if (word.tab !== tab) break;
        asking = false;
        if (word.reset !== undefined) start({ reason: 'tab', lastEventId: word.reset });
        word.messages.forEach(take);
        stand(word.standing);
        break;
      default:
    }
  }

  /** Asks the leader what this tab has missed; one that does not answer is no leader any more. */
  function ask() {
    if (stream || !channel || asking) return;
    asking = true;
    const asked = clock.now();
    say({ type: 'ask', tab, seen: isHere(), cursor });
    const mine = part;
    clock.setTimeout(() => {
      asking = false;
      if (mine.signal.aborted || stream || heard >= asked) return;
      void locks.query().then(({ held = [] }) => {
        // Where nobody has the lock, it is about to be given to somebody.
        if (held.some(({ name }) => name === options.name) && !mine.signal.aborted && !stream) takeOver();
      }).catch(() => {});
    }, ANSWER_MS);
  }

  function takeOver() {
    part.abort();
    part = new AbortController();
    void lead(part, true);
  }

  /**
   * @param {string} to
   * @param {string} from a cursor
   */
  function tell(to, from) {
    const messages = kept.filter((message) => relation(from, message.id) !== 'seen');
    const whole = from === base || (from !== EMPTY && kept.length > 0 && relation(from, kept[0].id) !== 'hole');
    /** @type {Word} */
    const word = whole || relation(from, cursor) === 'seen'
      ? { type: 'tell', tab: to, messages: whole ? messages : [], standing }
      : { type: 'tell', tab: to, messages: [], reset: cursor, standing };
    say(word);
  }

  function watchSilence() {
    clock.clearTimeout(silence);
    silence = clock.setTimeout(() => {
      if (stream || !channel) return;
      if (clock.now() - heard >= SILENCE_MS) ask();
      watchSilence();
    }, SILENCE_MS);
  }

  // === Both ===

  /** @param {Final} message */
  function take(message) {
    if (relation(cursor, message.id) === 'seen') return;
    cursor = message.id;
    kept.push(message);
    if (kept.length > MAX_KEPT) base = /** @type {Final} */ (kept.shift()).id;
    onMessage(message);
  }

  /** @param {{reason: string, lastEventId: string}} reset */
  function start(reset) {
    cursor = reset.lastEventId;
    base = cursor;
    kept = [];
    onReset(reset);
  }

  /** @param {Standing} now */
  function stand(now) {
    standing = now;
    onState(now.state, now.problem);
  }
}
