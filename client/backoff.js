/** The first wait is at most this long, in milliseconds. */
const BASE_MS = 500;

/** No wait is longer: somebody who watches the page should not have to reload it. */
const CAP_MS = 30_000;

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
