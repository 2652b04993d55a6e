// Assertions for scenarios. playwright-core has none.

import assert from 'node:assert/strict';

/** `expect(condition, message)`. */
export function expect(condition, message) {
  assert.ok(condition, message);
}

/** Deep and strict. */
expect.equal = (actual, expected, message) => assert.deepEqual(actual, expected, message);

expect.match = (actual, pattern, message) => assert.match(actual, pattern, message);

/**
 * Calls `probe` until it returns a truthy value, and returns that. An exception counts as false.
 *
 * Only a scenario that fails waits for the whole time: on a busy machine, anything may take a browser seconds.
 */
expect.eventually = async (what, probe, within = 30_000) => {
  const deadline = Date.now() + within;
  for (;;) {
    const seen = await Promise.resolve().then(probe).catch((error) => ({ error }));
    if (seen && !seen.error) return seen;
    assert.ok(Date.now() < deadline, `not within ${within} ms: ${what}; last: ${seen?.error ?? JSON.stringify(seen)}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};
