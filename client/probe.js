/**
 * Finds out why a stream is refused. An EventSource reports neither status nor body, so a 204 ("stop") would look like a
 * 503 ("later"), and the user would not see a message that names the remedy.
 *
 * @typedef {{outcome: 'open'} | {outcome: 'stop'} | {outcome: 'refused', problem?: string}} Probe
 */

import { systemClock, withTimeout } from './waiting.js';

/** Longer than the stream's own limit for silence, which aborts it before. */
const ANSWER_MS = 60_000;

/**
 * @param {string} url
 * @param {AbortSignal} signal
 * @returns {Promise<Probe>} never rejects
 */
export async function probe(url, signal) {
  try {
    return await withTimeout(ANSWER_MS, systemClock, signal, async (limit) => {
      const response = await fetch(url, { headers: { Accept: 'text/event-stream' }, cache: 'no-store', signal: limit });
      if (response.status === 204) return { outcome: 'stop' };
      // The EventSource reads the stream; this response is closed.
      if (response.ok) return { outcome: 'open' };
      return { outcome: 'refused', problem: await errorMessage(response) };
    });
  } catch {
    return { outcome: 'refused' };
  }
}

/**
 * Reads the message of an error response, `{"error": <code>, "message": <remedy>}`.
 *
 * @param {Response} response
 * @returns {Promise<string | undefined>}
 */
export async function errorMessage(response) {
  try {
    const { message } = await response.json();
    return typeof message === 'string' && message !== '' ? message : undefined;
  } catch {
    return undefined;
  }
}
