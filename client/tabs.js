/**
 * One stream for all tabs of a room: over HTTP/1.1, browsers open six connections to a host, and a stream keeps one. The
 * tab that holds the room's lock, the leader, opens the stream and broadcasts its events to the others. When it closes,
 * the browser grants the lock to the next tab, which resumes from its own cursor.
 *
 * Followers check the events as a stream does: each message once, in order, and after a gap they ask the leader for what
 * is missing. Every keep-alive contains the leader's cursor, so that a gap shows even if no message follows. Without locks
 * or broadcast channels each tab opens its own stream.
 *
 * During a deployment, tabs of two versions share a room: keep the events compatible.
 */

import { EMPTY, relation, uuid } from './message.js';
import { openStream, watchPage } from './stream.js';
import { systemClock } from './waiting.js';

/** Messages kept for tabs that join later or missed some. A tab that missed more fetches a snapshot. */
const MAX_KEPT = 200;

/** A leader answers immediately, unless its tab is frozen or its page hangs. */
const ANSWER_MS = 3_000;

/** Two keep-alives of the stream and a margin, as in stream.js. */
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
 *   | {type: 'tell', tab: string, messages: Final[], reset?: string, standing: Standing}} TabEvent
 *
 * @typedef {StreamOptions & {
 *   name: string,
 *   locks?: LockManager | null,
 *   Channel?: new (name: string) => BroadcastChannel,
 *   open?: typeof openStream,
 *   limit?: (open: typeof openStream) => typeof openStream,
 *   tab?: string,
 * }} TabOptions `name`: the same in all tabs of the room; `limit`: limits the open streams of all rooms
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
    // A page that may not use storage may not use channels either.
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
  const isVisible = () => window.document.visibilityState === 'visible';

  let cursor = options.cursor;
  let lastReceived = clock.now();
  /** @type {unknown} */
  let silence;
  /** @type {Standing} */
  let standing = { state: 'connecting' };
  /** Oldest first, without gaps. @type {Final[]} */
  let kept = [];
  /** The cursor before the first of them. */
  let base = cursor;
  /** An answer of the leader is expected. It will cover everything that arrives before it. */
  let asking = false;
  /** Other tabs that are visible, as far as a leader knows. @type {Set<string>} */
  const visibleTabs = new Set();
  /** Set while this tab leads. @type {import('./stream.js').Stream | null} */
  let stream = null;
  /** Aborted when this tab stops leading or waiting for the lock. */
  let candidacy = new AbortController();
  /** @type {BroadcastChannel | null} */
  let channel = null;

  const unwatch = watchPage({
    window,
    // The network is left to the stream of the leader.
    onWake: () => { if (!channel) join(); },
    onVisible() {
      broadcastSeen(true);
      ask();
    },
    onHidden: () => broadcastSeen(false),
    // Browsers keep no page with a lock or an open channel in the back/forward cache.
    onSleep: leave,
  });
  onState('connecting');
  join();
  return { cursor: () => cursor, close };

  function join() {
    candidacy = new AbortController();
    channel = new Channel(options.name);
    channel.addEventListener('message', (event) => receive(event.data));
    void lead(candidacy, false);
    ask();
    watchSilence();
  }

  function leave() {
    broadcastSeen(false);
    candidacy.abort();
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

  /** @param {TabEvent} event */
  function broadcast(event) {
    channel?.postMessage(event);
  }

  /** @param {boolean} seen */
  function broadcastSeen(seen) {
    broadcast({ type: 'seen', tab, seen });
  }

  // === Leading ===

  /**
   * Waits for the lock, then leads until `mine` is aborted.
   *
   * @param {AbortController} mine
   * @param {boolean} steal takes the lock from a silent leader
   */
  async function lead(mine, steal) {
    const { signal } = mine;
    const over = new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    try {
      // The two options exclude each other: stealing does not wait, so it cannot be aborted.
      await locks.request(options.name, steal ? { steal } : { signal }, () => {
        if (signal.aborted) return undefined;
        startLeading();
        return over;
      });
      stopLeading();
    } catch (error) {
      // Aborted while it waited.
      if (signal.aborted) return;
      stopLeading();
      // AbortError: stolen by a tab that received nothing from this one. Anything else: there are no locks.
      if (/** @type {Error} */ (error).name === 'AbortError') void lead(mine, false);
      else startLeading();
    }
  }

  function startLeading() {
    clock.clearTimeout(silence);
    visibleTabs.clear();
    broadcast({ type: 'lead' });
    stream = open({
      ...options,
      cursor,
      isSeen: () => isVisible() || visibleTabs.size > 0,
      onMessage(message) {
        broadcast({ type: 'final', message });
        accept(message);
      },
      onProvisional(message) {
        broadcast({ type: 'provisional', message });
        onProvisional(message);
      },
      onRetract(provisionalId) {
        broadcast({ type: 'retract', provisionalId });
        onRetract(provisionalId);
      },
      onReset(reset) {
        broadcast({ type: 'reset', reset });
        applyReset(reset);
      },
      onState(state, problem) {
        // The stream of this tab was closed; the room continues.
        if (!stream && state === 'stopped') return;
        setStanding({ state, problem });
        broadcast({ type: 'state', standing, cursor });
        // The server may admit the next tab, as it may admit a reloaded page.
        if (state === 'stopped') leave();
      },
      onAlive: () => broadcast({ type: 'alive', cursor }),
    });
  }

  function stopLeading() {
    const ended = stream;
    stream = null;
    ended?.close();
    if (candidacy.signal.aborted) return;
    watchSilence();
    // Ask for what arrived meanwhile. Not by ask(): a new leader must not lose the lock for a late answer.
    broadcast({ type: 'ask', tab, seen: isVisible(), cursor });
  }

  // === Following ===

  /** @param {TabEvent} event */
  function receive(event) {
    if ('seen' in event) {
      if (event.seen) visibleTabs.add(event.tab);
      else visibleTabs.delete(event.tab);
      if (!stream || event.type === 'seen') return;
      stream.nudge?.();
      answer(event.tab, event.cursor);
      return;
    }
    // After a lock was stolen, two tabs lead for a moment: each uses its own stream only.
    if (stream) return;
    lastReceived = clock.now();
    if ('cursor' in event && event.cursor !== cursor && relation(cursor, event.cursor) !== 'seen') ask();
    switch (event.type) {
      case 'final':
        // Any message can follow an empty cursor, and only the leader knows whether others came before.
        if (cursor === EMPTY || relation(cursor, event.message.id) === 'gap') ask();
        else accept(event.message);
        break;
      case 'provisional':
        onProvisional(event.message);
        break;
      case 'retract':
        onRetract(event.provisionalId);
        break;
      case 'reset':
        applyReset(event.reset);
        break;
      case 'state':
        setStanding(event.standing);
        break;
      case 'lead':
        ask();
        break;
      case 'tell':
        if (event.tab !== tab) break;
        asking = false;
        if (event.reset !== undefined) applyReset({ reason: 'tab', lastEventId: event.reset });
        event.messages.forEach(accept);
        setStanding(event.standing);
        break;
      default:
    }
  }

  /** Asks the leader what this tab has missed. If it does not answer, this tab takes over. */
  function ask() {
    if (stream || !channel || asking) return;
    asking = true;
    const asked = clock.now();
    broadcast({ type: 'ask', tab, seen: isVisible(), cursor });
    const mine = candidacy;
    clock.setTimeout(() => {
      asking = false;
      if (mine.signal.aborted || stream || lastReceived >= asked) return;
      void locks.query().then(({ held = [] }) => {
        // If no tab holds the lock, the browser is about to grant it.
        if (held.some(({ name }) => name === options.name) && !mine.signal.aborted && !stream) takeOver();
      }).catch(() => {});
    }, ANSWER_MS);
  }

  function takeOver() {
    candidacy.abort();
    candidacy = new AbortController();
    void lead(candidacy, true);
  }

  /**
   * @param {string} to
   * @param {string} from a cursor
   */
  function answer(to, from) {
    const messages = kept.filter((message) => relation(from, message.id) !== 'seen');
    const complete = from === base || (from !== EMPTY && kept.length > 0 && relation(from, kept[0].id) !== 'gap');
    /** @type {TabEvent} */
    const event = complete || relation(from, cursor) === 'seen'
      ? { type: 'tell', tab: to, messages: complete ? messages : [], standing }
      : { type: 'tell', tab: to, messages: [], reset: cursor, standing };
    broadcast(event);
  }

  function watchSilence() {
    clock.clearTimeout(silence);
    silence = clock.setTimeout(() => {
      if (stream || !channel) return;
      if (clock.now() - lastReceived >= SILENCE_MS) ask();
      watchSilence();
    }, SILENCE_MS);
  }

  // === Both ===

  /** @param {Final} message */
  function accept(message) {
    if (relation(cursor, message.id) === 'seen') return;
    cursor = message.id;
    kept.push(message);
    if (kept.length > MAX_KEPT) base = /** @type {Final} */ (kept.shift()).id;
    onMessage(message);
  }

  /** @param {{reason: string, lastEventId: string}} reset */
  function applyReset(reset) {
    cursor = reset.lastEventId;
    base = cursor;
    kept = [];
    onReset(reset);
  }

  /** @param {Standing} now */
  function setStanding(now) {
    standing = now;
    onState(now.state, now.problem);
  }
}
