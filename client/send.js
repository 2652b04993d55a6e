/**
 * Sends messages. A message keeps its key from the first attempt on, so that it is stored once, however often it is
 * sent: automatically, by the user's retry, or by the page after a reload.
 */

import { isFinal, uuid as randomUuid } from './message.js';
import { errorMessage } from './probe.js';
import { sleep, systemClock, withTimeout } from './waiting.js';

/** Deadline of an attempt. The store's own is 8 s. */
const ATTEMPT_MS = 15_000;

/** Attempts after the first. With more, the user would wait for a minute before seeing that it failed. */
const RETRIES = 2;

const RETRY_BASE_MS = 500;

/** The longest pause that the server can ask for, because the user waits. */
const RETRY_AFTER_CAP_MS = 5_000;

/** Messages that wait for their turn. Only a dead connection or a script reaches this. */
const MAX_WAITING = 20;

/** A message older than this is not sent again automatically: the user may not want it any more. */
const STALE_MS = 5 * 60_000;

/**
 * @typedef {import('./message.js').Final} Final
 * @typedef {import('./message.js').Provisional} Provisional
 * @typedef {{key: string, text: string, reason: string, refused: boolean}} Failure `refused`: a retry would be, too
 *
 * @typedef {object} Unsent what a reload must not lose
 * @property {string} key
 * @property {string} text
 * @property {string} since the cursor at the first attempt
 * @property {number} at when the user sent it
 * @property {{reason: string, refused: boolean}} [failure]
 *
 * @typedef {object} SenderOptions
 * @property {string} url
 * @property {string} user
 * @property {() => string} cursor of the stream
 * @property {(draft: Provisional) => void} onPending the message is being sent
 * @property {(message: Final) => void} onSent the server stored the message
 * @property {(failure: Failure) => void} onFailed
 * @property {(unsent: Unsent[]) => void} [onUnsent] the list of messages that are not known to be stored has changed
 * @property {typeof globalThis.fetch} [fetch]
 * @property {import('./waiting.js').Clock} [clock]
 * @property {() => number} [random]
 * @property {() => string} [uuid]
 *
 * @typedef {{message: Final} | {reason: string, refused: boolean, pause?: number}} Outcome of an attempt; `pause`: what the
 *   server asks for, in milliseconds
 *
 * @typedef {object} Sender
 * @property {(text: string) => boolean} send returns false if too many messages wait and this one was not accepted
 * @property {(key: string) => void} retry sends a failed message again with its key
 * @property {() => void} resume sends failed messages again that were not refused and are not stale: the network is back
 * @property {(key: string) => string | undefined} discard gives up a failed message and returns its text
 * @property {(unsent: Unsent[]) => void} restore takes over what an earlier page, or this page before it was left, did not
 *   send
 * @property {(message: {provisionalId: string, from: string, text: string}) => void} settle the stream delivered a stored
 *   message
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

  /** @typedef {Unsent & {settled: AbortController}} Entry */
  /** By key. @type {Map<string, Entry>} */
  const waiting = new Map();
  /** By key. @type {Map<string, Entry>} */
  const failed = new Map();
  let queue = Promise.resolve();

  return { send, retry, resume, discard, restore, settle };

  /** @param {string} text */
  function send(text) {
    if (waiting.size >= MAX_WAITING) return false;
    enqueue({ key: uuid(), text, since: cursor(), at: clock.now() });
    return true;
  }

  /**
   * @param {string} key
   * @param {number} [at]
   */
  function retry(key, at = clock.now()) {
    const entry = failed.get(key);
    if (!entry) return;
    failed.delete(key);
    // With the cursor of the first attempt: the server looks for the key among the messages after it.
    enqueue({ key, text: entry.text, since: entry.since, at });
  }

  function resume() {
    for (const { key, at, failure } of failed.values()) {
      // With its age: what fails again and again is left to the user in the end.
      if (!failure?.refused && clock.now() - at < STALE_MS) retry(key, at);
    }
  }

  /** @param {string} key */
  function discard(key) {
    const entry = failed.get(key);
    failed.delete(key);
    reportUnsent();
    return entry?.text;
  }

  /** @param {Unsent[]} unsent */
  function restore(unsent) {
    for (const entry of unsent) {
      if (waiting.has(entry.key) || failed.has(entry.key)) continue;
      if (!entry.failure && clock.now() - entry.at < STALE_MS) {
        enqueue(entry);
      } else {
        show(entry);
        fail(entry, entry.failure ?? { reason: 'the page was left before it was sent', refused: false });
      }
    }
    reportUnsent();
  }

  /** @param {Unsent} unsent */
  function enqueue({ key, text, since, at }) {
    const entry = { key, text, since, at, settled: new AbortController() };
    waiting.set(key, entry);
    show(entry);
    reportUnsent();
    // One at a time: a user's messages must be stored in the order in which they were written.
    queue = queue.then(() => deliver(entry)).catch((error) => reportError(error));
  }

  /** @param {Unsent} entry */
  function show({ key, text, at }) {
    onPending({ provisionalId: key, from: user, text, date: new Date(at).toISOString() });
  }

  function reportUnsent() {
    const all = [...failed.values(), ...waiting.values()];
    onUnsent(all.map(({ key, text, since, at, failure }) => ({ key, text, since, at, failure })));
  }

  /**
   * Keys are public as soon as a message is shown, so another user's message may have one of ours. Then ours was not sent,
   * and the server's response will report it.
   *
   * @param {{ provisionalId: string, from: string, text: string }} message
   */
  function settle({ provisionalId: key, from, text }) {
    const entry = waiting.get(key) ?? failed.get(key);
    if (!entry || from !== user || text !== entry.text) return;
    waiting.get(key)?.settled.abort();
    waiting.delete(key);
    failed.delete(key);
    reportUnsent();
  }

  /** @param {Entry} entry */
  async function deliver(entry) {
    const { signal } = entry.settled;
    for (let attempt = 0; !signal.aborted; attempt += 1) {
      const outcome = await post(entry);
      if (signal.aborted) return;
      if ('message' in outcome) {
        waiting.delete(entry.key);
        reportUnsent();
        onSent(outcome.message);
        return;
      }
      const { reason, refused, pause = RETRY_BASE_MS * 2 ** attempt * (1 + random()) } = outcome;
      if (refused || attempt === RETRIES) return fail(entry, { reason, refused });
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
    reportUnsent();
    onFailed({ key, text, ...failure });
  }

  /**
   * @param {Entry} entry
   * @returns {Promise<Outcome>} never rejects
   */
  function post({ key, text, since, settled }) {
    return withTimeout(ATTEMPT_MS, clock, settled.signal, async (limit) => {
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
          // A user who sends and closes the tab wants it sent.
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
  const reason = await errorMessage(response);
  // Of the 5xx, only 501 is permanent; a proxy whose backend restarts answers 502 or 504.
  const refused = response.status !== 429 && (response.status < 500 || response.status === 501);
  if (refused) return { reason: reason ?? `the server refused it (status ${response.status})`, refused };
  const seconds = Number(response.headers.get('Retry-After') ?? NaN);
  return {
    reason: reason ?? 'the server cannot store messages right now', refused, pause: seconds > 0 ? seconds * 1000 : undefined,
  };
}
