import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { shareStream } from '../../client/tabs.js';
import { fakeWindow } from './support/browser.mjs';
import { FakeClock, settled } from './support/clock.mjs';
import { final, provisional } from './support/messages.mjs';
import { Browser } from './support/tabs.mjs';

let clock;
let browser;
/** The open streams. */
let streams;

beforeEach(() => {
  clock = new FakeClock();
  browser = new Browser();
  streams = [];
});

/** Opens a tab. `seen` is what it received. */
function tab(name, cursor = 'e-5', options = {}) {
  const window = fakeWindow();
  const seen = [];
  const stream = shareStream({
    name: 'lobby',
    url: '/rooms/lobby/messages/',
    cursor,
    tab: name,
    locks: browser.locks,
    Channel: browser.Channel,
    clock,
    window,
    open: (inner) => {
      const opened = { tab: name, ...inner };
      streams.push(opened);
      inner.onState('connecting');
      return {
        cursor: () => inner.cursor,
        close() {
          streams.splice(streams.indexOf(opened), 1);
          inner.onState('stopped');
        },
      };
    },
    onMessage: ({ id }) => seen.push(id),
    onProvisional: ({ provisionalId }) => seen.push(`+${provisionalId}`),
    onRetract: (provisionalId) => seen.push(`-${provisionalId}`),
    onReset: ({ lastEventId }) => seen.push(`reset ${lastEventId}`),
    onState: (state, problem) => seen.push(problem ? `[${state}: ${problem}]` : `[${state}]`),
    ...options,
  });
  return { name, seen, stream, window, messages: () => seen.filter((entry) => !entry.startsWith('[')) };
}

const leader = () => {
  assert.equal(streams.length, 1, 'one stream for all tabs');
  return streams[0];
};

test('two tabs share one stream and both receive everything once', async () => {
  const [a, b] = [tab('a'), tab('b')];
  await settled();
  assert.equal(leader().tab, 'a');
  leader().onState('live');
  leader().onProvisional(provisional('x'));
  leader().onRetract('x');
  leader().onMessage(final('e-6'));
  leader().onMessage(final('e-7'));
  await settled();
  for (const { seen, stream, messages } of [a, b]) {
    assert.deepEqual(messages(), ['+x', '-x', 'e-6', 'e-7']);
    assert.equal(seen.filter((entry) => entry === '[live]').length >= 1, true);
    assert.equal(stream.cursor(), 'e-7');
  }
});

test('a tab that joins later receives what it missed and the state of the stream', async () => {
  tab('a');
  await settled();
  leader().onState('live');
  for (const id of ['e-6', 'e-7', 'e-8']) leader().onMessage(final(id));
  const b = tab('b', 'e-6');
  await settled();
  assert.deepEqual(b.messages(), ['e-7', 'e-8']);
  assert.equal(b.seen.at(-1), '[live]');
});

test('a tab that missed more than is kept fetches a snapshot', async () => {
  tab('a', 'e-5');
  await settled();
  leader().onMessage(final('e-6'));
  const b = tab('b', 'e-3');
  await settled();
  assert.deepEqual(b.messages(), ['reset e-6']);
  leader().onMessage(final('e-7'));
  await settled();
  assert.deepEqual(b.messages(), ['reset e-6', 'e-7']);
});

test('a tab that is ahead of the leader waits for it', async () => {
  tab('a', 'e-5');
  await settled();
  const b = tab('b', 'e-7');
  await settled();
  for (const id of ['e-6', 'e-7', 'e-8']) leader().onMessage(final(id));
  await settled();
  assert.deepEqual(b.messages(), ['e-8']);
});

test('when the leader closes, the next tab resumes from its own cursor', async () => {
  const [a, b] = [tab('a'), tab('b')];
  await settled();
  leader().onMessage(final('e-6'));
  await settled();
  a.window.dispatchEvent(new Event('pagehide'));
  await settled();
  assert.equal(leader().tab, 'b');
  assert.equal(leader().cursor, 'e-6');
  leader().onMessage(final('e-7'));
  await settled();
  assert.deepEqual(b.messages(), ['e-6', 'e-7']);
  assert.deepEqual(a.messages(), ['e-6']);
});

test('a tab that comes back from the back/forward cache joins again', async () => {
  const [a, b] = [tab('a'), tab('b')];
  await settled();
  a.window.dispatchEvent(new Event('pagehide'));
  await settled();
  leader().onMessage(final('e-6'));
  a.window.dispatchEvent(Object.assign(new Event('pageshow'), { persisted: true }));
  await settled();
  assert.equal(leader().tab, 'b');
  assert.deepEqual([a.messages(), b.messages()], [['e-6'], ['e-6']]);
});

test('a frozen leader is replaced, and follows when it wakes', async () => {
  const [a, b] = [tab('a'), tab('b')];
  await settled();
  const [frozen] = browser.channels;
  frozen.frozen = true;
  await clock.pass(60_000);
  assert.equal(leader().tab, 'b');
  frozen.frozen = false;
  leader().onMessage(final('e-6'));
  await settled();
  assert.deepEqual([a.messages(), b.messages()], [['e-6'], ['e-6']]);
});

