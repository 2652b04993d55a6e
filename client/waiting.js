/**
 * Waiting. Time is an argument: what waits takes a clock, so that tests need not.
 *
 * @typedef {object} Clock
 * @property {() => number} now milliseconds
 * @property {(run: () => void, ms: number) => unknown} setTimeout
 * @property {(timer: any) => void} clearTimeout
 */

/** The first wait is at most this long, in milliseconds. */
const BASE_MS = 500;

/** No wait is longer: somebody who watches the page should not have to reload it. */
const CAP_MS = 30_000;

/**
 * The wall clock, not `performance.now`: that one may stand still while a laptop sleeps, and silence during sleep
 * must count as silence.
 *
 * @type {Clock}
 */
export const systemClock = {
  now: () => Date.now(),
  setTimeout: (run, ms) => globalThis.setTimeout(run, ms),
  clearTimeout: (timer) => globalThis.clearTimeout(timer),
};

/**
 * Gives something so long, and no longer than a signal lets it. What it began ends with it: a response that nobody has
 * read to its end must not stay open.
 *
 * @template T
 * @param {number} ms
 * @param {Clock} clock
 * @param {AbortSignal | undefined} signal
 * @param {(limit: AbortSignal) => Promise<T>} run
 * @returns {Promise<T>}
 */
export async function within(ms, clock, signal, run) {
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
 * Until the time is over, or the signal is aborted.
 *
 * @param {number} ms
 * @param {Clock} clock
 * @param {AbortSignal} [signal]
 */
export function sleep(ms, clock, signal) {
  return within(ms, clock, signal, (limit) => new Promise((resolve) => limit.addEventListener('abort', resolve)));
}

/**
 * Exponential backoff with full jitter. When a proxy restarts, all its clients lose their streams in the same
 * instant; waits drawn from the whole interval spread their return evenly.
 *
 * @param {number} attempt 0 for the first wait
 * @param {() => number} [random] uniform in [0, 1)
 * @returns {number} milliseconds
 */
export function fullJitter(attempt, random = Math.random) {
  // 2 ** attempt is Infinity for a very patient tab; min() makes that the cap.
  return random() * Math.min(CAP_MS, BASE_MS * 2 ** attempt);
}
