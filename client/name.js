/** The name used last in this browser. Storage can be forbidden, and nothing depends on it. */

const KEY = 'gripchat.name';

/** @returns {string} */
export function rememberedName() {
  try {
    return localStorage.getItem(KEY) ?? '';
  } catch {
    return '';
  }
}

/** @param {string} name */
export function rememberName(name) {
  try {
    localStorage.setItem(KEY, name);
  } catch {
    // A suggestion that cannot be kept is not worth a word.
  }
}
