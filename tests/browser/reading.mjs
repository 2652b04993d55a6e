// What a reader sees of the log, and how they scroll in it.

import { randomUUID } from 'node:crypto';
import { messagesUrl, send } from './chat.mjs';

/**
 * Scrolls as a person does, by wheel or with a finger on a touch screen, and waits until the log stops. Negative values
 * scroll up.
 */
export async function scroll(page, pixels) {
  const { x, y, width, height } = await page.locator('#log').boundingBox();
  const middle = { x: x + width / 2, y: y + height / 2 };
  if (await page.evaluate(() => navigator.maxTouchPoints > 0)) {
    await swipe(page, middle, Math.sign(pixels) * Math.min(Math.abs(pixels), height - 100));
  } else {
    await page.mouse.move(middle.x, middle.y);
    await page.mouse.wheel(0, pixels);
  }
  await scrollEnd(page);
}

async function swipe(page, { x, y }, pixels) {
  const session = await page.context().newCDPSession(page);
  const touch = (type, ...touchPoints) => session.send('Input.dispatchTouchEvent', { type, touchPoints });
  const from = y + pixels / 2;
  await touch('touchStart', { x, y: from });
  for (let step = 1; step <= 5; step += 1) await touch('touchMove', { x, y: from - (pixels * step) / 5 });
  await touch('touchEnd');
  await session.detach();
}

/** Waits until the log has not moved for six frames. */
export const scrollEnd = (page) => page.evaluate(async () => {
  const log = document.getElementById('log');
  for (let still = 0, last = log.scrollTop; still < 6; last = log.scrollTop) {
    await new Promise(requestAnimationFrame);
    still = log.scrollTop === last ? still + 1 : 0;
  }
});

/** The distance from the visible end of the log to the end of the last message, in pixels. Positive if that is below. */
export const belowEnd = (page) => page.evaluate(() => {
  const last = document.querySelector('#messages > li:last-child').getBoundingClientRect();
  return last.bottom - document.getElementById('log').getBoundingClientRect().bottom;
});

/** Whether the newest message is directly above the composer. */
export async function isAtEnd(page) {
  const below = await belowEnd(page);
  return below <= 0 && below > -32;
}

/** The text of the message in the middle of the log. */
export const read = (page) => page.evaluate(() => {
  const log = document.getElementById('log').getBoundingClientRect();
  const middle = log.top + log.height / 2;
  const items = [...document.querySelectorAll('#messages > li')];
  return items.find((item) => item.getBoundingClientRect().bottom >= middle).querySelector('.text').textContent;
});

/**
 * Tracks the position of a message on the screen from now on. `moved()` returns the largest distance from its first
 * position so far, in pixels: its reader must not have to look for it.
 */
export async function trackPosition(page, text) {
  await page.evaluate((wanted) => {
    const found = [...document.querySelectorAll('#messages > li .text')].find(({ textContent }) => textContent === wanted);
    const y = () => found.getBoundingClientRect().top;
    const start = y();
    const tracked = { moved: 0, update };
    window.trackedPosition = tracked;
    function update() {
      tracked.moved = Math.max(tracked.moved, found.isConnected ? Math.abs(y() - start) : Infinity);
    }
    // Runs after the page's own observers and before paint.
    new ResizeObserver(update).observe(document.getElementById('messages'));
    document.getElementById('log').addEventListener('scroll', update);
  }, text);
  return {
    moved: async () => {
      await scrollEnd(page);
      return page.evaluate(() => {
        window.trackedPosition.update();
        return window.trackedPosition.moved;
      });
    },
  };
}

/** Scrolls up as far as possible. */
export const toTop = (page) => page.$eval('#log', (log) => log.scrollTo(0, -log.scrollHeight));

/** Fills a room with concurrent posts, and returns the texts in the order of the stored messages. */
export async function fill(base, room, count, author = (n) => (n % 5 < 3 ? 'Ada' : 'Bo')) {
  const waiting = Array.from({ length: count }, (_, n) => n);
  const work = async () => {
    for (let n = waiting.shift(); n !== undefined; n = waiting.shift()) {
      // Of different heights, on which nothing may depend.
      const text = `message ${n}${' and so on'.repeat((n * 7) % 23)}${n % 11 === 0 ? '\nand\nmore' : ''}`;
      const { status } = await send(base, room, { from: author(n), text, key: randomUUID() });
      if (status !== 200) throw new Error(`the response to a post was ${status}`);
    }
  };
  await Promise.all(Array.from({ length: 50 }, work));
  return history(base, room);
}

/** All texts of a room, oldest first. */
export async function history(base, room) {
  const all = [];
  for (let query = '?limit=100', more = true; more;) {
    const page = await (await fetch(messagesUrl(base, room) + query)).json();
    all.unshift(...page.messages.map(({ text }) => text));
    query = `?limit=100&before=${page.messages[0]?.id}`;
    more = page.more;
  }
  return all;
}
