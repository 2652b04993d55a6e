/**
 * Posting. A message has one key from its first attempt on, so that however often it is sent, it is stored once.
 */

import { systemClock, sleep } from './clock.js';
import { remedy } from './knock.js';
import { isFinal } from './message.js';
import { uuid as randomUuid } from './uuid.js';

/** An attempt that takes longer has no answer; the store's own deadline is 8 s. */
const ATTEMPT_MS = 15_000;

/** After the first attempt. More would keep the writer waiting for a minute before hearing that it failed. */
const RETRIES = 2;

const RETRY_BASE_MS = 500;

/** The longest pause the server can ask for while the writer waits. */
const RETRY_AFTER_CAP_MS = 5_000;

/** Messages that wait for their turn. Whoever fills this has a dead connection or a script. */
const MAX_WAITING = 20;

/** Failed texts whose keys are kept for the writer's next try. */
const MAX_FAILED = 20;

/**
 * @typedef {import('./message.js').Final} Final
 * @typedef {import('./message.js').Provisional} Provisional
 * @typedef {{key: string, text: string, reason: string}} Failure
 *
 * @typedef {object} SenderOptions
 * @property {string} url
 * @property {string} user
 * @property {() => string} cursor of the stream
 * @property {(draft: Provisional) => void} onPending the message is on its way
 * @property {(message: Final) => void} onSent the server's answer
 * @property {(failure: Failure) => void} onFailed
 * @property {typeof globalThis.fetch} [fetch]
 * @property {import('./clock.js').Clock} [clock]
 * @property {() => number} [random]
 * @property {() => string} [uuid]
 *
 * @typedef {object} Sender
 * @property {(text: string) => boolean} send false: too much is waiting, nothing was taken
 * @property {(message: Pick<Final, 'provisionalId' | 'from' | 'text'>) => boolean} settle takes note of a stored
 *   message, as the stream tells of it; whether it is what this page sent under that key
 */

/** Refused for good: another attempt would be refused as well. */
class Refused extends Error {}

/** Worth another attempt. */
class Unavailable extends Error {
  /**
   * @param {string} message
   * @param {number} [retryAfterMs]
   */
  constructor(message, retryAfterMs) {
    super(message);
    this.retryAfterMs = retryAfterMs;
  }
}

/**
 * @param {SenderOptions} options
 * @returns {Sender}
 */
export function createSender(options) {
  const { url, user, cursor, onPending, onSent, onFailed } = options;
  const request = options.fetch ?? globalThis.fetch.bind(globalThis);
  const clock = options.clock ?? systemClock;
  const random = options.random ?? Math.random;
  const uuid = options.uuid ?? randomUuid;

  /** @typedef {{key: string, text: string, since: string, settled: AbortController}} Letter */
  /** By key. @type {Map<string, Letter>} */
  const waiting = new Map();
  /** By text, oldest first. @type {Map<string, Letter>} */
  const failed = new Map();
  let turn = Promise.resolve();

  return { send, settle };

  /** @param {string} text */
  function send(text) {
    if (waiting.size >= MAX_WAITING) return false;
    const earlier = failed.get(text);
    failed.delete(text);
    // The cursor stays that of the first attempt as well: the server looks for the key among what came after it.
    const { key, since } = earlier ?? { key: uuid(), since: cursor() };
    const letter = { key, text, since, settled: new AbortController() };
    waiting.set(key, letter);
    onPending({ provisionalId: key, from: user, text, date: new Date(clock.now()).toISOString() });
    // One at a time: what somebody writes must be stored in the order it was written.
    turn = turn.then(() => deliver(letter));
    return true;
  }

  /**
   * Keys are public as soon as a message is shown, so somebody else's message may carry one of ours. Then ours was not
   * sent, and the server's answer will say so.
   *
   * @type {Sender['settle']}
   */
  function settle({ provisionalId, from, text }) {
    const letters = [waiting.get(provisionalId), ...failed.values()];
    const letter = letters.find((letter) => letter?.key === provisionalId);
    if (letter && (from !== user || text !== letter.text)) return false;
    waiting.get(provisionalId)?.settled.abort();
    waiting.delete(provisionalId);
    for (const [text, letter] of failed) if (letter.key === provisionalId) failed.delete(text);
    return true;
  }

  /** @param {Letter} letter */
  async function deliver(letter) {
    const { signal } = letter.settled;
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      try {
        const message = await post(letter);
        if (signal.aborted) return;
        waiting.delete(letter.key);
        return onSent(message);
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof Refused || attempt === RETRIES) return fail(letter, error);
        const asked = error instanceof Unavailable ? error.retryAfterMs : undefined;
        const pause = asked ?? RETRY_BASE_MS * 2 ** attempt * (1 + random());
        await sleep(Math.min(pause, RETRY_AFTER_CAP_MS), clock, signal).catch(() => {});
      }
    }
  }

  /**
   * @param {Letter} letter
   * @param {unknown} error
   */
  function fail(letter, error) {
    waiting.delete(letter.key);
    // What was refused is not stored under this key, and never will be.
    if (!(error instanceof Refused)) failed.set(letter.text, letter);
    if (failed.size > MAX_FAILED) failed.delete(/** @type {string} */ (failed.keys().next().value));
    const known = error instanceof Refused || error instanceof Unavailable;
    const reason = known ? error.message : 'something went wrong on this page';
    onFailed({ key: letter.key, text: letter.text, reason });
  }

  /**
   * @param {Letter} letter
   * @returns {Promise<Final>}
   */
  async function post(letter) {
    const attempt = new AbortController();
    const abort = () => attempt.abort();
    const deadline = clock.setTimeout(abort, ATTEMPT_MS);
    letter.settled.signal.addEventListener('abort', abort, { once: true });
    try {
      const response = await request(url, {
        method: 'POST',
        headers: {
          Accept: 'application/json',
          'Content-Type': 'application/json',
          'Idempotency-Key': letter.key,
          'Last-Event-ID': letter.since,
        },
        body: JSON.stringify({ from: user, text: letter.text }),
        cache: 'no-store',
        // Whoever sends and closes the tab means to send.
        keepalive: true,
        signal: attempt.signal,
      });
      return await read(response);
    } catch (error) {
      if (error instanceof Refused || error instanceof Unavailable) throw error;
      const late = attempt.signal.aborted;
      throw new Unavailable(late ? 'the server did not answer in time' : 'the server cannot be reached');
    } finally {
      clock.clearTimeout(deadline);
      letter.settled.signal.removeEventListener('abort', abort);
    }
  }
}

/**
 * @param {Response} response
 * @returns {Promise<Final>}
 */
async function read(response) {
  if (response.ok) {
    const message = await response.json();
    if (isFinal(message)) return message;
    throw new Unavailable('the server’s answer could not be read');
  }
  const reason = await remedy(response);
  // Of the 5xx only 501 says "never"; a proxy whose backend restarts answers 502 or 504.
  if (response.status === 429 || (response.status >= 500 && response.status !== 501)) {
    const seconds = Number(response.headers.get('Retry-After') ?? NaN);
    const pause = seconds > 0 ? seconds * 1000 : undefined;
    throw new Unavailable(reason ?? 'the server cannot store messages right now', pause);
  }
  throw new Refused(reason ?? `the server refused it (status ${response.status})`);
}
