/**
 * What travels: messages as the server writes them, checked where they come in, the cursors that are their ids, and the
 * keys that they have before.
 *
 * Cursors are `<epoch>-<seq>`, or `0` for a room without messages. Within an epoch the numbers are dense, which is what
 * lets a client see by itself that it missed something.
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
 * @returns {{epoch: string, seq: number} | null} null if it is no message's id
 */
export function parseId(id) {
  const match = /^([0-9a-z]+)-([0-9]+)$/.exec(id);
  return match ? { epoch: match[1], seq: Number(match[2]) } : null;
}

/**
 * How a message stands to what was seen before it.
 *
 * @param {string} cursor the last message seen
 * @param {string} id the message that arrived
 * @returns {'next' | 'seen' | 'hole'} `hole`: something between the two is missing, or the epoch changed
 */
export function relation(cursor, id) {
  const message = parseId(id);
  if (!message) return 'hole';
  if (cursor === EMPTY) return 'next';
  const seen = parseId(cursor);
  if (!seen || seen.epoch !== message.epoch) return 'hole';
  if (message.seq <= seen.seq) return 'seen';
  return message.seq === seen.seq + 1 ? 'next' : 'hole';
}

/**
 * A random UUID (version 4). `crypto.randomUUID` exists in secure contexts only, and a chat on somebody's LAN is
 * plain http; `getRandomValues` is everywhere.
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
