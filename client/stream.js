/**
 * A room's stream that outlives its connections. It knows no page content: messages go out through callbacks, in
 * order, each once, without a hole.
 *
 * The browser's own reconnection is never used. It gives up for good on any answer but 200, its pause is fixed, and
 * it cannot tell a dead connection from a quiet one.
 */

import { knock as knockOverHttp } from './knock.js';
import { isFinal, isProvisional, relation } from './message.js';
import { parseJson } from './storage.js';
import { fullJitter, systemClock } from './waiting.js';

/** The server breaks every silence after 20 s: two keep-alives missed and a margin mean a dead connection. */
const SILENCE_MS = 45_000;

/** A tab that comes back to the front has missed a keep-alive if its last event is older than this. */
const STALE_MS = 25_000;

/** A connection that lasted this long is a success: the next failure starts again with a short wait. */
const STABLE_MS = 10_000;

/** What was missed comes without a pause. */
const REPLAY_MS = 300;

/** EventSource.CLOSED: at an error it means that the server refused, any other state that the network failed. */
const CLOSED = 2;

/**
 * @typedef {import('./message.js').Final} Final
 * @typedef {import('./message.js').Provisional} Provisional
 * @typedef {'connecting' | 'live' | 'reconnecting' | 'catching-up' | 'stopped'} StreamState
 *
 * @typedef {object} StreamOptions
 * @property {string} url
 * @property {string} cursor of what the page already shows
 * @property {(message: Final) => void} onMessage
 * @property {(message: Provisional) => void} onProvisional
 * @property {(provisionalId: string) => void} onRetract
 * @property {(reset: {reason: string, lastEventId: string}) => void} onReset what is shown is out of date: take a
 *   snapshot
 * @property {(state: StreamState, problem?: string) => void} onState `problem`: why the server refuses, in its words
 * @property {() => void} [onAlive] the server broke the silence
 * @property {() => boolean} [isSeen] whether somebody looks at what comes
 * @property {new (url: string) => EventSource} [EventSource]
 * @property {import('./waiting.js').Clock} [clock]
 * @property {() => number} [random]
 * @property {Window} [window]
 * @property {typeof knockOverHttp} [knock]
 *
 * @typedef {object} Stream
 * @property {() => string} cursor
 * @property {() => void} close
 * @property {() => void} [nudge] somebody looks at it
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
  const knock = options.knock ?? knockOverHttp;

  let cursor = options.cursor;
  let failures = 0;
  let refused = false;
  let stopped = false;
  let lastEvent = clock.now();
  /** The one connection, or attempt at one; aborting it is how it ends. @type {AbortController | null} */
  let current = null;
  /** @type {unknown} */
  let retry;
  let opened = false;
  /** Armed while the stream catches up. @type {unknown} */
  let replay;

  const unwatch = watchPage({
    window: options.window ?? globalThis.window,
    onWake: reconnectNow,
    onVisible: nudge,
    onSleep: hangUp,
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

  function hangUp() {
    clock.clearTimeout(retry);
    clock.clearTimeout(replay);
    replay = undefined;
    current?.abort();
    current = null;
  }

  function stop() {
    if (stopped) return;
    stopped = true;
    hangUp();
    unwatch();
    onState('stopped');
  }

  function reconnectNow() {
    if (stopped) return;
    hangUp();
    failures = 0;
    onState('reconnecting');
    void connect();
  }

  /** @param {string} [problem] */
  function reconnectLater(problem) {
    hangUp();
    onState('reconnecting', problem);
    retry = clock.setTimeout(() => void connect(), fullJitter(failures, random));
    failures += 1;
  }

  async function connect() {
    const connection = new AbortController();
    current = connection;
    const { signal } = connection;
    // Armed before the first byte: a connection that is accepted and never answered is dead as well.
    lastEvent = clock.now();
    watchSilence(signal);
    if (refused) {
      const answer = await knock(address(), signal);
      if (signal.aborted) return;
      if (answer.outcome === 'stop') return stop();
      if (answer.outcome === 'refused') return reconnectLater(answer.problem);
      refused = false;
    }
    listen(signal);
  }

  /** @param {AbortSignal} signal */
  function watchSilence(signal) {
    // One timer that looks at the clock, not one reset per event; it also stays right where timers are throttled.
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

    // A closed EventSource may still have events queued; they belong to nobody.
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
    // Its cursor is not taken: it may name the end of the replay that follows, and taking it would drop the replay.
    // Where it names a place without a replay, the next message shows the hole.
    on('stream-open', () => {});
    on('stream-reset', reset);
    on('message', receive);
  }

  /** Until what comes is new. The server does not say where a replay ends: it may not have read so far. */
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
   * The JSON alone decides what a message is: a provisional event has no id line, so the event's `lastEventId` is that
   * of the message before it.
   *
   * @param {unknown} message
   */
  function receive(message) {
    if (isFinal(message)) {
      const place = relation(cursor, message.id);
      if (place === 'seen') return;
      // Jittered like any other failure: a hole is likely to be everybody's at once.
      if (place === 'hole') return reconnectLater();
      cursor = message.id;
      if (replay !== undefined) catchUp();
      onMessage(message);
    } else if (isProvisional(message)) {
      // Never replayed.
      caughtUp();
      if ('retracted' in message && message.retracted === true) onRetract(message.provisionalId);
      else onProvisional(message);
    }
  }
}

/**
 * The moments at which a browser knows better than a timer: phones suspend tabs and switch networks, and afterwards
 * a dead connection still looks open.
 *
 * @param {object} options
 * @param {Window} options.window
 * @param {() => void} options.onWake the connection is gone or worthless: open a new one now
 * @param {() => void} options.onVisible somebody looks at the page again
 * @param {() => void} [options.onHidden] nobody does any more
 * @param {() => void} options.onSleep the page is being left; it may come back from the back/forward cache
 * @returns {() => void} stops watching
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
