/**
 * What a browser keeps for the next page. Storage can be forbidden or full, and nothing depends on it: what cannot be
 * read was never kept.
 *
 * @param {'localStorage' | 'sessionStorage'} which
 */
function shelf(which) {
  return {
    /**
     * @param {string} key
     * @returns {string | null}
     */
    get(key) {
      try {
        return globalThis[which].getItem(`gripchat.${key}`);
      } catch {
        return null;
      }
    },
    /**
     * @param {string} key
     * @param {string} value an empty one is not kept
     */
    put(key, value) {
      try {
        if (value === '') globalThis[which].removeItem(`gripchat.${key}`);
        else globalThis[which].setItem(`gripchat.${key}`, value);
      } catch {
        // See above.
      }
    },
  };
}

/** For all tabs, for good. */
export const forGood = shelf('localStorage');

/** For this tab, as long as it is open; reloads included. */
export const forThisTab = shelf('sessionStorage');
