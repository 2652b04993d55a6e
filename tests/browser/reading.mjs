// What a reader sees of a room's log, and how they get about in it.

import { randomUUID } from 'node:crypto';
import { messagesUrl, send } from './chat.mjs';

/**
 * Scrolls as a person does, by wheel or, on what can be touched, with a finger, and waits until that is over. Upwards for
 * less than 0.
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
  await standsStill(page);
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

/** Until the log has not moved for so many frames that nothing goes on. */
export const standsStill = (page) => page.evaluate(async () => {
  const log = document.getElementById('log');
  for (let still = 0, last = log.scrollTop; still < 6; last = log.scrollTop) {
    await new Promise(requestAnimationFrame);
    still = log.scrollTop === last ? still + 1 : 0;
  }
});

/** How far the end of the last message is below the end of what is seen of the log, in pixels. */
export const belowEnd = (page) => page.evaluate(() => {
  const last = document.querySelector('#messages > li:last-child').getBoundingClientRect();
  return last.bottom - document.getElementById('log').getBoundingClientRect().bottom;
});

/** True if the newest message stands right above the box. */
export async function isAtEnd(page) {
  const below = await belowEnd(page);
  return below <= 0 && below > -32;
}

/** The text of the message in the middle of the log, which is the one that is read. */
export const read = (page) => page.evaluate(() => {
  const log = document.getElementById('log').getBoundingClientRect();
  const middle = log.top + log.height / 2;
  const items = [...document.querySelectorAll('#messages > li')];
  return items.find((item) => item.getBoundingClientRect().bottom >= middle).querySelector('.text').textContent;
});

/**
 * Follows a message on the screen from now on. `moved()` is how far it has been from where it was, at most, in pixels:
 * whoever reads it must not have to look for it.
 */
export async function watchPlace(page, text) {
  await page.evaluate((wanted) => {
    const found = [...document.querySelectorAll('#messages > li .text')].find(({ textContent }) => textContent === wanted);
    const y = () => found.getBoundingClientRect().top;
    const begin = y();
    const place = { moved: 0, look };
    window.watchedPlace = place;
    function look() {
      place.moved = Math.max(place.moved, found.isConnected ? Math.abs(y() - begin) : Infinity);
    }
    // Behind the page's own observers, and before anything is painted.
    new ResizeObserver(look).observe(document.getElementById('messages'));
    document.getElementById('log').addEventListener('scroll', look);
  }, text);
  return {
    moved: async () => {
      await standsStill(page);
      return page.evaluate(() => {
        window.watchedPlace.look();
        return window.watchedPlace.moved;
      });
    },
  };
}

/** As far as one gets. */
export const toTop = (page) => page.$eval('#log', (log) => log.scrollTo(0, -log.scrollHeight));

/** Fills a room, several posts at a time, and returns the texts in the order that they have got. */
export async function fill(base, room, count, author = (n) => (n % 5 < 3 ? 'Ada' : 'Bo')) {
  const waiting = Array.from({ length: count }, (_, n) => n);
  const work = async () => {
    for (let n = waiting.shift(); n !== undefined; n = waiting.shift()) {
      // Some of one line, some of more: nothing may count on their height.
      const text = `message ${n}${' and so on'.repeat((n * 7) % 23)}${n % 11 === 0 ? '\nand\nmore' : ''}`;
      const { status } = await send(base, room, { from: author(n), text, key: randomUUID() });
      if (status !== 200) throw new Error(`a post was answered ${status}`);
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
