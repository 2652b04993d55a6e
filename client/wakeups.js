/**
 * The moments at which a browser knows better than a timer: phones suspend tabs and switch networks, and afterwards
 * a dead connection still looks open.
 */

/**
 * @param {object} options
 * @param {Window} options.window
 * @param {() => void} options.onWake the connection is gone or worthless: open a new one now
 * @param {() => void} options.onVisible somebody looks at the page again
 * @param {() => void} options.onSleep the page is being left; it may come back from the back/forward cache
 * @returns {() => void} stops watching
 */
export function watchPage({ window, onWake, onVisible, onSleep }) {
  const watching = new AbortController();
  const { signal } = watching;
  window.addEventListener('online', onWake, { signal });
  window.addEventListener('pagehide', onSleep, { signal });
  window.addEventListener('pageshow', (event) => {
    if (event.persisted) onWake();
  }, { signal });
  window.document.addEventListener('visibilitychange', () => {
    if (window.document.visibilityState === 'visible') onVisible();
  }, { signal });
  return () => watching.abort();
}
