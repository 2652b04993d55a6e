import assert from 'node:assert/strict';
import { test } from 'node:test';

import { relation, uuid } from '../../client/message.js';
import { fullJitter } from '../../client/waiting.js';

test('only the next number of the same epoch continues a cursor', () => {
  const table = [
    ['e-5', 'e-6', 'next'],
    ['e-5', 'e-5', 'seen'],
    ['e-5', 'e-4', 'seen'],
    ['e-5', 'e-7', 'gap'],
    ['e-5', 'f-6', 'gap'],
    ['0', 'e-1', 'next'],
    ['0', 'e-900', 'next'],
    ['e-9', 'e-10', 'next'],
    ['garbage', 'e-1', 'gap'],
    ['e-5', 'garbage', 'gap'],
  ];
  for (const [cursor, id, expected] of table) assert.equal(relation(cursor, id), expected, `${id} after ${cursor}`);
});

test('pauses double up to 30 seconds and are random in the whole interval', () => {
  const almostOne = () => 1 - Number.EPSILON;
  const longest = [0, 1, 2, 6, 5000].map((attempt) => Math.round(fullJitter(attempt, almostOne)));
  assert.deepEqual(longest, [500, 1000, 2000, 30_000, 30_000]);
  assert.equal(fullJitter(9, () => 0), 0);
});

test('a page without a secure context generates its UUIDs itself', () => {
  const crypto = { getRandomValues: (bytes) => bytes.fill(0xff) };
  assert.equal(uuid(crypto), 'ffffffff-ffff-4fff-bfff-ffffffffffff');
});
