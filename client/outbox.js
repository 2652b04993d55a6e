/** What this tab has not sent, kept over reloads. */

import { parseJson } from './message.js';
import { forThisTab } from './storage.js';

/** @typedef {import('./send.js').Unsent} Unsent */

/** @param {string} roomPath */
export function outbox(roomPath) {
  const key = `unsent.${roomPath}`;
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
