/**
 * Timeouts and pauses. The clock is an argument, so that tests need not wait.
 *
 * @typedef {object} Clock
 * @property {() => number} now milliseconds
 * @property {(run: () => void, ms: number) => unknown} setTimeout
 * @property {(timer: any) => void} clearTimeout
 */

/** The first pause is at most this long, in milliseconds. */
const BASE_MS = 500;

/** No pause is longer: a user who looks at the page should not have to reload it. */
const CAP_MS = 30_000;

/**
 * The wall clock, not `performance.now`: that one may stop while a laptop sleeps, and silence during sleep must count as
 * silence.
 *
 * @type {Clock}
 */
export const systemClock = {
  now: () => Date.now(),
  setTimeout: (run, ms) => globalThis.setTimeout(run, ms),
  clearTimeout: (timer) => globalThis.clearTimeout(timer),
};

/**
 * Runs something with a deadline, and no longer than a signal allows. The signal that it gets is aborted at its end as
 * well, so that a response whose body was not read does not stay open.
 *
 * @template T
 * @param {number} ms
 * @param {Clock} clock
 * @param {AbortSignal | undefined} signal
 * @param {(limit: AbortSignal) => Promise<T>} run
 * @returns {Promise<T>}
 */
export async function withTimeout(ms, clock, signal, run) {
  const limit = new AbortController();
  const abort = () => limit.abort();
  const timer = clock.setTimeout(abort, ms);
  signal?.addEventListener('abort', abort);
  try {
    const running = run(limit.signal);
    if (signal?.aborted) abort();
    return await running;
  } finally {
    abort();
    clock.clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
  }
}

/**
 * Resolves after a time, or when the signal is aborted.
 *
 * @param {number} ms
 * @param {Clock} clock
 * @param {AbortSignal} [signal]
 */
export function sleep(ms, clock, signal) {
  return withTimeout(ms, clock, signal, (limit) => new Promise((resolve) => limit.addEventListener('abort', resolve)));
}

/**
 * Exponential backoff with full jitter. When a proxy restarts, all its clients lose their streams at the same time; random
 * pauses from the whole interval spread the reconnections evenly.
 *
 * @param {number} attempt 0 for the first pause
 * @param {() => number} [random] uniform in [0, 1)
 * @returns {number} milliseconds
 */
export function fullJitter(attempt, random = Math.random) {
  // 2 ** attempt is Infinity in a tab left open for very long; min() makes that the cap.
  return random() * Math.min(CAP_MS, BASE_MS * 2 ** attempt);
}
