/**
 * Browser storage. It can be forbidden or full, and nothing depends on it: what cannot be read counts as never stored.
 *
 * @param {'localStorage' | 'sessionStorage'} area
 */
function store(area) {
  return {
    /**
     * @param {string} key
     * @returns {string | null}
     */
    get(key) {
      try {
        return globalThis[area].getItem(`gripchat.${key}`);
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
     * @param {string} value an empty one removes the key
     */
    put(key, value) {
      try {
        if (value === '') globalThis[area].removeItem(`gripchat.${key}`);
        else globalThis[area].setItem(`gripchat.${key}`, value);
      } catch {
        // See above.
      }
    },
  };
}

/** Shared by all tabs, without expiry. */
export const persistent = store('localStorage');

/** For this tab until it is closed, also across reloads. */
export const perTab = store('sessionStorage');

/**
 * The unsent messages of a user in this tab.
 *
 * @typedef {import('./send.js').Unsent} Unsent
 *
 * @param {string} roomPath
 * @param {string} user part of the key, so that no message is sent under another name
 */
export function outbox(roomPath, user) {
  const key = `unsent.${roomPath}.${user}`;
  return {
    /** @param {Unsent[]} unsent */
    save(unsent) {
      perTab.put(key, unsent.length > 0 ? JSON.stringify(unsent) : '');
    },
    /** @returns {Unsent[]} */
    load() {
      const stored = perTab.json(key);
      return Array.isArray(stored) ? stored : [];
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
