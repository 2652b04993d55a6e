/**
 * Finds links in a text, and texts that consist of emoji only. The server does the same for the history that it renders
 * (src/web/pages/text.rs); tests/client/vectors/text.json tests both.
 */

/** @typedef {{text: string, href?: string}} Piece */

/**
 * An address ends at white space as JavaScript or Unicode defines it, at a character that no address contains, or at
 * punctuation of scripts without white space. The first alternative consumes what is part of a longer word and is no
 * address: not every Safari has lookbehind.
 */
const ADDRESS = /[\p{Alphabetic}\p{N}]https?:\/\/|(https?:\/\/[^\s\u0085<>"、。《-】！（），：；？]+)/giu;

/** Characters after an address that belong to the sentence. */
const TRAILING = '.,;:!?\'*_~`’”»…';

const BRACKETS = [['(', ')'], ['[', ']'], ['{', '}']];

/** The longest text of emoji only that is shown large, in UTF-16 units: a family of four has eleven. */
const MAX_EMOJI_UNITS = 24;

/** Without ASCII: digits, `#` and `*` have the property Emoji as well, because sequences can make them one. */
const EMOJI_ONLY = /^(?:(?![\0-\x7f])[\p{Emoji}\p{Emoji_Component}]|[\u200d\ufe0f ])+$/u;

/**
 * Splits a text into pieces, some of which are links. Joined, they are the text. Takes time linear in its length.
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
 * Removes the punctuation after an address, and closing brackets that were opened before it.
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
 * Whether a text consists of a few emoji only.
 *
 * @param {string} text
 */
export function isEmojiOnly(text) {
  return text.length <= MAX_EMOJI_UNITS && /\S/u.test(text) && EMOJI_ONLY.test(text);
}
