/** Reading stored messages: the newest, or those before one that is on the page. */

import { isSnapshot } from './message.js';
import { fullJitter, sleep, systemClock, within } from './waiting.js';

/** A read that takes longer is given up; the server answers within 10 s or not at all. */
const READ_MS = 15_000;

/** The server gives 200 at most; more than a screen or two is a wait. */
const PAGE = 100;

/** So far above what is seen, in heights of the log, that a reader who does not hurry never waits. */
const AHEAD = '200% 0px 0px';

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
 * Older messages come in as the reader gets near the first that is there. Where that fails, the link asks again.
 *
 * @param {object} options
 * @param {string} options.url
 * @param {HTMLElement} options.log
 * @param {HTMLElement} options.link leads to a page of its own where there is no script
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
      const page = await read(`${url}?before=${encodeURIComponent(id)}&limit=${PAGE}`);
      // A reset in the meantime replaced what these messages came before.
      if (oldestId() === id) onPage(page);
      onOutcome(false);
      // It says nothing of a link that stays in reach, unless it is asked anew.
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
  return within(READ_MS, systemClock, signal, async (limit) => {
    const response = await fetch(url, { headers: { Accept: 'application/json' }, cache: 'no-store', signal: limit });
    const snapshot = response.ok ? await response.json() : undefined;
    if (!isSnapshot(snapshot)) throw new Error(`no messages in the answer (status ${response.status})`);
    return snapshot;
  });
}
