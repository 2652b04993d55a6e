import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { limitStreams } from '../../client/slots.js';
import { FakeClock, settled } from './support/clock.mjs';
import { final } from './support/messages.mjs';
import { Browser } from './support/tabs.mjs';

let clock;
let browser;
/** Rooms with a stream, in the order in which they opened it. */
let streams;
/** The response to a read of a room's messages. */
let snapshots;
let reads;

beforeEach(() => {
  clock = new FakeClock();
  browser = new Browser();
  streams = [];
  snapshots = {};
  reads = [];
});

/** Opens a room in a tab. */
function room(name, hidden = false, cursor = 'e-5', isSeen = undefined) {
  const document = Object.assign(new EventTarget(), { hidden });
  const seen = [];
  const open = limitStreams((options) => {
    streams.push(name);
    let { cursor } = options;
    options.onState('live');
    seen.push(`stream from ${cursor}`);
    tab.deliver = (message) => {
      cursor = message.id;
      options.onMessage(message);
    };
    return {
      cursor: () => cursor,
      nudge: () => seen.push('nudged'),
      close() {
        streams.splice(streams.indexOf(name), 1);
        options.onState('stopped');
      },
    };
  }, {
    locks: browser.locks,
    Channel: browser.Channel,
    document,
    async read() {
      reads.push(name);
      return snapshots[name] ?? { messages: [], lastEventId: 'e-5', more: true };
    },
  });
  const stream = open({
    url: name,
    cursor,
    clock,
    isSeen,
    onMessage: ({ id }) => seen.push(id),
    onReset: ({ lastEventId }) => seen.push(`reset ${lastEventId}`),
    onState: (state) => { if (state === 'stopped') seen.push(state); },
  });
  const tab = {
    stream,
    seen,
    look(at) {
      document.hidden = !at;
      document.dispatchEvent(new Event('visibilitychange'));
    },
  };
  return tab;
}

const five = async () => {
  const tabs = ['a', 'b', 'c', 'd', 'e'].map((name) => room(name));
  await settled();
  return tabs;
};

test('four rooms have streams; a fifth polls', async () => {
  const tabs = await five();
  assert.deepEqual(streams, ['a', 'b', 'c', 'd']);
  snapshots.e = { messages: [final('e-5'), final('e-6')], lastEventId: 'e-6', more: true };
  await clock.pass(200);
  snapshots.e = { messages: [final('e-6'), final('e-7'), final('e-8')], lastEventId: 'e-8', more: true };
  await clock.pass(4_000);
  await clock.pass(4_000);
  assert.deepEqual(tabs[4].seen, ['e-6', 'e-7', 'e-8']);
  assert.equal(tabs[4].stream.cursor(), 'e-8');
  assert.deepEqual(reads, ['e', 'e', 'e']);
});

test('a polling room that missed more than a page is reset', async () => {
  const tabs = await five();
  snapshots.e = { messages: [final('e-60'), final('e-61')], lastEventId: 'e-61', more: true };
  await clock.pass(200);
  assert.deepEqual(tabs[4].seen, ['reset e-61']);
});

test('when a stream closes, the waiting room opens one from its own cursor', async () => {
  const tabs = await five();
  snapshots.e = { messages: [final('e-6')], lastEventId: 'e-6', more: true };
  await clock.pass(200);
  tabs[1].stream.close();
  await clock.pass(0);
  assert.deepEqual(streams, ['a', 'c', 'd', 'e']);
  assert.deepEqual(tabs[4].seen, ['e-6', 'stream from e-6']);
  const before = reads.length;
  await clock.pass(60_000);
  assert.equal(reads.length, before);
});

test('a visible room takes the slot of a hidden one, which loses nothing', async () => {
  const tabs = await five();
  await clock.pass(200);
  tabs[2].look(false);
  tabs[2].deliver(final('e-6'));
  tabs[4].look(true);
  await settled();
  assert.deepEqual(streams, ['a', 'b', 'd', 'e']);
  snapshots.c = { messages: [final('e-6'), final('e-7')], lastEventId: 'e-7', more: true };
  await clock.pass(20_000);
  tabs[0].stream.close();
  await clock.pass(0);
  tabs[2].deliver(final('e-8'));
  assert.deepEqual(tabs[2].seen, ['stream from e-5', 'e-6', 'e-7', 'stream from e-7', 'e-8']);
});

test('a room that is closed while it waits reports nothing more', async () => {
  const tabs = await five();
  await clock.pass(200);
  tabs[4].stream.close();
  tabs[0].stream.close();
  await clock.pass(60_000);
  assert.deepEqual(streams, ['b', 'c', 'd']);
  assert.deepEqual(tabs[4].seen, ['stopped']);
  assert.equal(reads.length, 1);
  assert.equal(clock.pending, 0);
});

test('a visible room does not wait for hidden ones in the queue', async () => {
  const hidden = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map((name) => room(name, true));
  await clock.pass(200);
  assert.deepEqual(streams, ['a', 'b', 'c', 'd']);
  const seen = room('z');
  await clock.pass(10_000);
  assert.ok(streams.includes('z'), `${streams}`);
  for (const tab of [...hidden, seen]) tab.stream.close();
});

test('an empty room that missed its first page is reset', async () => {
  for (const name of ['a', 'b', 'c', 'd']) room(name);
  const tab = room('e', false, '0');
  await settled();
  snapshots.e = { messages: [final('e-31'), final('e-32')], lastEventId: 'e-32', more: true };
  await clock.pass(200);
  assert.deepEqual(tab.seen, ['reset e-32']);
});

test('a room with a stream nudges it when it becomes visible', async () => {
  const tab = room('a', true);
  await settled();
  tab.look(true);
  assert.deepEqual(tab.seen, ['stream from e-5', 'nudged']);
  tab.look(false);
  assert.equal(tab.seen.length, 2, 'hiding it does not nudge');
});

test('a room that is visible in another tab keeps its slot, and requests one', async () => {
  for (const name of ['a', 'b', 'c']) room(name);
  room('d', true, 'e-5', () => true);
  room('e');
  await clock.pass(10_000);
  assert.deepEqual(streams, ['a', 'b', 'c', 'd']);

  const hidden = room('f', true, 'e-5', () => true);
  await clock.pass(10_000);
  assert.deepEqual(reads.filter((name) => name === 'f').length, 3, 'as often as a visible one');
  hidden.stream.close();
});
