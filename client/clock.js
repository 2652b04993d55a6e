/**
 * Time, as an argument: what waits takes a clock, so that tests need not wait.
 *
 * @typedef {object} Clock
 * @property {() => number} now milliseconds
 * @property {(run: () => void, ms: number) => unknown} setTimeout
 * @property {(timer: any) => void} clearTimeout
 */

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
 * Waits, or rejects with the signal's reason as soon as it is aborted.
 *
 * @param {number} ms
 * @param {Clock} clock
 * @param {AbortSignal} [signal]
 * @returns {Promise<void>}
 */
export function sleep(ms, clock, signal) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const abort = () => {
      clock.clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = clock.setTimeout(() => {
      signal?.removeEventListener('abort', abort);
      resolve();
    }, ms);
    signal?.addEventListener('abort', abort, { once: true });
  });
}
