/**
 * Posting. A message has one key from its first attempt on, so that however often it is sent, it is stored once: by
 * itself, by the writer who tries again, and by the page after a reload.
 */

import { remedy } from './knock.js';
import { isFinal, uuid as randomUuid } from './message.js';
import { sleep, systemClock, within } from './waiting.js';

/** An attempt that takes longer has no answer; the store's own deadline is 8 s. */
const ATTEMPT_MS = 15_000;

/** After the first attempt. More would keep the writer waiting for a minute before hearing that it failed. */
const RETRIES = 2;

const RETRY_BASE_MS = 500;

/** The longest pause the server can ask for while the writer waits. */
const RETRY_AFTER_CAP_MS = 5_000;

/** Messages that wait for their turn. Whoever fills this has a dead connection or a script. */
const MAX_WAITING = 20;

/** What was on its way this long ago is sent by nobody but the writer: by now it may not be meant any more. */
const STALE_MS = 5 * 60_000;

/**
 * @typedef {import('./message.js').Final} Final
 * @typedef {import('./message.js').Provisional} Provisional
 * @typedef {{key: string, text: string, reason: string, refused: boolean}} Failure `refused`: for good
 *
 * @typedef {object} Unsent what a reload must not lose
 * @property {string} key
 * @property {string} text
 * @property {string} since the cursor at the first attempt
 * @property {number} at when it was sent, by the writer
 * @property {{reason: string, refused: boolean}} [failure]
 *
 * @typedef {object} SenderOptions
 * @property {string} url
 * @property {string} user
 * @property {() => string} cursor of the stream
 * @property {(draft: Provisional) => void} onPending the message is on its way
 * @property {(message: Final) => void} onSent the server's answer
 * @property {(failure: Failure) => void} onFailed
 * @property {(unsent: Unsent[]) => void} [onUnsent] what is not stored, as far as this page knows, has changed
 * @property {typeof globalThis.fetch} [fetch]
 * @property {import('./waiting.js').Clock} [clock]
 * @property {() => number} [random]
 * @property {() => string} [uuid]
 *
 * @typedef {{message: Final} | {reason: string, refused: boolean, pause?: number}} Outcome of an attempt; the pause is
 *   what the server asks for, in milliseconds
 *
 * @typedef {object} Sender
 * @property {(text: string) => boolean} send false: too much is waiting, nothing was taken
 * @property {(key: string) => void} retry a message that failed, with the key it had
 * @property {() => void} resume what was not refused and is not old is sent again: the network is back
 * @property {(key: string) => string | undefined} discard gives up a message that failed, and returns its text
 * @property {(unsent: Unsent[]) => void} restore what another life of this page has not sent
 * @property {(message: {provisionalId: string, from: string, text: string}) => void} settle this is stored, as the
 *   stream knows
 */

/**
 * @param {SenderOptions} options
 * @returns {Sender}
 */
