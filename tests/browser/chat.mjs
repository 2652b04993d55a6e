// The room page as a person uses it, and the API as a program does.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';

/** A room's page in a context of its own, which is a browser of its own to the server. Live when this returns. */
export async function enter(browser, url, options = {}) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  await page.goto(url);
  if (options.javaScriptEnabled !== false) await live(page);
  return page;
}

export const live = (page) => page.waitForSelector('#status[data-state=live]');

/** What the page shows, in its order. `id` is empty for what is not stored yet. */
export const shown = (page) => page.$$eval('#messages > li', (items) => items.map((item) => ({
  id: item.dataset.id,
  seq: item.dataset.seq,
  from: item.querySelector('.author').textContent,
  text: item.querySelector('.text').textContent,
  state: ['pending', 'provisional', 'failed'].find((name) => item.classList.contains(name)) ?? 'final',
})));

export const texts = (page) => page.$$eval('#messages > li .text', (items) => items.map((item) => item.textContent));

/** True if the page shows these texts, all of them stored, and no others; an error that says what it shows if not. */
export async function showsStored(page, expected) {
  const seen = (await shown(page)).map(({ text, state }) => (state === 'final' ? text : `${text} (${state})`));
  assert.deepEqual(seen, expected);
  return true;
}

/** By keyboard, the way people do, or on what can be touched by the button. */
export async function say(page, text) {
  await page.fill('#text', text);
  if (await page.evaluate(() => navigator.maxTouchPoints > 0)) await page.click('.send');
  else await page.press('#text', 'Enter');
}

export const messagesUrl = (base, room) => `${base}/rooms/${encodeURIComponent(room)}/messages/`;

/** Whatever the answer is. */
export function send(base, room, { from = 'Ada', text, key }) {
  const headers = { 'Content-Type': 'application/json', ...(key && { 'Idempotency-Key': key }) };
  return fetch(messagesUrl(base, room), { method: 'POST', headers, body: JSON.stringify({ from, text }) });
}

/** The message as it is stored. */
export async function post(base, room, text, from) {
  const response = await send(base, room, { from, text, key: randomUUID() });
  if (response.status !== 200) throw new Error(`the post was answered ${response.status} ${await response.text()}`);
  return response.json();
}

/**
 * Counts, from now on and without missing a moment, how many elements at once show the same text. `most()` is the
 * highest number there ever was.
 */
export async function countCopies(page) {
  await page.evaluate(() => {
    const list = document.getElementById('messages');
    window.mostCopies = 0;
    new MutationObserver(() => {
      const counts = new Map();
      for (const { textContent } of list.querySelectorAll('.text')) {
        counts.set(textContent, (counts.get(textContent) ?? 0) + 1);
      }
      window.mostCopies = Math.max(window.mostCopies, ...counts.values());
    }).observe(list, { childList: true, subtree: true, characterData: true });
  });
  return { most: () => page.evaluate(() => window.mostCopies) };
}

/** The addresses of the streams that a page opens from now on. */
export function streamsOf(page) {
  const urls = [];
  page.on('request', (request) => {
    if (request.resourceType() === 'eventsource') urls.push(request.url());
  });
  return urls;
}
