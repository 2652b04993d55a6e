// Takes screenshots of the main states of the pages: `node screenshots.mjs GRIPCHAT FOLDER [FOLDER_OF_THE_README]`, called
// by scripts/screenshots.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { live, post, submit } from '../chat.mjs';
import { LAUNCH, start } from './program.mjs';

const [binary, folder, readme] = process.argv.slice(2);

/** The screenshots in README.md. */
const SHOWN = ['light', 'dark', 'phone'];

/** The age of messages; room, author and text of each. */
const LOG = [
  ['-3d', [
    ['réunion-générale', 'Zoë', 'On se voit mardi ?'],
    ['on-call', 'Jonas', 'Quiet night.'],
  ]],
  ['-1d', [
    ['support-emea', 'Priya', 'Ticket 4411 is closed.'],
    ['deploys', 'Mira Okafor', 'Morning! The staging deploy went out at 07:40. No streams dropped, which I am still getting used to.'],
    ['deploys', 'Mira Okafor', 'Notes are at https://example.org/notes/staging'],
    ['deploys', 'Jonas', 'Nice. What did the reconnect storm cost us this time?'],
    ['deploys', 'Ada Lovelace', 'Three reads for two thousand clients. Everyone was whole after three seconds.'],
    ['deploys', 'Ada Lovelace', 'I would not have believed it a month ago'],
    ['deploys', '李小龙', '👏👏'],
  ]],
  ['-2h', [
    ['kantine', 'Bo', 'Curry!'],
    ['design', 'Zoë', 'The new empty state is in.'],
    ['deploys', 'Jonas', 'Then let us do production on Monday:\n  1. table\n  2. backends, one by one\n  3. the edge last'],
    ['deploys', 'שרה כהן', 'מצוין, אני בפנים'],
  ]],
  ['-12m', [
    ['default', 'Bo', 'Anybody here?'],
    ['deploys', 'Mira Okafor', 'Works for me. I am around from eight.'],
    ['deploys', 'Mira Okafor', 'Who watches the metrics?'],
  ]],
];

const DESKTOP = { viewport: { width: 1200, height: 760 } };
const TABLET = { viewport: { width: 820, height: 1100 }, isMobile: true, hasTouch: true };
const PHONE = { viewport: { width: 390, height: 800 }, isMobile: true, hasTouch: true };
const DARK = { colorScheme: 'dark' };

const scratch = await mkdtemp(join(tmpdir(), 'gripchat-'));
const data = join(scratch, 'data');
const browser = await chromium.launch(LAUNCH);
try {
  for (const [ago, messages] of LOG) {
    const past = await start(binary, data, ago);
    for (const [room, from, text] of messages) await post(past.direct, room, text, from);
    await past.stop();
  }
  const chat = await start(binary, data);
  await mkdir(folder, { recursive: true });
  await picture(chat, 'light', DESKTOP);
  await picture(chat, 'dark', { ...DESKTOP, ...DARK });
  await picture(chat, 'tablet', TABLET);
  await picture(chat, 'phone', PHONE);
  await picture(chat, 'phone-dark', { ...PHONE, ...DARK });
  await picture(chat, 'phone-rooms', PHONE, {}, (page) => page.click('button[aria-label="Rooms"]'));
  await picture(chat, 'zoom-200', { viewport: { width: 640, height: 400 }, deviceScaleFactor: 2 });
  await picture(chat, 'empty', DESKTOP, { path: '/launch-party?user=Ada+Lovelace' });
  await picture(chat, 'join', DESKTOP, { path: '/deploys' });
  await picture(chat, 'join-phone', PHONE, { path: '/deploys?user=' });
  await picture(chat, 'rooms', DESKTOP, { path: '/rooms/?user=Ada+Lovelace' });
  await picture(chat, 'not-a-room', DESKTOP, { path: '/not%20a%20room' });
  await picture(chat, 'no-script', { ...DESKTOP, javaScriptEnabled: false });
  await picture(chat, 'further-up', DESKTOP, {}, async (page) => {
    await page.mouse.move(780, 400);
    await page.mouse.wheel(0, -400);
    await page.waitForSelector('#jump:not([hidden])');
    await post(chat.direct, 'deploys', 'I do, as always.', 'Jonas');
    await page.waitForSelector('#jump.news');
  });
  for (const [name, options] of [['failed', DESKTOP], ['failed-phone', PHONE]]) {
    await picture(chat, name, options, {}, async (page) => {
      await page.route('**/messages/', (route) => (route.request().method() === 'POST' ? route.abort() : route.fallback()));
      await submit(page, 'I will bring the runbook, and croissants.');
      await page.waitForSelector('.failed');
      await page.evaluate(() => { document.activeElement.blur(); });
    });
  }
  await picture(chat, 'offline', DESKTOP, {}, async (page) => {
    await page.context().setOffline(true);
    await chat.stop();
    await page.waitForSelector('#status[data-state=offline]');
  });
} finally {
  await browser.close();
  await rm(scratch, { recursive: true });
}
process.exit();

/** Opens a page in a new browser, prepares it and takes a screenshot. */
async function picture(chat, name, options, { path = '/deploys?user=Ada+Lovelace' } = {}, prepare = async () => {}) {
  const context = await browser.newContext({ deviceScaleFactor: 2, locale: 'en-GB', ...options });
  const page = await context.newPage();
  await page.goto(chat.base + path);
  if (options.javaScriptEnabled !== false && (await page.locator('#status').count()) > 0) await live(page);
  await prepare(page);
  await page.screenshot({ path: join(folder, `${name}.png`) });
  console.log(join(folder, `${name}.png`));
  if (readme && SHOWN.includes(name)) {
    const session = await context.newCDPSession(page);
    // Playwright has no WebP, which has a fifth of the bytes.
    const { data: image } = await session.send('Page.captureScreenshot', { format: 'webp', quality: 82 });
    await mkdir(readme, { recursive: true });
    await writeFile(join(readme, `${name}.webp`), image, 'base64');
  }
  await context.close();
}
