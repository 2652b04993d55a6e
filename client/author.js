/**
 * What stands for an author: one or two letters, and one of a few hues, the same in every browser. The server does the
 * same (src/web/pages/author.rs); tests/client/vectors/author.json holds both to it.
 */

/** As many as base.css has. */
const HUES = 12;

/**
 * The first letters of the first and the last word.
 *
 * @param {string} name
 */
export function initials(name) {
  const words = name.split(/\s+/u).filter((word) => word !== '');
  const letters = [words.at(0), words.length > 1 ? words.at(-1) : undefined].map((word = '') => {
    const characters = [...word];
    return characters.find((character) => /[\p{Alphabetic}\p{N}]/u.test(character)) ?? '';
  });
  return letters.join('').toUpperCase() || ([...name.trim()][0] ?? '');
}

/**
 * FNV-1a, which spreads short names well and is a few lines on both sides.
 *
 * @param {string} name
 * @returns {number} from 0
 */
export function hue(name) {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash % HUES;
}