export function createSender(options) {
  const { url, user, cursor, onPending, onSent, onFailed, onUnsent = () => {} } = options;
  const request = options.fetch ?? globalThis.fetch.bind(globalThis);
  const clock = options.clock ?? systemClock;
  const random = options.random ?? Math.random;
  const uuid = options.uuid ?? randomUuid;

  /** @typedef {Unsent & {settled: AbortController}} Letter */
  /** By key. @type {Map<string, Letter>} */
  const waiting = new Map();
  /** By key. @type {Map<string, Letter>} */
  const failed = new Map();
  let turn = Promise.resolve();

  return { send, retry, resume, discard, restore, settle };

  /** @param {string} text */
  function send(text) {
    if (waiting.size >= MAX_WAITING) return false;
    post({ key: uuid(), text, since: cursor(), at: clock.now() });
    return true;
  }

  /**
   * @param {string} key
   * @param {number} [at]
   */
  function retry(key, at = clock.now()) {
    const letter = failed.get(key);
    if (!letter) return;
    failed.delete(key);
    // The cursor stays that of the first attempt as well: the server looks for the key among what came after it.
    post({ key, text: letter.text, since: letter.since, at });
  }

  function resume() {
    for (const { key, at, failure } of failed.values()) {
      // As old as it was: what fails again and again is the writer's in the end.
      if (!failure?.refused && clock.now() - at < STALE_MS) retry(key, at);
    }
  }

  /** @param {string} key */
  function discard(key) {
    const letter = failed.get(key);
    failed.delete(key);
    changed();
    return letter?.text;
  }

  /** @param {Unsent[]} unsent */
  function restore(unsent) {
    for (const letter of unsent) {
      if (waiting.has(letter.key) || failed.has(letter.key)) continue;
      if (!letter.failure && clock.now() - letter.at < STALE_MS) {
        post(letter);
      } else {
        show(letter);
        fail(letter, letter.failure ?? { reason: 'the page was left before it was sent', refused: false });
      }
    }
    changed();
  }

  /** @param {Unsent} unsent */
  function post({ key, text, since, at }) {
    const letter = { key, text, since, at, settled: new AbortController() };
    waiting.set(key, letter);
    show(letter);
    changed();
    // One at a time: what somebody writes must be stored in the order it was written.
    turn = turn.then(() => deliver(letter)).catch((error) => reportError(error));
  }

  /** @param {Unsent} letter */
  function show({ key, text, at }) {
    onPending({ provisionalId: key, from: user, text, date: new Date(at).toISOString() });
  }

  function changed() {
    const all = [...failed.values(), ...waiting.values()];
    onUnsent(all.map(({ key, text, since, at, failure }) => ({ key, text, since, at, failure })));
  }

  /**
   * Keys are public as soon as a message is shown, so somebody else's message may carry one of ours. Then ours was not
   * sent, and the server's answer will say so.
   *
   * @param {{ provisionalId: string, from: string, text: string }} message
   */
  function settle({ provisionalId: key, from, text }) {
    const letter = waiting.get(key) ?? failed.get(key);
    if (!letter || from !== user || text !== letter.text) return;
    waiting.get(key)?.settled.abort();
    waiting.delete(key);
    failed.delete(key);
    changed();
  }

  /** @param {Letter} letter */
  async function deliver(letter) {
    const { signal } = letter.settled;
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      const outcome = await attemptOnce(letter);
      if (signal.aborted) return;
      if ('message' in outcome) {
        waiting.delete(letter.key);
        changed();
        onSent(outcome.message);
        return;
      }
      const { reason, refused, pause = RETRY_BASE_MS * 2 ** attempt * (1 + random()) } = outcome;
      if (refused || attempt === RETRIES) return fail(letter, { reason, refused });
      await sleep(Math.min(pause, RETRY_AFTER_CAP_MS), clock, signal);
    }
  }

  /**
   * @param {Unsent} unsent
   * @param {{reason: string, refused: boolean}} failure
   */
  function fail(unsent, failure) {
    const { key, text } = unsent;
    waiting.delete(key);
    failed.set(key, { ...unsent, failure, settled: new AbortController() });
    changed();
    onFailed({ key, text, ...failure });
  }

  /**
   * @param {Letter} letter
   * @returns {Promise<Outcome>} never rejects
   */
  function attemptOnce({ key, text, since, settled }) {
    return within(ATTEMPT_MS, clock, settled.signal, async (limit) => {
      try {
        const response = await request(url, {
          method: 'POST',
          headers: {
            Accept: 'application/json',
            'Content-Type': 'application/json',
            'Idempotency-Key': key,
            'Last-Event-ID': since,
          },
          body: JSON.stringify({ from: user, text }),
          cache: 'no-store',
          // Whoever sends and closes the tab means to send.
          keepalive: true,
          signal: limit,
        });
        return await read(response);
      } catch {
        const reason = limit.aborted ? 'the server did not answer in time' : 'the server cannot be reached';
        return { reason, refused: false };
      }
    });
  }
}

/**
 * @param {Response} response
 * @returns {Promise<Outcome>}
 */
async function read(response) {
  if (response.ok) {
    const message = await response.json();
    return isFinal(message) ? { message } : { reason: 'the server’s answer could not be read', refused: false };
  }
  const reason = await remedy(response);
  // Of the 5xx only 501 says "never"; a proxy whose backend restarts answers 502 or 504.
  const refused = response.status !== 429 && (response.status < 500 || response.status === 501);
  if (refused) return { reason: reason ?? `the server refused it (status ${response.status})`, refused };
  const seconds = Number(response.headers.get('Retry-After') ?? NaN);
  return {
    reason: reason ?? 'the server cannot store messages right now', refused, pause: seconds > 0 ? seconds * 1000 : undefined,
  };
}
