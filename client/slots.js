/**
 * Limits the open streams. Over HTTP/1.1 a browser opens six connections to a host for all its tabs, and each stream keeps
 * one: with six rooms in six tabs, a seventh page would not even load. So at most four streams are open. A room without
 * one polls, and a room that a user looks at takes the slot of a room that is hidden in all tabs.
 */

import { newest } from './history.js';
import { EMPTY, relation } from './message.js';
import { sleep, systemClock } from './waiting.js';

/** Leaves two connections for other requests. */
const SLOTS = 4;

const POLL_MS = 4_000;
const POLL_HIDDEN_MS = 15_000;

/** A poll that takes longer is shown as reconnecting. */
const SLOW_MS = 5_000;

const NAME = 'gripchat.streams';

/**
 * @typedef {import('./stream.js').Stream} Stream
 * @typedef {import('./stream.js').StreamOptions} StreamOptions
 * @typedef {(options: StreamOptions) => Stream} Open
 */

/**
 * @param {Open} open
 * @param {object} [browser]
 * @param {LockManager} [browser.locks]
 * @param {new (name: string) => BroadcastChannel} [browser.Channel]
 * @param {Document} [browser.document]
 * @param {typeof newest} [browser.read]
 * @returns {Open}
 */
export function limitStreams(open, browser = {}) {
  const {
    locks = globalThis.navigator.locks, Channel = globalThis.BroadcastChannel, document = globalThis.document,
    read = newest,
  } = browser;
  return isMultiplexed() ? open : limited;

  /** @param {StreamOptions} options */
  function limited(options) {
    const clock = options.clock ?? systemClock;
    const { onMessage, onReset, onState, isSeen = () => !document.hidden } = options;
    const closed = new AbortController();
    const channel = new Channel(NAME);
    let { cursor } = options;
    /** Set while this room has a slot. @type {Stream | null} */
    let stream = null;
    let releaseSlot = () => {};
    /** For the time without a slot. */
    let waiting = new AbortController();

    // A hidden room releases its slot to one that a user looks at, and queues again.
    channel.addEventListener('message', () => {
      if (!isSeen()) releaseSlot();
    });
    document.addEventListener('visibilitychange', () => {
      if (!document.hidden) nudge();
    }, { signal: closed.signal });
    void run();
    return { cursor: () => stream?.cursor() ?? cursor, close, nudge };

    function close() {
      closed.abort();
      waiting.abort();
      releaseSlot();
      channel.close();
      onState('stopped');
    }

    /** A user looks at the room, in this tab or another. */
    function nudge() {
      if (stream) stream.nudge?.();
      else if (!closed.signal.aborted) channel.postMessage('make place');
    }

    async function run() {
      while (!closed.signal.aborted) {
        waiting = new AbortController();
        const timer = clock.setTimeout(() => void poll(waiting.signal), 100);
        const release = await acquireSlot(waiting.signal).catch(() => null);
        clock.clearTimeout(timer);
        waiting.abort();
        if (!release) return;
        if (!closed.signal.aborted) await runStream();
        release();
      }
    }

    /** Resolves when the room must release its slot. */
    async function runStream() {
      const released = new Promise((resolve) => { releaseSlot = () => resolve(undefined); });
      let ending = false;
      stream = open({
        ...options,
        cursor,
        onState(state, problem) {
          // The stream reports its end, but the room continues.
          if (!ending) onState(state, problem);
        },
      });
      await released;
      ending = true;
      cursor = stream.cursor();
      stream.close();
      stream = null;
      releaseSlot = () => {};
    }

    /** @param {AbortSignal} signal */
    async function poll(signal) {
      while (!signal.aborted) {
        // Each time: the rooms before this one in the queue may be hidden as well, and release their slots again.
        if (isSeen()) nudge();
        const slow = clock.setTimeout(() => onState('reconnecting'), SLOW_MS);
        // Retries until it succeeds or is aborted.
        const snapshot = await read(options.url, signal).catch(() => null);
        clock.clearTimeout(slow);
        if (signal.aborted || !snapshot) return;
        onState('live');
        const fresh = snapshot.messages.filter((message) => relation(cursor, message.id) !== 'seen');
        const next = fresh.length > 0 && relation(cursor, fresh[0].id) === 'next' && !(cursor === EMPTY && snapshot.more);
        const complete = next || snapshot.lastEventId === cursor;
        cursor = snapshot.lastEventId;
        if (complete) fresh.forEach(onMessage);
        else onReset({ reason: 'polled', lastEventId: cursor });
        await sleep(isSeen() ? POLL_MS : POLL_HIDDEN_MS, clock, signal);
      }
    }

    /**
     * @param {AbortSignal} signal
     * @returns {Promise<() => void>} releases the slot
     */
    function acquireSlot(signal) {
      const granted = new AbortController();
      signal.addEventListener('abort', () => granted.abort(), { once: true });
      return new Promise((resolve, reject) => {
        signal.addEventListener('abort', reject, { once: true });
        for (let slot = 0; slot < SLOTS; slot += 1) {
          const request = locks.request(`${NAME}.${slot}`, { signal: granted.signal }, () => {
            // Two slots may become free at the same time.
            if (granted.signal.aborted) return undefined;
            granted.abort();
            return new Promise((release) => resolve(() => release(undefined)));
          });
          // Without locks there is no limit.
          request.catch(({ name }) => { if (name !== 'AbortError') resolve(() => {}); });
        }
      });
    }
  }
}

/** HTTP/2 and HTTP/3 carry a hundred streams over one connection. */
function isMultiplexed() {
  const [page] = globalThis.performance?.getEntriesByType?.('navigation') ?? [];
  return /^h[23]/u.test(/** @type {PerformanceNavigationTiming | undefined} */ (page)?.nextHopProtocol ?? '');
}
