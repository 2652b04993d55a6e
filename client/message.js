/**
 * Messages as the server sends them, their ids, and the keys that identify them before they have an id.
 *
 * An id is a cursor: `<epoch>-<seq>`, or `0` for a room without messages. Within an epoch the numbers are dense, so that a
 * client can detect by itself that it missed a message.
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

/** The cursor of an empty room. */
export const EMPTY = '0';

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

/**
 * @param {string} id
 * @returns {{epoch: string, seq: number} | null} null if it is not the id of a message
 */
export function parseId(id) {
  const match = /^([0-9a-z]+)-([0-9]+)$/.exec(id);
  return match ? { epoch: match[1], seq: Number(match[2]) } : null;
}

/**
 * Relates a message to the last one before it.
 *
 * @param {string} cursor the last message seen
 * @param {string} id the message that arrived
 * @returns {'next' | 'seen' | 'gap'} `gap`: messages between the two are missing, or the epoch changed
 */
export function relation(cursor, id) {
  const message = parseId(id);
  if (!message) return 'gap';
  if (cursor === EMPTY) return 'next';
  const seen = parseId(cursor);
  if (!seen || seen.epoch !== message.epoch) return 'gap';
  if (message.seq <= seen.seq) return 'seen';
  return message.seq === seen.seq + 1 ? 'next' : 'gap';
}

/**
 * A random UUID (version 4). `crypto.randomUUID` exists in secure contexts only, and a chat on a LAN may use plain HTTP;
 * `getRandomValues` exists everywhere.
 *
 * @param {Pick<Crypto, 'getRandomValues'> & {randomUUID?: () => string}} [crypto]
 * @returns {string}
 */
export function uuid(crypto = globalThis.crypto) {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  // RFC 9562, section 5.4: version and variant.
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/u, '$1-$2-$3-$4-');
}
