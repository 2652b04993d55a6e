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
     * @returns {unknown} undefined if it is not JSON
     */
    json(key) {
      return parseJson(this.get(key) ?? '');
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

/**
 * What somebody has not sent in this tab.
 *
 * @typedef {import('./send.js').Unsent} Unsent
 *
 * @param {string} roomPath
 * @param {string} user nobody sends what another wrote
 */
export function outbox(roomPath, user) {
  const key = `unsent.${roomPath}.${user}`;
  return {
    /** @param {Unsent[]} unsent */
    keep(unsent) {
      forThisTab.put(key, unsent.length > 0 ? JSON.stringify(unsent) : '');
    },
    /** @returns {Unsent[]} */
    kept() {
      const kept = forThisTab.json(key);
      return Array.isArray(kept) ? kept : [];
    },
  };
}

/**
 * @param {string} json
 * @returns {unknown} undefined if it is not JSON
 */
export function parseJson(json) {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
