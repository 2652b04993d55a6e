import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { openStream } from '../../client/stream.js';
import { FakeEventSource, fakeWindow } from './support/browser.mjs';
import { FakeClock, settled } from './support/clock.mjs';
import { final, provisional } from './support/messages.mjs';

let clock;
let window;
let seen;
let probes;
let answer;

beforeEach(() => {
  FakeEventSource.opened = [];
  clock = new FakeClock();
  window = fakeWindow();
  seen = [];
  probes = 0;
  answer = { outcome: 'open' };
});

/** Opens a stream whose pauses are the longest that the backoff allows. */
function open(cursor = 'e-5') {
  return openStream({
    url: '/rooms/lobby/messages/',
    cursor,
    onMessage: ({ id }) => seen.push(id),
    onProvisional: ({ provisionalId }) => seen.push(`+${provisionalId}`),
    onRetract: (provisionalId) => seen.push(`-${provisionalId}`),
    onReset: ({ reason }) => seen.push(`reset ${reason}`),
    onState: (state, problem) => seen.push(problem ? `[${state}: ${problem}]` : `[${state}]`),
    EventSource: FakeEventSource,
    clock,
    random: () => 1,
    window,
    probe: async () => {
      probes += 1;
      return answer;
    },
  });
}

const messages = () => seen.filter((entry) => !entry.startsWith('['));
const count = () => FakeEventSource.opened.length;
const latest = () => FakeEventSource.latest;

test('the first connection sends the cursor of the page', () => {
  open('e-5');
  assert.equal(latest().url, '/rooms/lobby/messages/?lastEventId=e-5');
  latest().accept();
  assert.deepEqual(seen, ['[connecting]', '[live]']);
});

test('messages are delivered once, in order, and advance the cursor', () => {
  const stream = open();
  for (const id of ['e-6', 'e-6', 'e-4', 'e-7']) latest().emit('message', final(id));
  assert.deepEqual(messages(), ['e-6', 'e-7']);
  assert.equal(stream.cursor(), 'e-7');
  assert.equal(count(), 1);
});

test('provisional messages and retractions do not change the cursor', () => {
  const stream = open();
  latest().emit('message', provisional('p'));
  latest().emit('message', { ...provisional('p'), retracted: true });
  assert.deepEqual(messages(), ['+p', '-p']);
  assert.equal(stream.cursor(), 'e-5');
});

test('after a gap nothing is delivered and the stream reconnects from its cursor', async () => {
  open();
  latest().emit('message', final('e-7'));
  latest().emit('message', final('e-8'));
  assert.deepEqual(messages(), []);
  await clock.pass(500);
  assert.equal(count(), 2);
  assert.equal(latest().url, '/rooms/lobby/messages/?lastEventId=e-5');
});

test('a message of another epoch counts as a gap', async () => {
  open();
  latest().emit('message', final('f-6'));
  await clock.pass(500);
  assert.deepEqual([messages(), count()], [[], 2]);
});

test('a reset sets the cursor to the head that it names', async () => {
  const stream = open();
  latest().emit('stream-reset', { reason: 'epoch', lastEventId: 'f-90' });
  latest().emit('message', final('f-91'));
  assert.deepEqual(messages(), ['reset epoch', 'f-91']);
  assert.equal(stream.cursor(), 'f-91');
});

test('a stream-open with the cursor of the end of the replay drops nothing', () => {
  open();
  latest().emit('stream-open', { lastEventId: 'e-7' });
  latest().emit('message', final('e-6'));
  latest().emit('message', final('e-7'));
  assert.deepEqual(messages(), ['e-6', 'e-7']);
});

test('malformed events are ignored', () => {
  open();
  for (const data of ['', '{', 'null', '[]', '{"id":7}', '{"id":"e-6"}']) latest().emit('message', data);
  latest().emit('stream-reset', '');
  assert.deepEqual(messages(), []);
});

test('every error closes the connection, and the pauses get longer without end', async () => {
  open();
  for (const wait of [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]) {
    const failed = latest();
    const before = count();
    failed.fail();
    assert.ok(failed.closed);
    await clock.pass(wait - 1);
    assert.equal(count(), before);
    await clock.pass(1);
    assert.equal(count(), before + 1);
  }
});