test('a quiet room needs no new leader', async () => {
  tab('a');
  tab('b');
  await settled();
  for (let n = 0; n < 20; n += 1) {
    leader().onAlive();
    await clock.pass(20_000);
  }
  assert.equal(leader().tab, 'a');
});

test('a reset reaches all tabs', async () => {
  const [a, b] = [tab('a'), tab('b')];
  await settled();
  leader().onReset({ reason: 'epoch', lastEventId: 'f-2' });
  leader().onMessage(final('f-3'));
  await settled();
  for (const { messages } of [a, b]) assert.deepEqual(messages(), ['reset f-2', 'f-3']);
});

test('without locks each tab opens its own stream', () => {
  tab('a', 'e-5', { locks: null });
  tab('b', 'e-5', { locks: null });
  assert.equal(streams.length, 2);
});

test('a closed tab reports nothing more', async () => {
  const [a, b] = [tab('a'), tab('b')];
  await settled();
  b.stream.close();
  assert.equal(b.seen.at(-1), '[stopped]');
  leader().onMessage(final('e-6'));
  await settled();
  assert.deepEqual([a.messages(), b.messages()], [['e-6'], []]);
  a.stream.close();
  await settled();
  assert.equal(streams.length, 0);
});

test('a follower detects a gap by a keep-alive', async () => {
  const [, b] = [tab('a'), tab('b')];
  await settled();
  const [, channel] = browser.channels;
  channel.frozen = true;
  leader().onMessage(final('e-6'));
  await settled();
  channel.frozen = false;
  assert.deepEqual(b.messages(), []);
  leader().onAlive();
  await settled();
  assert.deepEqual(b.messages(), ['e-6']);
});

test('a tab in an empty room receives the first messages, or a reset if the leader does not have them', async () => {
  tab('a', '0');
  const b = tab('b', '0');
  await settled();
  for (const id of ['e-1', 'e-2']) leader().onMessage(final(id));
  await settled();
  assert.deepEqual(b.messages(), ['e-1', 'e-2']);

  browser = new Browser();
  streams = [];
  tab('c', 'e-50');
  await settled();
  leader().onMessage(final('e-51'));
  const d = tab('d', '0');
  await settled();
  assert.deepEqual(d.messages(), ['reset e-51']);
});

test('a tab that may not use locks opens its own stream', async () => {
  const denied = () => Promise.reject(new DOMException('no storage', 'SecurityError'));
  tab('a', 'e-5', { locks: { request: denied, query: denied } });
  await settled();
  assert.equal(streams.length, 1);
});

test('a leader knows whether any tab is visible', async () => {
  const look = (window, at) => {
    window.document.visibilityState = at ? 'visible' : 'hidden';
    window.document.dispatchEvent(new Event('visibilitychange'));
  };
  const [a, b] = [tab('a'), tab('b')];
  await settled();
  look(a.window, false);
  assert.equal(leader().isSeen(), true, 'the other tab is visible');
  look(b.window, false);
  await settled();
  assert.equal(leader().isSeen(), false);
  look(b.window, true);
  await settled();
  assert.equal(leader().isSeen(), true);
  b.window.dispatchEvent(new Event('pagehide'));
  await settled();
  assert.equal(leader().isSeen(), false, 'the tab was left');
  const [c, d] = [tab('c'), tab('d')];
  await settled();
  assert.equal(leader().isSeen(), true, 'a new tab reports that it is visible');
  look(c.window, false);
  a.window.dispatchEvent(new Event('pagehide'));
  await settled();
  assert.equal(leader().tab, 'c');
  assert.equal(leader().isSeen(), true, 'a new leader asks the other tabs');
  look(d.window, false);
  await settled();
  assert.equal(leader().isSeen(), false);
});

test('a tab loaded after the stream was stopped opens a new one', async () => {
  const a = tab('a');
  await settled();
  leader().onState('stopped');
  await settled();
  assert.deepEqual([a.seen.at(-1), streams.length], ['[stopped]', 0]);
  const b = tab('b');
  await settled();
  leader().onState('live');
  leader().onMessage(final('e-6'));
  await settled();
  assert.deepEqual([leader().tab, b.seen.at(-1), b.messages()], ['b', 'e-6', ['e-6']]);
  assert.equal(a.seen.at(-1), '[stopped]');
});

test('tabs that cannot query locks do not take over', async () => {
  const { request } = browser.locks;
  const query = () => Promise.reject(new DOMException('gone', 'InvalidStateError'));
  tab('a');
  const b = tab('b', 'e-5', { locks: { request, query } });
  await settled();
  browser.channels[0].frozen = true;
  await clock.pass(60_000);
  assert.equal(leader().tab, 'a');
  assert.deepEqual(b.messages(), []);
});
