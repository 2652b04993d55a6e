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

const display = () => [page.title, jump.textContent];

test('a message is counted once, however often it arrives', () => {
  hide(true);
  assert.equal(unread.add('a'), true);
  assert.equal(unread.add('a'), false, 'it is stored');
  assert.equal(unread.add('b'), true);
  assert.deepEqual(display(), ['(2) lobby', '2 new messages']);
});

test('a retracted message is uncounted, and counted again without an announcement when it returns', () => {
  hide(true);
  for (const key of ['a', 'b', 'c']) unread.add(key);
  unread.remove('b');
  assert.deepEqual(display(), ['(2) lobby', '2 new messages']);
  unread.remove('b');
  unread.remove('an own message');
  assert.deepEqual(display(), ['(2) lobby', '2 new messages']);
  assert.equal(unread.add('b'), false);
  assert.deepEqual(display(), ['(3) lobby', '3 new messages']);
  unread.remove('b');
  assert.deepEqual(display(), ['(2) lobby', '2 new messages']);
});

test('the retraction of a message that was seen does not change the count', () => {
  hide(true);
  unread.add('a');
  hide(false);
  unread.add('b');
  hide(true);
  unread.add('c');
  assert.deepEqual(display(), ['(1) lobby', '3 new messages']);
  unread.remove('a');
  assert.deepEqual(display(), ['(1) lobby', '2 new messages']);
  atEnd = true;
  hide(false);
  assert.deepEqual(display(), ['lobby', 'Newest messages']);
  atEnd = false;
  unread.add('d');
  unread.remove('c');
  assert.deepEqual(display(), ['lobby', '1 new message']);
});

test('only the last 500 messages are remembered', () => {
  for (let n = 0; n <= 500; n += 1) unread.add(`key-${n}`);
  assert.equal(unread.add('key-1'), false);
  assert.equal(unread.add('key-0'), true);
});
