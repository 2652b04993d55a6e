import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { compose } from '../../client/composer.js';

let stored;
let sent;
/** Media queries that match. */
let media;

beforeEach(() => {
  stored = new Map();
  sent = [];
  media = ['(any-pointer: fine)'];
  globalThis.matchMedia = (query) => ({ matches: media.includes(query) });
  globalThis.CSS = { supports: () => true };
  globalThis.localStorage = {
    getItem: (key) => stored.get(key) ?? null,
    setItem: (key, value) => stored.set(key, value),
    removeItem: (key) => stored.delete(key),
  };
});

/** Opens a page. `restored` is what the browser put into its box before the script ran. */
function tab(restored = '') {
  const window = new EventTarget();
  const box = Object.assign(new EventTarget(), { value: restored, focus() {}, removeAttribute() {} });
  const form = Object.assign(new EventTarget(), { classList: { toggle() {} } });
  form.requestSubmit = () => form.dispatchEvent(new Event('submit', { cancelable: true }));
  const { addEventListener } = globalThis;
  globalThis.addEventListener = window.addEventListener.bind(window);
  const composer = compose(form, box, 'draft', (text) => sent.push(text) > 0);
  globalThis.addEventListener = addEventListener;
  return {
    box,
    form,
    composer,
    write(text) {
      box.value = text;
      box.dispatchEvent(new Event('input'));
    },
    storageChanges: () => window.dispatchEvent(new Event('storage')),
    comesBack: () => window.dispatchEvent(new Event('pageshow')),
    press(key) {
      const event = Object.assign(new Event('keydown', { cancelable: true }), { key: 'Enter', ...key });
      box.dispatchEvent(event);
      return event.defaultPrevented;
    },
  };
}

const draft = () => stored.get('gripchat.draft');

test('what is sent in one tab is not offered in another', () => {
  const first = tab();
  first.write('hello');
  const second = tab();
  assert.equal(second.box.value, 'hello');
  second.write('hello all');
  first.storageChanges();
  assert.equal(first.box.value, 'hello all', 'it is one draft');
  second.form.requestSubmit();
  first.storageChanges();
  assert.deepEqual([sent, first.box.value, draft()], [['hello all'], '', undefined]);
});

test('a page from the back/forward cache does not offer what was sent meanwhile', () => {
  const first = tab();
  first.write('hello');
  const second = tab();
  second.form.requestSubmit();
  assert.equal(first.box.value, 'hello');
  first.comesBack();
  assert.deepEqual([first.box.value, first.box.autocomplete], ['', 'off']);
});

test('a draft started in another tab is kept when this tab sends', () => {
  const [first, second] = [tab(), tab()];
  second.write('mine');
  first.write('another');
  second.form.requestSubmit();
  assert.deepEqual([sent, second.box.value, draft()], [['mine'], '', 'another']);
});

test('a text written before the script ran is the draft', () => {
  tab().write('old');
  assert.deepEqual([tab('early').box.value, draft()], ['early', 'early']);
});

test('without storage, a page from the back/forward cache keeps its text', () => {
  globalThis.localStorage.setItem = () => { throw new Error('full'); };
  const page = tab();
  page.write('hello');
  page.comesBack();
  page.storageChanges();
  assert.equal(page.box.value, 'hello');
  page.form.requestSubmit();
  assert.deepEqual([sent, page.box.value], [['hello'], '']);
});

test('Enter sends once, however long it is held, and never an empty text', () => {
  const page = tab();
  assert.equal(page.form.noValidate, true, 'the browser shows no message');
  page.write(' ');
  assert.ok(page.press());
  page.write('hello');
  assert.ok(page.press());
  page.write('held');
  assert.ok(page.press({ repeat: true }), 'it inserts no line break either');
  assert.deepEqual(sent, ['hello']);
  for (const key of [{ shiftKey: true }, { isComposing: true }, { keyCode: 229 }]) assert.ok(!page.press(key));
  assert.deepEqual(sent, ['hello']);
});

test('Enter on a touch keyboard starts a new line', () => {
  media = ['(pointer: coarse)'];
  const page = tab();
  page.write('hello');
  assert.ok(!page.press());
  assert.equal(page.box.enterKeyHint, 'enter');
  media.push('(any-pointer: fine)');
  assert.ok(page.press(), 'a mouse implies a keyboard');
  assert.deepEqual(sent, ['hello']);
});
