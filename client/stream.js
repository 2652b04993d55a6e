/**
 * The stream of a room, across connections. It does not depend on the page: it passes messages to callbacks, in order,
 * each once, without gaps.
 *
 * It never uses the reconnection of EventSource, which stops permanently on any status but 200, has a fixed pause, and
 * cannot tell a dead connection from a quiet one.
 */

import { isFinal, isProvisional, relation } from './message.js';
import { probe as probeOverHttp } from './probe.js';
import { parseJson } from './storage.js';
import { fullJitter, systemClock } from './waiting.js';

/** The server sends something at least every 20 s: after two missed keep-alives and a margin, the connection is dead. */
const SILENCE_MS = 45_000;

/** A tab that becomes visible has missed a keep-alive if its last event is older than this. */
const STALE_MS = 25_000;

/** A connection that lasted this long counts as a success: the next failure starts with a short pause again. */
const STABLE_MS = 10_000;

/** A pause this long means that the replay of missed messages is over. */
const REPLAY_MS = 300;

/** EventSource.CLOSED: on an error it means that the server refused the stream, any other state that the network failed. */
const CLOSED = 2;

/**
 * @typedef {import('./message.js').Final} Final
 * @typedef {import('./message.js').Provisional} Provisional
 * @typedef {'connecting' | 'live' | 'reconnecting' | 'catching-up' | 'stopped'} StreamState
 *
 * @typedef {object} StreamOptions
 * @property {string} url
 * @property {string} cursor of the newest message on the page
 * @property {(message: Final) => void} onMessage
 * @property {(message: Provisional) => void} onProvisional
 * @property {(provisionalId: string) => void} onRetract
 * @property {(reset: {reason: string, lastEventId: string}) => void} onReset the page is out of date: fetch a
 *   snapshot
 * @property {(state: StreamState, problem?: string) => void} onState `problem`: why the server refuses, in its own text
 * @property {() => void} [onAlive] a keep-alive arrived
 * @property {() => boolean} [isSeen] whether a user looks at the room
 * @property {new (url: string) => EventSource} [EventSource]
 * @property {import('./waiting.js').Clock} [clock]
 * @property {() => number} [random]
 * @property {Window} [window]
 * @property {typeof probeOverHttp} [probe]
 *
 * @typedef {object} Stream
 * @property {() => string} cursor
 * @property {() => void} close
 * @property {() => void} [nudge] a user looks at the room: reconnects if the connection may be dead
 */

/**
 * @param {StreamOptions} options
 * @returns {Stream}
 */
