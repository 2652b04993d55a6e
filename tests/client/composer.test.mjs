import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { compose } from '../../client/composer.js';

let kept;
let sent;
/** Media queries that hold. */
let media;

beforeEach(() => {
  kept = new Map();
  sent = [];
  media = ['(any-pointer: fine)'];
  globalThis.matchMedia = (query) => ({ matches: media.includes(query) });
  globalThis.CSS = { supports: () => true };
  globalThis.localStorage = {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => kept.set(key, value),
    removeItem: (key) => kept.delete(key),
  };
});

/** A page of the room, whose box the browser has put something in before the script ran. */
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
    hears: () => window.dispatchEvent(new Event('storage')),
    comesBack: () => window.dispatchEvent(new Event('pageshow')),
    press(key) {
      const event = Object.assign(new Event('keydown', { cancelable: true }), { key: 'Enter', ...key });
      box.dispatchEvent(event);
      return event.defaultPrevented;
    },
  };
}

const draft = () => kept.get('gripchat.draft');

test('what is sent in one tab is not offered in another', () => {
  const first = tab();
  first.write('hello');
  const second = tab();
  assert.equal(second.box.value, 'hello');
  second.write('hello all');
  first.hears();
  assert.equal(first.box.value, 'hello all', 'it is one draft');
  second.form.requestSubmit();
  first.hears();
  assert.deepEqual([sent, first.box.value, draft()], [['hello all'], '', undefined]);
});

test('a page that comes back as it was left does not offer what was sent meanwhile', () => {
  const first = tab();
  first.write('hello');
  const second = tab();
  second.form.requestSubmit();
  assert.equal(first.box.value, 'hello');
  first.comesBack();
  assert.deepEqual([first.box.value, first.box.autocomplete], ['', 'off']);
});

test('what another tab has begun is kept when this one sends', () => {
  const [first, second] = [tab(), tab()];
  second.write('mine');
  first.write('another');
  second.form.requestSubmit();
  assert.deepEqual([sent, second.box.value, draft()], [['mine'], '', 'another']);
});

test('what was written before the script ran is the draft', () => {
  tab().write('old');
  assert.deepEqual([tab('early').box.value, draft()], ['early', 'early']);
});

test('where nothing can be stored, a page that comes back keeps its text', () => {
  globalThis.localStorage.setItem = () => { throw new Error('full'); };
  const page = tab();
  page.write('hello');
  page.comesBack();
  page.hears();
  assert.equal(page.box.value, 'hello');
  page.form.requestSubmit();
  assert.deepEqual([sent, page.box.value], [['hello'], '']);
});

test('Enter sends once, however long it is held, and nothing of an empty box', () => {
  const page = tab();
  assert.equal(page.form.noValidate, true, 'no bubble of the browser');
  page.write(' ');
  assert.ok(page.press());
  page.write('hello');
  assert.ok(page.press());
  page.write('held');
  assert.ok(page.press({ repeat: true }), 'it breaks no line either');
  assert.deepEqual(sent, ['hello']);
  for (const key of [{ shiftKey: true }, { isComposing: true }, { keyCode: 229 }]) assert.ok(!page.press(key));
  assert.deepEqual(sent, ['hello']);
});

test('Enter on a touch keyboard breaks the line', () => {
  media = ['(pointer: coarse)'];
  const page = tab();
  page.write('hello');
  assert.ok(!page.press());
  assert.equal(page.box.enterKeyHint, 'enter');
  media.push('(any-pointer: fine)');
  assert.ok(page.press(), 'beside a mouse there is a keyboard');
  assert.deepEqual(sent, ['hello']);
});