test('after a connection that lasted, the next pause is short again', async () => {
  open();
  for (let i = 0; i < 5; i += 1) {
    latest().fail();
    await clock.pass(30_000);
  }
  latest().accept();
  await clock.pass(10_000);
  latest().fail();
  const before = count();
  await clock.pass(500);
  assert.equal(count(), before + 1);
});

test('a refused stream is probed for the reason and reconnects when it is admitted', async () => {
  open();
  answer = { outcome: 'refused', problem: 'Open the other address.' };
  latest().refuse();
  await clock.pass(500);
  assert.deepEqual([probes, count()], [1, 1]);
  assert.equal(seen.at(-1), '[reconnecting: Open the other address.]');
  answer = { outcome: 'open' };
  await clock.pass(1000);
  assert.deepEqual([probes, count()], [2, 2]);
});

test('204 ends the stream', async () => {
  open();
  answer = { outcome: 'stop' };
  latest().refuse();
  await clock.pass(100_000);
  assert.deepEqual([seen.at(-1), count(), clock.pending], ['[stopped]', 1, 0]);
  window.dispatchEvent(new Event('online'));
  await settled();
  assert.equal(count(), 1);
});

test('a connection without events for 45 seconds is dead', async () => {
  open();
  latest().accept();
  await clock.pass(44_000);
  latest().emit('keep-alive', {});
  await clock.pass(44_999);
  assert.equal(count(), 1);
  await clock.pass(501);
  assert.equal(count(), 2);
});

test('a connection that is never answered is dead as well', async () => {
  open();
  await clock.pass(45_500);
  assert.equal(count(), 2);
});

test('a returning network ends the pause', async () => {
  open();
  latest().fail();
  window.dispatchEvent(new Event('online'));
  await settled();
  assert.equal(count(), 2);
  await clock.pass(500);
  assert.equal(count(), 2, 'the pause that was ended does not open a second connection');
});

test('a page in the back/forward cache has no connection and opens one when it returns', async () => {
  open();
  latest().accept();
  window.dispatchEvent(new Event('pagehide'));
  assert.ok(latest().closed);
  await clock.pass(100_000);
  assert.equal(count(), 1);
  window.dispatchEvent(Object.assign(new Event('pageshow'), { persisted: true }));
  await settled();
  assert.equal(count(), 2);
});

test('a tab that becomes visible reconnects only after a missed keep-alive', async () => {
  open();
  latest().accept();
  await clock.pass(25_000);
  window.document.dispatchEvent(new Event('visibilitychange'));
  await settled();
  assert.equal(count(), 1);
  await clock.pass(1);
  window.document.dispatchEvent(new Event('visibilitychange'));
  await settled();
  assert.equal(count(), 2);
});

test('events of a closed connection are ignored', async () => {
  open();
  const old = latest();
  old.fail();
  old.emit('message', final('e-6'));
  old.fail();
  await clock.pass(500);
  assert.deepEqual([messages(), count()], [[], 2]);
});

test('a closed stream has no timers', async () => {
  const stream = open();
  latest().accept();
  stream.close();
  assert.deepEqual([latest().closed, clock.pending], [true, 0]);
});

test('a reconnected stream catches up until a pause or a provisional message', async () => {
  open();
  latest().accept();
  for (const end of ['pause', 'provisional']) {
    latest().fail();
    await clock.pass(30_000);
    seen = [];
    latest().accept();
    for (let n = 0; n < 3; n += 1) {
      await clock.pass(299);
      assert.deepEqual(seen.filter((entry) => entry.startsWith('[')), ['[catching-up]'], end);
      latest().emit('message', final(`e-${(end === 'pause' ? 6 : 9) + n}`));
    }
    if (end === 'pause') await clock.pass(300);
    else latest().emit('message', provisional('p'));
    assert.deepEqual(seen.filter((entry) => entry.startsWith('[')).at(-1), '[live]', end);
  }
});

test('a nudge reopens a stream that has been silent', async () => {
  const stream = open();
  latest().accept();
  await clock.pass(25_000);
  stream.nudge();
  assert.equal(count(), 1);
  await clock.pass(1);
  stream.nudge();
  assert.equal(count(), 2);
});
