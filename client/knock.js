/**
 * Asks why a stream is refused. An EventSource says only that it was, never the status or the body, so a 204 ("stop")
 * would look like a 503 ("later"), and a refusal that names its remedy would stay mute.
 *
 * @typedef {{outcome: 'open'} | {outcome: 'stop'} | {outcome: 'refused', problem?: string}} Knock
 */

import { systemClock, within } from './waiting.js';

/** The stream's own watch ends it before. */
const ANSWER_MS = 60_000;

/**
 * @param {string} url
 * @param {AbortSignal} signal
 * @returns {Promise<Knock>} never rejects
 */
export async function knock(url, signal) {
  try {
    return await within(ANSWER_MS, systemClock, signal, async (limit) => {
      const response = await fetch(url, { headers: { Accept: 'text/event-stream' }, cache: 'no-store', signal: limit });
      if (response.status === 204) return { outcome: 'stop' };
      // The stream itself is the EventSource's business; this response ends here.
      if (response.ok) return { outcome: 'open' };
      return { outcome: 'refused', problem: await remedy(response) };
    });
  } catch {
    return { outcome: 'refused' };
  }
}

/**
 * The words of a refusal: `{"error": <code>, "message": <remedy>}`.
 *
 * @param {Response} response
 * @returns {Promise<string | undefined>}
 */
export async function remedy(response) {
  try {
    const { message } = await response.json();
    return typeof message === 'string' && message !== '' ? message : undefined;
  } catch {
    return undefined;
  }
}
