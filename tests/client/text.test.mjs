import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { hue, initials } from '../../client/render.js';
import { isEmojiOnly, pieces } from '../../client/text.js';

const vectors = (name) => JSON.parse(readFileSync(new URL(`vectors/${name}.json`, import.meta.url), 'utf8'));

test('texts are split into the same pieces as on the server', () => {
  for (const [text, expected] of vectors('text').pieces) {
    assert.deepEqual(pieces(text).map(({ text, href }) => [text, href !== undefined]), expected, text);
    assert.equal(pieces(text).map((piece) => piece.text).join(''), text);
  }
});

test('texts of emoji only are recognised', () => {
  for (const [text, expected] of vectors('text').emoji) assert.equal(isEmojiOnly(text), expected, text);
});

test('an author has the same initials and hue as on the server', () => {
  for (const [name, expected] of vectors('author').initials) assert.equal(initials(name), expected, name);
  for (const [name, expected] of vectors('author').hues) assert.equal(hue(name), expected, name);
});
