import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { unreadCount } from '../../client/news.js';

let page;
let jump;
let atEnd;
let unread;

beforeEach(() => {
  page = Object.assign(new EventTarget(), { title: 'lobby', hidden: false });
  globalThis.document = page;
  jump = { classList: { toggle() {} } };
  atEnd = false;
  unread = unreadCount(jump, {}, () => atEnd);
});

const hide = (hidden) => {
  page.hidden = hidden;
  page.dispatchEvent(new Event('visibilitychange'));
};

const told = () => [page.title, jump.textContent];

test('a message is told of once, however often it comes', () => {
  hide(true);
  assert.equal(unread.came('a'), true);
  assert.equal(unread.came('a'), false, 'it is stored');
  assert.equal(unread.came('b'), true);
  assert.deepEqual(told(), ['(2) lobby', '2 new messages']);
});

test('what is taken back is off the count, and on it again when it comes again, in silence', () => {
  hide(true);
  for (const key of ['a', 'b', 'c']) unread.came(key);
  unread.went('b');
  assert.deepEqual(told(), ['(2) lobby', '2 new messages']);
  unread.went('b');
  unread.went('of an own message');
  assert.deepEqual(told(), ['(2) lobby', '2 new messages']);
  assert.equal(unread.came('b'), false);
  assert.deepEqual(told(), ['(3) lobby', '3 new messages']);
  unread.went('b');
  assert.deepEqual(told(), ['(2) lobby', '2 new messages']);
});

test('what was seen before it is taken back is not taken off', () => {
  hide(true);
  unread.came('a');
  hide(false);
  unread.came('b');
  hide(true);
  unread.came('c');
  assert.deepEqual(told(), ['(1) lobby', '3 new messages']);
  unread.went('a');
  assert.deepEqual(told(), ['(1) lobby', '2 new messages']);
  atEnd = true;
  hide(false);
  assert.deepEqual(told(), ['lobby', 'Newest messages']);
  atEnd = false;
  unread.came('d');
  unread.went('c');
  assert.deepEqual(told(), ['lobby', '1 new message']);
});

test('who was told of very many is told of an old one again', () => {
  for (let n = 0; n <= 500; n += 1) unread.came(`key-${n}`);
  assert.equal(unread.came('key-1'), false);
  assert.equal(unread.came('key-0'), true);
});
