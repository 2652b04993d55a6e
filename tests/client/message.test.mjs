import assert from 'node:assert/strict';
import { test } from 'node:test';

import { relation, uuid } from '../../client/message.js';
import { fullJitter } from '../../client/waiting.js';

test('only the next number of the same epoch continues a cursor', () => {
  const table = [
    ['e-5', 'e-6', 'next'],
    ['e-5', 'e-5', 'seen'],
    ['e-5', 'e-4', 'seen'],
    ['e-5', 'e-7', 'hole'],
    ['e-5', 'f-6', 'hole'],
    ['0', 'e-1', 'next'],
    ['0', 'e-900', 'next'],
    ['e-9', 'e-10', 'next'],
    ['garbage', 'e-1', 'hole'],
    ['e-5', 'garbage', 'hole'],
  ];
  for (const [cursor, id, expected] of table) assert.equal(relation(cursor, id), expected, `${id} after ${cursor}`);
});

test('waits double up to 30 seconds and are drawn from the whole interval', () => {
  const most = () => 1 - Number.EPSILON;
  const longest = [0, 1, 2, 6, 5000].map((attempt) => Math.round(fullJitter(attempt, most)));
  assert.deepEqual(longest, [500, 1000, 2000, 30_000, 30_000]);
  assert.equal(fullJitter(9, () => 0), 0);
});

test('a page without a secure context draws its UUIDs itself', () => {
  const crypto = { getRandomValues: (bytes) => bytes.fill(0xff) };
  assert.equal(uuid(crypto), 'ffffffff-ffff-4fff-bfff-ffffffffffff');
});
