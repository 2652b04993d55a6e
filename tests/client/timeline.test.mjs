import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { Timeline } from '../../client/timeline.js';
import { FakeElement, FakeList, fakeRender } from './support/browser.mjs';
import { FakeClock } from './support/clock.mjs';
import { final, provisional } from './support/messages.mjs';

let clock;
let list;
let timeline;

beforeEach(() => {
  clock = new FakeClock();
  list = new FakeList();
  timeline = new Timeline({ list, render: fakeRender, clock });
});

const shown = (...texts) => assert.deepEqual(list.texts, texts);

test('stored messages are in the order of their numbers, each once', () => {
  assert.equal(timeline.final(final('e-2')), 'added');
  timeline.final(final('e-10'));
  timeline.final(final('e-5'));
  assert.equal(timeline.final(final('e-2')), 'known');
  shown('e-2', 'e-5', 'e-10');
});

test('a late response to an old post leaves no gap among the older messages', () => {
  timeline.final(final('e-150'));
  timeline.pending(provisional('a'));
  assert.equal(timeline.final(final('e-120', 'a')), 'known');
  shown('e-150');
  assert.equal(timeline.oldestId, 'e-150');
  timeline.prepend([final('e-149')]);
  shown('e-149', 'e-150');
});

test('unstored messages follow the stored ones, in order of arrival', () => {
  timeline.provisional(provisional('b'));
  timeline.provisional(provisional('a'));
  timeline.final(final('e-1'));
  shown('e-1', 'b (provisional)', 'a (provisional)');
});

test('a message keeps its element when it is stored', () => {
  timeline.provisional(provisional('a'));
  timeline.provisional(provisional('b'));
  const [, element] = list.items;
  assert.equal(timeline.final(final('e-1', 'b', 'b')), 'settled');
  assert.equal(list.items[0], element);
  shown('b', 'a (provisional)');
});

test('a provisional message that arrives after its final one is ignored', () => {
  timeline.final(final('e-1', 'a'));
  assert.equal(timeline.provisional(provisional('a')), false);
  shown('e-1');
});

test('a retraction removes a provisional message, never a stored one', () => {
  timeline.provisional(provisional('a'));
  timeline.retract('a');
  timeline.retract('unknown');
  timeline.final(final('e-1', 'b'));
  timeline.retract('b');
  shown('e-1');
});

test('a message that is not stored within 20 seconds is removed', async () => {
  timeline.provisional(provisional('a'));
  await clock.pass(19_999);
  shown('a (provisional)');
  await clock.pass(1);
  shown();
});

test('a message that this page sends stays until the sender is done with it', async () => {
  timeline.pending(provisional('a'));
  assert.equal(timeline.provisional(provisional('a')), false);
  timeline.retract('a');
  await clock.pass(60_000);
  shown('a (pending)');
  timeline.drop('a');
  shown();
});

test('a retry reuses the provisional message of the first attempt', async () => {
  timeline.provisional(provisional('a'));
  timeline.pending(provisional('a'));
  await clock.pass(60_000);
  shown('a (pending)');
});

test('a reset keeps unstored messages, and the elements of messages that stay', () => {
  for (const id of ['e-1', 'e-2']) timeline.final(final(id));
  timeline.provisional(provisional('a'));
  timeline.provisional(provisional('b'));
  const [, kept] = list.items;
  timeline.reset([final('e-2'), final('e-3', 'a', 'a')]);
  shown('e-2', 'a', 'b (provisional)');
  assert.equal(list.items[0], kept);
});

test('a reset to an empty room empties the list', () => {
  timeline.final(final('e-1'));
  timeline.reset([]);
  shown();
  assert.equal(timeline.size, 0);
});

test('a new epoch clears the history, and late messages of the old epoch are ignored', () => {
  timeline.final(final('e-7'));
  timeline.final({ ...final('f-1'), date: '2026-01-02T04:00:00.000Z' });
  timeline.final(final('e-8'));
  shown('f-1');
});

test('messages that the server rendered are adopted with their elements', () => {
  const element = fakeRender(final('e-1'), 'final', new FakeElement());
  list.insertBefore(element, null);
  timeline.adopt(final('e-1'), element);
  timeline.final(final('e-1'));
  timeline.final(final('e-2'));
  timeline.provisional(provisional('key-of-e-1'));
  shown('e-1', 'e-2');
  assert.equal(timeline.oldestId, 'e-1');
});

test('older pages are inserted at the start', () => {
  timeline.final(final('e-3'));
  timeline.prepend([final('e-1'), final('e-2')]);
  shown('e-1', 'e-2', 'e-3');
});

test('trimming a long list removes its oldest messages', () => {
  for (let seq = 1; seq <= 5; seq += 1) timeline.final(final(`e-${seq}`));
  timeline.trim(6);
  timeline.trim(3);
  shown('e-3', 'e-4', 'e-5');
});

test('a failed message stays until it is sent again or dropped', async () => {
  timeline.pending(provisional('a'));
  timeline.pending(provisional('b'));
  const element = timeline.failed('a');
  assert.equal(element, list.items[0]);
  await clock.pass(60_000);
  shown('a (failed)', 'b (pending)');
  timeline.pending(provisional('a'));
  shown('a (pending)', 'b (pending)');
  timeline.failed('b');
  timeline.final(final('e-1', 'b', 'b'));
  shown('b', 'a (pending)');
  assert.equal(timeline.failed('b'), undefined);
});
