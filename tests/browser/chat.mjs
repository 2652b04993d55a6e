// Helpers that use the room page as a person does, and the API as a program does.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';

/** Opens a room in a new context, which is another browser to the server. The page is live when this returns. */
export async function enter(browser, url, options = {}) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  await page.goto(url);
  if (options.javaScriptEnabled !== false) await live(page);
  return page;
}

export const live = (page) => page.waitForSelector('#status[data-state=live]');

/** The messages on the page, in order. `id` is empty if a message is not stored yet. */
export const shown = (page) => page.$$eval('#messages > li', (items) => items.map((item) => ({
  id: item.dataset.id,
  seq: item.dataset.seq,
  from: item.querySelector('.author').textContent,
  text: item.querySelector('.text').textContent,
  state: ['pending', 'provisional', 'failed'].find((name) => item.classList.contains(name)) ?? 'final',
})));

export const texts = (page) => page.$$eval('#messages > li .text', (items) => items.map((item) => item.textContent));

/** Returns true if the page shows exactly these texts, all of them stored. Throws an error with what it shows otherwise. */
export async function showsStored(page, expected) {
  const seen = (await shown(page)).map(({ text, state }) => (state === 'final' ? text : `${text} (${state})`));
  assert.deepEqual(seen, expected);
  return true;
}

/** Types a text and sends it: by Enter, or with the button on a touch screen. */
export async function submit(page, text) {
  await page.fill('#text', text);
  if (await page.evaluate(() => navigator.maxTouchPoints > 0)) await page.click('.send');
  else await page.press('#text', 'Enter');
}

export const messagesUrl = (base, room) => `${base}/rooms/${encodeURIComponent(room)}/messages/`;

/** Posts a message and returns the response, whatever its status. */
export function send(base, room, { from = 'Ada', text, key }) {
  const headers = { 'Content-Type': 'application/json', ...(key && { 'Idempotency-Key': key }) };
  return fetch(messagesUrl(base, room), { method: 'POST', headers, body: JSON.stringify({ from, text }) });
}

/** Posts a message and returns it as it is stored. */
export async function post(base, room, text, from) {
  const response = await send(base, room, { from, text, key: randomUUID() });
  if (response.status !== 200) throw new Error(`the response to the post was ${response.status} ${await response.text()}`);
  return response.json();
}

/**
 * Observes, from now on and at every change, how many elements show the same text. `most()` returns the highest number so
 * far.
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

/** Returns a list to which the URLs of the streams are added that a page opens from now on. */
export function streamsOf(page) {
  const urls = [];
  page.on('request', (request) => {
    if (request.resourceType() === 'eventsource') urls.push(request.url());
  });
  return urls;
}
