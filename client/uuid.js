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
