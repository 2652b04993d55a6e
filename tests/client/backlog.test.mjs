import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { createBacklog } from '../../client/backlog.js';
import { final } from './support/messages.mjs';

let near;
let frames;
let shown;
let backlog;

beforeEach(() => {
  near = false;
  frames = [];
  shown = [];
  globalThis.requestAnimationFrame = (run) => frames.push(run);
  backlog = createBacklog({
    isNear: () => near,
    show: ({ id }) => shown.push(id),
    refresh: () => shown.push('the newest'),
    replace: (messages) => shown.push(`only ${messages[0].id} to ${messages.at(-1).id}`),
  });
});

const add = (from, to) => {
  for (let seq = from; seq <= to; seq += 1) backlog.add(final(`e-${seq}`));
};

test('a message waits only if the reader is far from the end or others wait already', () => {
  near = true;
  assert.equal(backlog.add(final('e-1')), false);
  near = false;
  assert.equal(backlog.add(final('e-2')), true);
  near = true;
  assert.equal(backlog.add(final('e-3')), true, 'in order');
});

test('a reader who comes near gets the waiting messages, some in each frame', () => {
  add(1, 60);
  backlog.drain();
  assert.equal(frames.length, 0, 'not yet near');
  near = true;
  backlog.drain();
  backlog.drain();
  assert.equal(frames.length, 1);
  frames.shift()();
  assert.deepEqual([shown.length, shown.at(-1)], [50, 'e-50']);
  frames.shift()();
  assert.deepEqual([shown.length, shown.at(-1), frames.length], [60, 'e-60', 0]);
});

test('a jump to the end shows all of few waiting messages, and only the newest of many', () => {
  add(1, 3);
  backlog.jump();
  assert.deepEqual(shown, ['e-1', 'e-2', 'e-3']);
  add(4, 304);
  backlog.jump();
  assert.equal(shown.at(-1), 'only e-105 to e-304');
  near = true;
  backlog.drain();
  assert.equal(frames.length, 0, 'nothing waits any more');
});

test('only the newest thousand wait, and then a reader who comes near gets the newest from the server', () => {
  add(1, 1_000);
  near = true;
  backlog.drain();
  assert.deepEqual([frames.length, shown], [1, []], 'a thousand messages have no gap before them');
  near = false;
  frames.shift()();
  add(1_001, 1_051);
  near = true;
  backlog.drain();
  assert.deepEqual([frames.length, shown.at(-1)], [0, 'the newest']);
  assert.equal(backlog.add(final('e-1052')), false, 'nothing waits any more');
  near = false;
  add(1_053, 2_100);
  backlog.jump();
  assert.equal(shown.at(-1), 'only e-1901 to e-2100');
  add(2_101, 2_101);
  near = true;
  backlog.drain();
  assert.equal(frames.length, 1, 'a message after the jump has no gap before it');
});
