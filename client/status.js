/** Tells, quietly, whether the page is live. */

/** What is over sooner is nobody's concern. */
const GRACE_MS = { reconnecting: 1_000, 'catching-up': 400 };

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
      line.dataset.state = state === 'reconnecting' && !navigator.onLine ? 'offline' : state;
      // A sentence stands below the bar; a word stands in it.
      line.classList.toggle('long', problem !== undefined || state === 'stopped');
      // Rewriting the same words would make a screen reader say them again.
      const text = words(state, problem);
      if (line.textContent !== text) line.textContent = text;
    };
    const grace = line.dataset.state === 'live' && state in GRACE_MS
      ? GRACE_MS[/** @type {keyof typeof GRACE_MS} */ (state)] : 0;
    if (grace > 0) later = setTimeout(show, grace);
    else show();
  };
}

/**
 * @param {StreamState} state
 * @param {string} [problem]
 */
function words(state, problem) {
  switch (state) {
    case 'connecting': return 'Connecting…';
    case 'live': return 'Live';
    case 'catching-up': return 'Catching up…';
    case 'stopped': return 'The server ended this stream. Reload the page to see new messages.';
    default:
      if (!navigator.onLine) return 'Offline';
      return problem ? `Reconnecting… ${problem}` : 'Reconnecting…';
  }
}
