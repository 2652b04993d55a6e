/** The line that says whether the page is live. */

/** A reconnection shorter than this is nobody's concern. */
const GRACE_MS = 1_000;

/** @typedef {import('./stream.js').StreamState} StreamState */

/**
 * @param {HTMLElement} line
 * @returns {(state: StreamState, problem?: string) => void}
 */
export function statusLine(line) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let later;
  return (state, problem) => {
    clearTimeout(later);
    const show = () => {
      line.dataset.state = state;
      // A sentence gets a line of its own; a word stands beside the room's name.
      line.classList.toggle('long', problem !== undefined || state === 'stopped');
      // Rewriting the same words would make a screen reader say them again.
      const text = words(state, problem);
      if (line.textContent !== text) line.textContent = text;
    };
    if (state === 'reconnecting' && line.dataset.state === 'live') later = setTimeout(show, GRACE_MS);
    else show();
  };
}

/**
 * @param {StreamState} state
 * @param {string} [problem]
 */
function words(state, problem) {
  if (state === 'connecting') return 'Connecting…';
  if (state === 'live') return 'Live';
  if (state === 'stopped') return 'The server ended this stream. Reload the page to see new messages.';
  if (problem) return `Reconnecting… ${problem}`;
  return navigator.onLine ? 'Reconnecting…' : 'Offline. Waiting for the network…';
}
