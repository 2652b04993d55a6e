import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { hue, initials } from '../../client/render.js';
import { isEmojiAlone, pieces } from '../../client/text.js';

const vectors = (name) => JSON.parse(readFileSync(new URL(`vectors/${name}.json`, import.meta.url), 'utf8'));

test('texts fall into the pieces that the server finds', () => {
  for (const [text, expected] of vectors('text').pieces) {
    assert.deepEqual(pieces(text).map(({ text, href }) => [text, href !== undefined]), expected, text);
    assert.equal(pieces(text).map((piece) => piece.text).join(''), text);
  }
});

test('emoji that stand alone are known', () => {
  for (const [text, expected] of vectors('text').emoji) assert.equal(isEmojiAlone(text), expected, text);
});

test('an author has the initials and the hue that the server finds', () => {
  for (const [name, expected] of vectors('author').initials) assert.equal(initials(name), expected, name);
  for (const [name, expected] of vectors('author').hues) assert.equal(hue(name), expected, name);
});
