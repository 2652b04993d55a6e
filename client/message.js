/**
 * What travels: messages as the server writes them, checked where they come in.
 *
 * @typedef {object} Provisional a message that is not stored yet
 * @property {string} provisionalId
 * @property {string} from
 * @property {string} text
 * @property {string} date RFC 3339, UTC
 *
 * @typedef {Provisional & {id: string}} Final a stored message; `id` is its cursor
 *
 * @typedef {object} Snapshot
 * @property {Final[]} messages ascending
 * @property {string} lastEventId
 * @property {boolean} more whether older messages are stored
 */

/**
 * @param {unknown} value
 * @returns {value is Provisional}
 */
export function isProvisional(value) {
  if (typeof value !== 'object' || value === null) return false;
  const fields = /** @type {Record<string, unknown>} */ (value);
  return ['provisionalId', 'from', 'text', 'date'].every((name) => typeof fields[name] === 'string');
}

/**
 * @param {unknown} value
 * @returns {value is Final}
 */
export function isFinal(value) {
  return isProvisional(value) && typeof (/** @type {{id?: unknown}} */ (value).id) === 'string';
}

/**
 * @param {unknown} value
 * @returns {value is Snapshot}
 */
export function isSnapshot(value) {
  if (typeof value !== 'object' || value === null) return false;
  const { messages, lastEventId, more } = /** @type {Record<string, unknown>} */ (value);
  if (!Array.isArray(messages) || !messages.every(isFinal)) return false;
  return typeof lastEventId === 'string' && typeof more === 'boolean';
}
