import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { createSender } from '../../client/send.js';
import { FakeClock, settled } from './support/clock.mjs';
import { final } from './support/messages.mjs';

let clock;
let posts;
let answers;
let log;
let cursor;
let sender;
let unsent;

beforeEach(() => {
  clock = new FakeClock();
  posts = [];
  answers = [];
  log = [];
  cursor = 'e-5';
  let keys = 0;
  sender = createSender({
    url: '/rooms/lobby/messages/',
    user: 'Ann',
    cursor: () => cursor,
    onPending: ({ provisionalId }) => log.push(`pending ${provisionalId}`),
    onSent: ({ id }) => log.push(`sent ${id}`),
    onFailed: ({ key, reason, refused }) => log.push(`${refused ? 'refused' : 'failed'} ${key}: ${reason}`),
    onUnsent: (entries) => { unsent = entries; },
    clock,
    random: () => 0,
    uuid: () => `key-${(keys += 1)}`,
    fetch: (url, { headers, body, signal }) => {
      posts.push({ key: headers['Idempotency-Key'], since: headers['Last-Event-ID'], ...JSON.parse(body) });
      const answer = answers.shift() ?? 'never';
      if (answer === 'never') return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
      return answer === 'lost' ? Promise.reject(new TypeError('network')) : Promise.resolve(answer);
    },
  });
});

const stored = (id) => Response.json(final(id));
const unavailable = (headers) =>
  Response.json({ error: 'unavailable', message: 'the store is unavailable' }, { status: 503, headers });

test('a message is sent with its author, its key and the cursor', async () => {
  answers = [stored('e-6')];
  sender.send('hello');
  await settled();
  assert.deepEqual(posts, [{ key: 'key-1', since: 'e-5', from: 'Ann', text: 'hello' }]);
  assert.deepEqual(log, ['pending key-1', 'sent e-6']);
  assert.equal(clock.pending, 0);
});

test('after a lost response or a 503 it is sent again with the same key and cursor', async () => {
  answers = ['lost', unavailable(), stored('e-6')];
  sender.send('hello');
  await clock.pass(0);
  cursor = 'e-50';
  await clock.pass(1500);
  assert.deepEqual(posts.map(({ key, since }) => `${key} ${since}`), ['key-1 e-5', 'key-1 e-5', 'key-1 e-5']);
  assert.deepEqual(log, ['pending key-1', 'sent e-6']);
});

test('after a 429 it is sent again when the server asks, with the same key', async () => {
  const tooMany = { error: 'too_many_posts', message: 'try again in 1 s' };
  answers = [Response.json(tooMany, { status: 429, headers: { 'Retry-After': '1' } }), stored('e-6')];
  sender.send('hello');
  await clock.pass(999);
  assert.equal(posts.length, 1);
  await clock.pass(1);
  assert.deepEqual(posts.map(({ key }) => key), ['key-1', 'key-1']);
  assert.deepEqual(log, ['pending key-1', 'sent e-6']);
});

test('after three attempts it fails with the message of the server', async () => {
  answers = [unavailable(), unavailable(), unavailable()];
  sender.send('hello');
  await clock.pass(1500);
  assert.deepEqual(log, ['pending key-1', 'failed key-1: the store is unavailable']);
  assert.equal(posts.length, 3);
});

test('the server sets the pause, up to five seconds', async () => {
  answers = [unavailable({ 'Retry-After': '2' }), unavailable({ 'Retry-After': '600' }), stored('e-6')];
  sender.send('hello');
  await clock.pass(1999);
  assert.equal(posts.length, 1);
  await clock.pass(1);
  assert.equal(posts.length, 2);
  await clock.pass(5000);
  assert.deepEqual(log, ['pending key-1', 'sent e-6']);
});

test('an attempt without a response ends after 15 seconds', async () => {
  answers = ['never', stored('e-6')];
  sender.send('hello');
  await clock.pass(15_500);
  assert.deepEqual(log, ['pending key-1', 'sent e-6']);
});

test('a refusal is final and names its remedy', async () => {
  answers = [Response.json({ error: 'text', message: 'shorten it' }, { status: 422 }), stored('e-6')];
  sender.send('hello');
  await clock.pass(60_000);
  assert.deepEqual(log, ['pending key-1', 'refused key-1: shorten it']);
  assert.equal(posts.length, 1);
});

test('a retry has the same key; the same text sent as a new message has another', async () => {
  answers = ['lost', 'lost', 'lost', stored('e-6'), stored('e-7')];
  sender.send('hello');
  await clock.pass(1500);
  cursor = 'e-50';
  sender.retry('key-1');
  await clock.pass(0);
  sender.send('hello');
  await clock.pass(0);
  assert.deepEqual(posts.slice(3).map(({ key, since }) => `${key} ${since}`), ['key-1 e-5', 'key-2 e-50']);
  assert.deepEqual(log.slice(-4), ['pending key-1', 'sent e-6', 'pending key-2', 'sent e-7']);
});

