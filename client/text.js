/**
 * What a text shows beside its letters: links, and emoji that stand alone. The server does the same for the history it
 * renders (src/web/pages/text.rs); tests/client/vectors/text.json holds both to it.
 */

/** @typedef {{text: string, href?: string}} Piece */

/**
 * Ends at white space, by JavaScript's and by Unicode's word, at what no address holds, or at what parts sentences that
 * have no white space. A part of a longer word is found first, and is none; not every Safari can look behind.
 */
const ADDRESS = /[\p{Alphabetic}\p{N}]https?:\/\/|(https?:\/\/[^\s\u0085<>"、。《-】！（），：；？]+)/giu;

/** What follows an address in a sentence and is not a part of it. */
const TRAILING = '.,;:!?\'*_~`’”»…';

const BRACKETS = [['(', ')'], ['[', ']'], ['{', '}']];

/** Emoji that stand alone are shown large, up to so many UTF-16 units: a family of four has eleven. */
const MOST_ALONE = 24;

/** Digits, `#` and `*` are emoji too, in Unicode's word for what can be made one. */
const EMOJI_ALONE = /^(?:(?![\0-\x7f])[\p{Emoji}\p{Emoji_Component}]|[\u200d\ufe0f ])+$/u;

/**
 * The text in pieces, of which some are links. Together they are the text. In time linear in its length.
 *
 * @param {string} text
 * @returns {Piece[]}
 */
export function pieces(text) {
  /** @type {Piece[]} */
  const found = [];
  let from = 0;
  for (const { 1: match, index } of text.matchAll(ADDRESS)) {
    if (!match) continue;
    const address = trimmed(match);
    if (address.endsWith('://') || !(URL.canParse?.(address) ?? true)) continue;
    if (index > from) found.push({ text: text.slice(from, index) });
    found.push({ text: address, href: address });
    from = index + address.length;
  }
  if (from < text.length || found.length === 0) found.push({ text: text.slice(from) });
  return found;
}

/**
 * Without the full stop of the sentence, and without a bracket that was opened before the address.
 *
 * @param {string} address
 */
function trimmed(address) {
  /** @param {string} character */
  const count = (character) => address.split(character).length - 1;
  const surplus = new Map(BRACKETS.map(([opening, closing]) => [closing, count(closing) - count(opening)]));
  let end = address.length;
  for (; end > 0; end -= 1) {
    const last = address[end - 1];
    const left = surplus.get(last) ?? 0;
    if (left > 0) surplus.set(last, left - 1);
    else if (!TRAILING.includes(last)) break;
  }
  return address.slice(0, end);
}

/**
 * Whether a text is a few emoji and nothing else.
 *
 * @param {string} text
 */
export function isEmojiAlone(text) {
  return text.length <= MOST_ALONE && /\S/u.test(text) && EMOJI_ALONE.test(text);
}
