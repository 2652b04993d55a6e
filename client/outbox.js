/** What somebody has not sent in this tab, kept over reloads. */

import { parseJson } from './message.js';
import { forThisTab } from './storage.js';

/** @typedef {import('./send.js').Unsent} Unsent */

/**
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
      const kept = parseJson(forThisTab.get(key) ?? '[]');
      return Array.isArray(kept) ? kept : [];
    },
  };
}