export function openStream(options) {
  const { url, onMessage, onProvisional, onRetract, onReset, onState, onAlive = () => {} } = options;
  const Source = options.EventSource ?? globalThis.EventSource;
  const clock = options.clock ?? systemClock;
  const random = options.random ?? Math.random;
  const probe = options.probe ?? probeOverHttp;

  let cursor = options.cursor;
  let failures = 0;
  let refused = false;
  let stopped = false;
  let lastEvent = clock.now();
  /** Aborting it ends the current connection, or attempt to connect. @type {AbortController | null} */
  let current = null;
  /** @type {unknown} */
  let retry;
  let opened = false;
  /** Set while the stream catches up. @type {unknown} */
  let replay;

  const unwatch = watchPage({
    window: options.window ?? globalThis.window,
    onWake: reconnectNow,
    onVisible: nudge,
    onSleep: disconnect,
  });
  onState('connecting');
  void connect();

  return { cursor: () => cursor, close: () => stop(), nudge };

  function nudge() {
    if (clock.now() - lastEvent > STALE_MS) reconnectNow();
  }

  function address() {
    return `${url}?lastEventId=${encodeURIComponent(cursor)}`;
  }

  function disconnect() {
    clock.clearTimeout(retry);
    clock.clearTimeout(replay);
    replay = undefined;
    current?.abort();
    current = null;
  }

  function stop() {
    if (stopped) return;
    stopped = true;
    disconnect();
    unwatch();
    onState('stopped');
  }

  function reconnectNow() {
    if (stopped) return;
    disconnect();
    failures = 0;
    onState('reconnecting');
    void connect();
  }

  /** @param {string} [problem] */
  function reconnectLater(problem) {
    disconnect();
    onState('reconnecting', problem);
    retry = clock.setTimeout(() => void connect(), fullJitter(failures, random));
    failures += 1;
  }

  async function connect() {
    const connection = new AbortController();
    current = connection;
    const { signal } = connection;
    // Before the first byte: a connection that is accepted and never answered is dead as well.
    lastEvent = clock.now();
    watchSilence(signal);
    if (refused) {
      const answer = await probe(address(), signal);
      if (signal.aborted) return;
      if (answer.outcome === 'stop') return stop();
      if (answer.outcome === 'refused') return reconnectLater(answer.problem);
      refused = false;
    }
    listen(signal);
  }

  /** @param {AbortSignal} signal */
  function watchSilence(signal) {
    // One timer that reads the clock, instead of one reset per event; it is also right where timers are throttled.
    let timer = clock.setTimeout(check, SILENCE_MS);
    signal.addEventListener('abort', () => clock.clearTimeout(timer), { once: true });

    function check() {
      const silence = clock.now() - lastEvent;
      if (silence >= SILENCE_MS) reconnectLater();
      else timer = clock.setTimeout(check, SILENCE_MS - silence);
    }
  }

  /** @param {AbortSignal} signal */
  function listen(signal) {
    const source = new Source(address());
    /** @type {unknown} */
    let stable;
    signal.addEventListener('abort', () => {
      clock.clearTimeout(stable);
      source.close();
    }, { once: true });

    // A closed EventSource may still deliver queued events; they are ignored.
    /** @type {(name: string, handle: (data: any) => void) => void} */
    const on = (name, handle) => source.addEventListener(name, (event) => {
      if (signal.aborted) return;
      lastEvent = clock.now();
      handle(parseJson(/** @type {MessageEvent} */ (event).data));
    });

    source.addEventListener('open', () => {
      if (signal.aborted) return;
      lastEvent = clock.now();
      stable = clock.setTimeout(() => { failures = 0; }, STABLE_MS);
      if (opened) catchUp();
      else onState('live');
      opened = true;
    });
    source.addEventListener('error', () => {
      if (signal.aborted) return;
      refused = source.readyState === CLOSED;
      reconnectLater();
    });
    on('keep-alive', onAlive);
    // Its cursor is ignored: it may be the end of the replay that follows, and adopting it would drop the replay. If no
    // replay follows, the next message shows the gap.
    on('stream-open', () => {});
    on('stream-reset', reset);
    on('message', receive);
  }

  /** Lasts until new messages arrive. The server does not report where a replay ends: it may not have read that far. */
  function catchUp() {
    if (replay === undefined) onState('catching-up');
    clock.clearTimeout(replay);
    replay = clock.setTimeout(caughtUp, REPLAY_MS);
  }

  function caughtUp() {
    if (replay === undefined) return;
    clock.clearTimeout(replay);
    replay = undefined;
    onState('live');
  }

  /** @param {{reason?: unknown, lastEventId?: unknown} | undefined} data */
  function reset(data) {
    if (typeof data?.lastEventId !== 'string') return;
    cursor = data.lastEventId;
    onReset({ reason: String(data.reason), lastEventId: cursor });
  }

  /**
   * Only the JSON tells what kind of message it is: a provisional event has no id line, so its `lastEventId` is that of the
   * message before it.
   *
   * @param {unknown} message
   */
  function receive(message) {
    if (isFinal(message)) {
      const order = relation(cursor, message.id);
      if (order === 'seen') return;
      // With jitter as after a failure: all clients are likely to have the gap at the same time.
      if (order === 'gap') return reconnectLater();
      cursor = message.id;
      if (replay !== undefined) catchUp();
      onMessage(message);
    } else if (isProvisional(message)) {
      // Provisional messages are never replayed, so this one is new.
      caughtUp();
      if ('retracted' in message && message.retracted === true) onRetract(message.provisionalId);
      else onProvisional(message);
    }
  }
}

/**
 * Reports the events after which a connection may be dead although it still looks open: phones suspend tabs and switch
 * networks.
 *
 * @param {object} options
 * @param {Window} options.window
 * @param {() => void} options.onWake the connection is lost or useless: open a new one now
 * @param {() => void} options.onVisible a user looks at the page again
 * @param {() => void} [options.onHidden] the page is not visible any more
 * @param {() => void} options.onSleep the page is being left; it may come back from the back/forward cache
 * @returns {() => void} removes the listeners
 */
export function watchPage({ window, onWake, onVisible, onHidden, onSleep }) {
  const watching = new AbortController();
  const { signal } = watching;
  window.addEventListener('online', onWake, { signal });
  window.addEventListener('pagehide', onSleep, { signal });
  window.addEventListener('pageshow', (event) => {
    if (event.persisted) onWake();
  }, { signal });
  window.document.addEventListener('visibilitychange', () => {
    if (window.document.visibilityState === 'visible') onVisible();
    else onHidden?.();
  }, { signal });
  return () => watching.abort();
}
