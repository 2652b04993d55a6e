/** Older messages come in as the reader gets near the first that is there. Where that fails, the link asks again. */

import * as history from './history.js';

/** So far above what is seen, in heights of the log, that a reader who does not hurry never waits. */
const AHEAD = '200% 0px 0px';

/**
 * @typedef {import('./message.js').Snapshot} Snapshot
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
      const page = await history.before(url, id);
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
