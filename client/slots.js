/**
 * A browser opens six connections to a host over HTTP/1.1, for all its tabs together, and a stream takes one for good:
 * six rooms in six tabs, and the seventh page does not even load. So four streams are open at most, and a room beyond
 * them asks every few seconds; whichever room somebody looks at takes the place of one that nobody sees in any tab.
 */

import { newest } from './history.js';
import { EMPTY, relation } from './message.js';
import { sleep, systemClock } from './waiting.js';

/** Two connections stay for everything else. */
const SLOTS = 4;

const POLL_MS = 4_000;
const POLL_HIDDEN_MS = 15_000;

/** A read that takes longer is worth a word. */
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
    /** While there is a slot. @type {Stream | null} */
    let stream = null;
    let giveUp = () => {};
    /** While there is none. */
    let waiting = new AbortController();

    // A room that nobody sees makes place for one that somebody looks at; its own turn comes again.
    channel.addEventListener('message', () => {
      if (!isSeen()) giveUp();
    });
    document.addEventListener('visibilitychange', () => {
      if (!document.hidden) nudge();
    }, { signal: closed.signal });
    void run();
    return { cursor: () => stream?.cursor() ?? cursor, close, nudge };

    function close() {
      closed.abort();
      waiting.abort();
      giveUp();
      channel.close();
      onState('stopped');
    }

    /** Somebody looks at the room, in this tab or another. */
    function nudge() {
      if (stream) stream.nudge?.();
      else if (!closed.signal.aborted) channel.postMessage('make place');
    }

    async function run() {
      while (!closed.signal.aborted) {
        waiting = new AbortController();
        const late = clock.setTimeout(() => void poll(waiting.signal), 100);
        const release = await anySlot(waiting.signal).catch(() => null);
        clock.clearTimeout(late);
        waiting.abort();
        if (!release) return;
        if (!closed.signal.aborted) await streamed();
        release();
      }
    }

    async function streamed() {
      const over = new Promise((resolve) => { giveUp = () => resolve(undefined); });
      let ending = false;
      stream = open({
        ...options,
        cursor,
        onState(state, problem) {
          // Its last word is about the connection, not about the room.
          if (!ending) onState(state, problem);
        },
      });
      await over;
      ending = true;
      cursor = stream.cursor();
      stream.close();
      stream = null;
      giveUp = () => {};
    }

    /** @param {AbortSignal} signal */
    async function poll(signal) {
      while (!signal.aborted) {
        // Each time: those before it in the queue may be hidden as well.
        if (isSeen()) nudge();
        const slow = clock.setTimeout(() => onState('reconnecting'), SLOW_MS);
        // Until it succeeds, or is not wanted any more.
        const snapshot = await read(options.url, signal).catch(() => null);
        clock.clearTimeout(slow);
        if (signal.aborted || !snapshot) return;
        onState('live');
        const fresh = snapshot.messages.filter((message) => relation(cursor, message.id) !== 'seen');
        const next = fresh.length > 0 && relation(cursor, fresh[0].id) === 'next' && !(cursor === EMPTY && snapshot.more);
        const whole = next || snapshot.lastEventId === cursor;
        cursor = snapshot.lastEventId;
        if (whole) fresh.forEach(onMessage);
        else onReset({ reason: 'polled', lastEventId: cursor });
        await sleep(isSeen() ? POLL_MS : POLL_HIDDEN_MS, clock, signal);
      }
    }

    /**
     * @param {AbortSignal} signal
     * @returns {Promise<() => void>} gives the slot back
     */
    function anySlot(signal) {
      const granted = new AbortController();
      signal.addEventListener('abort', () => granted.abort(), { once: true });
      return new Promise((resolve, reject) => {
        signal.addEventListener('abort', reject, { once: true });
        for (let slot = 0; slot < SLOTS; slot += 1) {
          const request = locks.request(`${NAME}.${slot}`, { signal: granted.signal }, () => {
            // Two may come free at once.
            if (granted.signal.aborted) return undefined;
            granted.abort();
            return new Promise((release) => resolve(() => release(undefined)));
          });
          // Without a lock to be had there is no limit.
          request.catch(({ name }) => { if (name !== 'AbortError') resolve(() => {}); });
        }
      });
    }
  }
}

/** HTTP/2 and 3 carry a hundred streams over one connection. */
function isMultiplexed() {
  const [page] = globalThis.performance?.getEntriesByType?.('navigation') ?? [];
  return /^h[23]/u.test(/** @type {PerformanceNavigationTiming | undefined} */ (page)?.nextHopProtocol ?? '');
}
