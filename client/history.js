/** Reading stored messages: the newest, or those before one that is on the page. */

import { fullJitter } from './backoff.js';
import { sleep, systemClock } from './clock.js';
import { isSnapshot } from './message.js';

/** A read that takes longer is given up; the server answers within 10 s or not at all. */
const READ_MS = 15_000;

/** The server gives 200 at most; more than a screen or two is a wait. */
const PAGE = 100;

/** @typedef {import('./message.js').Snapshot} Snapshot */

/**
 * The newest messages, however long it takes: without them the page shows a history that no longer exists.
 *
 * @param {string} url
 * @param {AbortSignal} signal
 * @returns {Promise<Snapshot>} rejects only when the signal is aborted
 */
export async function newest(url, signal) {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await read(url, signal);
    } catch {
      signal.throwIfAborted();
      await sleep(fullJitter(attempt), systemClock, signal);
    }
  }
}

/**
 * @param {string} url
 * @param {string} id
 * @returns {Promise<Snapshot>}
 */
export function before(url, id) {
  return read(`${url}?before=${encodeURIComponent(id)}&limit=${PAGE}`);
}

/**
 * @param {string} url
 * @param {AbortSignal} [signal]
 * @returns {Promise<Snapshot>}
 */
async function read(url, signal) {
  const request = new AbortController();
  const abort = () => request.abort();
  const deadline = setTimeout(abort, READ_MS);
  signal?.addEventListener('abort', abort, { once: true });
  try {
    const response = await fetch(url, {
      headers: { Accept: 'application/json' },
      cache: 'no-store',
      signal: request.signal,
    });
    const snapshot = response.ok ? await response.json() : undefined;
    if (!isSnapshot(snapshot)) throw new Error(`no messages in the answer (status ${response.status})`);
    return snapshot;
  } finally {
    clearTimeout(deadline);
    signal?.removeEventListener('abort', abort);
  }
}
