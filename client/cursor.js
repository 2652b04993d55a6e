/**
 * Cursors: `<epoch>-<seq>`, or `0` for a room without messages. Within an epoch the numbers are dense, which is what
 * lets a client see by itself that it missed something.
 */

/** The cursor of an empty room. */
export const EMPTY = '0';

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