test('when the network is back, failed messages are sent in order with their keys, unless they are stale', async () => {
  answers = ['lost', 'lost', 'lost'];
  sender.send('old');
  await clock.pass(200_000);
  const refusal = Response.json({ error: 'text', message: 'shorten it' }, { status: 422 });
  answers = ['lost', 'lost', 'lost', refusal, 'lost', 'lost', 'lost'];
  for (const text of ['one', 'refused', 'two']) sender.send(text);
  await clock.pass(110_000);
  answers = ['lost', 'lost', 'lost', stored('e-6')];
  posts.length = 0;
  sender.resume();
  await clock.pass(1500);
  assert.deepEqual(posts.map(({ key }) => key), ['key-2', 'key-2', 'key-2', 'key-4']);
  assert.deepEqual(unsent.map(({ key }) => key), ['key-1', 'key-3', 'key-2']);
  await clock.pass(200_000);
  sender.resume();
  await clock.pass(0);
  assert.equal(posts.length, 4, 'it does not become younger');
});

test('discarding a message returns its text, and it is not sent again', async () => {
  answers = ['lost', 'lost', 'lost'];
  sender.send('hello');
  await clock.pass(1500);
  assert.equal(sender.discard('key-1'), 'hello');
  sender.retry('key-1');
  await clock.pass(60_000);
  assert.equal(posts.length, 3);
  assert.deepEqual(unsent, []);
});

test('unsent messages are reported with all that a retry needs', async () => {
  answers = ['lost', 'lost', 'lost', stored('e-6')];
  sender.send('one');
  sender.send('two');
  const at = clock.now();
  assert.deepEqual(unsent.map(({ key, failure }) => [key, failure]), [['key-1', undefined], ['key-2', undefined]]);
  await clock.pass(1500);
  const failure = { reason: 'the server cannot be reached', refused: false };
  assert.deepEqual(unsent, [{ key: 'key-1', text: 'one', since: 'e-5', at, failure }]);
});

test('a reloaded page sends what was being sent, and shows what had failed', async () => {
  answers = [stored('e-6')];
  const failure = { reason: 'shorten it', refused: true };
  const at = clock.now();
  sender.restore([
    { key: 'a', text: 'one', since: 'e-3', at, failure },
    { key: 'b', text: 'two', since: 'e-4', at: at - 1000 },
    { key: 'c', text: 'three', since: 'e-4', at: at - 3_600_000 },
  ]);
  await clock.pass(0);
  assert.deepEqual(posts.map(({ key, since, text }) => [key, since, text]), [['b', 'e-4', 'two']]);
  assert.deepEqual(log, [
    'pending a', 'refused a: shorten it', 'pending b',
    'pending c', 'failed c: the page was left before it was sent', 'sent e-6',
  ]);
  assert.deepEqual(unsent.map(({ key }) => key), ['a', 'c']);
});

test('a page from the back/forward cache restores what another saved, and no duplicates of its own', async () => {
  answers = ['lost', 'lost', 'lost', stored('e-6')];
  sender.send('one');
  await clock.pass(1500);
  sender.send('two');
  const at = clock.now();
  sender.restore([...unsent, { key: 'b', text: 'of the other', since: 'e-4', at }]);
  assert.deepEqual(log.slice(2), ['pending key-2', 'pending b']);
  assert.deepEqual(unsent.map(({ key }) => key), ['key-1', 'key-2', 'b']);
});

test('a message that an earlier page saved and that is stored is forgotten', () => {
  sender.send('hello');
  unsent = undefined;
  sender.settle({ provisionalId: 'key-1', from: 'Ann', text: 'hello' });
  sender.restore([]);
  assert.deepEqual(unsent, []);
});

test('messages are posted one at a time, in order, and a failure does not stop the next', async () => {
  answers = ['lost', 'lost', 'lost', stored('e-6')];
  sender.send('one');
  sender.send('two');
  await settled();
  assert.deepEqual(posts.map(({ text }) => text), ['one']);
  await clock.pass(1500);
  assert.deepEqual(posts.map(({ text }) => text), ['one', 'one', 'one', 'two']);
  assert.equal(log.at(-1), 'sent e-6');
});

test('a message that the stream delivers counts as sent', async () => {
  answers = ['lost', 'never'];
  sender.send('hello');
  await clock.pass(500);
  sender.settle({ provisionalId: 'key-1', from: 'Ann', text: 'hello' });
  await clock.pass(60_000);
  assert.deepEqual(log, ['pending key-1']);
  assert.deepEqual([posts.length, clock.pending], [2, 0]);
});

test('a failed message that turns out to be stored needs no retry', async () => {
  answers = ['lost', 'lost', 'lost'];
  sender.send('hello');
  await clock.pass(1500);
  sender.settle({ provisionalId: 'key-1', from: 'Ann', text: 'hello' });
  assert.deepEqual(unsent, []);
  sender.retry('key-1');
  await settled();
  assert.equal(posts.length, 3);
});

test('more than twenty waiting messages are not accepted', () => {
  for (let i = 0; i < 20; i += 1) assert.ok(sender.send(`text ${i}`));
  assert.equal(sender.send('one more'), false);
});

test('another user’s message with the same key does not count as sent', async () => {
  answers = ['lost', Response.json({ error: 'key', message: 'use a new key' }, { status: 422 })];
  sender.send('hello');
  await clock.pass(0);
  sender.settle({ provisionalId: 'key-1', from: 'Mallory', text: 'hello' });
  sender.settle({ provisionalId: 'key-1', from: 'Ann', text: 'goodbye' });
  await clock.pass(1500);
  assert.deepEqual(log, ['pending key-1', 'refused key-1: use a new key']);
});
