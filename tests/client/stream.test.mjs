import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { openStream } from '../../client/stream.js';
import { FakeEventSource, fakeWindow } from './support/browser.mjs';
import { FakeClock, settled } from './support/clock.mjs';
import { final, provisional } from './support/messages.mjs';

let clock;
let window;
let seen;
let knocks;
let answer;

beforeEach(() => {
  FakeEventSource.opened = [];
  clock = new FakeClock();
  window = fakeWindow();
  seen = [];
  knocks = 0;
  answer = { outcome: 'open' };
});

/** A stream whose waits are the longest that the backoff allows. */
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
    knock: async () => {
      knocks += 1;
      return answer;
    },
  });
}

const messages = () => seen.filter((entry) => !entry.startsWith('['));
const count = () => FakeEventSource.opened.length;
const latest = () => FakeEventSource.latest;

test('the first connection carries the cursor of the page', () => {
  open('e-5');
  assert.equal(latest().url, '/rooms/lobby/messages/?lastEventId=e-5');
  latest().accept();
  assert.deepEqual(seen, ['[connecting]', '[live]']);
});

test('messages pass once, in order, and move the cursor', () => {
  const stream = open();
  for (const id of ['e-6', 'e-6', 'e-4', 'e-7']) latest().say('message', final(id));
  assert.deepEqual(messages(), ['e-6', 'e-7']);
  assert.equal(stream.cursor(), 'e-7');
  assert.equal(count(), 1);
});

test('provisional messages and retractions leave the cursor alone', () => {
  const stream = open();
  latest().say('message', provisional('p'));
  latest().say('message', { ...provisional('p'), retracted: true });
  assert.deepEqual(messages(), ['+p', '-p']);
  assert.equal(stream.cursor(), 'e-5');
});

test('a hole is not shown but asked for again', async () => {
  open();
  latest().say('message', final('e-7'));
  latest().say('message', final('e-8'));
  assert.deepEqual(messages(), []);
  await clock.pass(500);
  assert.equal(count(), 2);
  assert.equal(latest().url, '/rooms/lobby/messages/?lastEventId=e-5');
});

test('a message of another epoch counts as a hole', async () => {
  open();
  latest().say('message', final('f-6'));
  await clock.pass(500);
  assert.deepEqual([messages(), count()], [[], 2]);
});

test('a reset moves the cursor to the head it names', async () => {
  const stream = open();
  latest().say('stream-reset', { reason: 'epoch', lastEventId: 'f-90' });
  latest().say('message', final('f-91'));
  assert.deepEqual(messages(), ['reset epoch', 'f-91']);
  assert.equal(stream.cursor(), 'f-91');
});

test('a stream-open that names the end of the replay drops none of it', () => {
  open();
  latest().say('stream-open', { lastEventId: 'e-7' });
  latest().say('message', final('e-6'));
  latest().say('message', final('e-7'));
  assert.deepEqual(messages(), ['e-6', 'e-7']);
});

test('what cannot be read is ignored', () => {
  open();
  for (const data of ['', '{', 'null', '[]', '{"id":7}', '{"id":"e-6"}']) latest().say('message', data);
  latest().say('stream-reset', '');
  assert.deepEqual(messages(), []);
});

test('every error closes the connection and the next one waits longer, for as long as it takes', async () => {
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

test('a connection that lasted makes the next wait short again', async () => {
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

test('a refused stream is asked for the reason and comes back when it is let in', async () => {
  open();
  answer = { outcome: 'refused', problem: 'Open the other address.' };
  latest().refuse();
  await clock.pass(500);
  assert.deepEqual([knocks, count()], [1, 1]);
  assert.equal(seen.at(-1), '[reconnecting: Open the other address.]');
  answer = { outcome: 'open' };
  await clock.pass(1000);
  assert.deepEqual([knocks, count()], [2, 2]);
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

test('45 seconds without any event are a dead connection', async () => {
  open();
  latest().accept();
  await clock.pass(44_000);
  latest().say('keep-alive', {});
  await clock.pass(44_999);
  assert.equal(count(), 1);
  await clock.pass(501);
  assert.equal(count(), 2);
});

test('a connection that is never answered is given up as well', async () => {
  open();
  await clock.pass(45_500);
  assert.equal(count(), 2);
});

test('the network coming back cuts the wait short', async () => {
  open();
  latest().fail();
  window.dispatchEvent(new Event('online'));
  await settled();
  assert.equal(count(), 2);
  await clock.pass(500);
  assert.equal(count(), 2, 'the wait that was cut short does not open a second connection');
});

test('a page that is left holds no connection and opens one on its return', async () => {
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

test('a tab that comes to the front reconnects only after a missed keep-alive', async () => {
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

test('events of a connection that was given up are nobody’s', async () => {
  open();
  const old = latest();
  old.fail();
  old.say('message', final('e-6'));
  old.fail();
  await clock.pass(500);
  assert.deepEqual([messages(), count()], [[], 2]);
});

test('a closed stream leaves no timer behind', async () => {
  const stream = open();
  latest().accept();
  stream.close();
  assert.deepEqual([latest().closed, clock.pending], [true, 0]);
});

test('a stream that comes back catches up until what comes has a pause, or is not stored yet', async () => {
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
      latest().say('message', final(`e-${(end === 'pause' ? 6 : 9) + n}`));
    }
    if (end === 'pause') await clock.pass(300);
    else latest().say('message', provisional('p'));
    assert.deepEqual(seen.filter((entry) => entry.startsWith('[')).at(-1), '[live]', end);
  }
});

test('somebody who looks at a stream that has been silent has it opened anew', async () => {
  const stream = open();
  latest().accept();
  await clock.pass(25_000);
  stream.nudge();
  assert.equal(count(), 1);
  await clock.pass(1);
  stream.nudge();
  assert.equal(count(), 2);
});
