import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { compose } from '../../client/composer.js';

let kept;
let sent;
let tabs;

beforeEach(() => {
  kept = new Map();
  sent = [];
  tabs = [];
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
  const box = Object.assign(new EventTarget(), { value: restored, focus() {} });
  const form = Object.assign(new EventTarget(), { classList: { toggle() {} } });
  form.requestSubmit = () => form.dispatchEvent(new Event('submit', { cancelable: true }));
  const { addEventListener } = globalThis;
  globalThis.addEventListener = window.addEventListener.bind(window);
  const composer = compose(form, box, 'draft', (text) => sent.push(text) > 0);
  globalThis.addEventListener = addEventListener;
  const page = {
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
  tabs.push(page);
  return page;
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
