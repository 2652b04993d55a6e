/** Reads stored messages: the newest, or those before a message on the page. */

import { isSnapshot } from './message.js';
import { fullJitter, sleep, systemClock, withTimeout } from './waiting.js';

/** Deadline of a read. The server's own is 10 s. */
const READ_MS = 15_000;

/** Messages per request. The server's limit is 200, but more than a screen or two would be a wait. */
const PAGE_SIZE = 100;

/** Loads this far ahead of what is visible, in heights of the log: a reader who does not hurry never waits. */
const AHEAD = '200% 0px 0px';

/** @typedef {import('./message.js').Snapshot} Snapshot */

/**
 * Reads the newest messages, and tries again until it succeeds: without them the page shows a history that no longer
 * exists.
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
 * Loads older messages when the reader gets near the first one on the page. If that fails, a click on the link tries
 * again.
 *
 * @param {object} options
 * @param {string} options.url
 * @param {HTMLElement} options.log
 * @param {HTMLElement} options.link without scripts it leads to a page of older messages
 * @param {() => string | undefined} options.oldestId
 * @param {(page: Snapshot) => void} options.onPage
 * @param {(failed: boolean) => void} options.onOutcome
 */
export function loadOlder({ url, log, link, oldestId, onPage, onOutcome }) {
  let loading = false;
  const observer = new IntersectionObserver((entries) => {
    if (entries.at(-1)?.isIntersecting) void load();
  }, { root: log, rootMargin: AHEAD });
  observer.observe(link);
  link.addEventListener('click', (event) => {
    event.preventDefault();
    void load();
  });

  async function load() {
    const id = oldestId();
    if (loading || id === undefined || link.hidden) return;
    loading = true;
    link.setAttribute('aria-busy', 'true');
    try {
      const page = await read(`${url}?before=${encodeURIComponent(id)}&limit=${PAGE_SIZE}`);
      // After a reset in the meantime, these messages may not precede what is on the page.
      if (oldestId() === id) onPage(page);
      onOutcome(false);
      // An observer reports changes only: observed anew, it also reports a link that is still near.
      observer.unobserve(link);
      observer.observe(link);
    } catch {
      onOutcome(true);
    } finally {
      loading = false;
      link.removeAttribute('aria-busy');
    }
  }
}

/**
 * @param {string} url
 * @param {AbortSignal} [signal]
 * @returns {Promise<Snapshot>}
 */
function read(url, signal) {
  return withTimeout(READ_MS, systemClock, signal, async (limit) => {
    const response = await fetch(url, { headers: { Accept: 'application/json' }, cache: 'no-store', signal: limit });
    const snapshot = response.ok ? await response.json() : undefined;
    if (!isSnapshot(snapshot)) throw new Error(`the response contains no messages (status ${response.status})`);
    return snapshot;
  });
}
