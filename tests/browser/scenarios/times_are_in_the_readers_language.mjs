import { live, post, texts } from '../chat.mjs';
import { date } from '../dates.mjs';

// In January midnight in Auckland is at 11:00 UTC.
const LOG = [
  ['Ada', 'before midnight', '2026-01-01T10:59:30.000Z'],
  ['Ada', 'after it', '2026-01-01T11:00:30.000Z'],
  ['Ada', 'and on', '2026-01-01T11:01:30.000Z'],
  ['Bo', 'five minutes ago', '2026-01-02T00:05:00.000Z'],
];
const NOW = new Date('2026-01-02T00:10:10Z');
const MINUTE = 60_000;

/** Day, `*` for a message with a head, text, time; without differences between versions of the Unicode locale data. */
const shown = (page) => page.$$eval('#messages > li', (items) => items.map((item) => {
  const part = (selector) => item.querySelector(selector)?.textContent;
  const day = part('.day');
  return [...(day ? [`${day}:`] : []), `${item.classList.contains('lead') ? '*' : ''}${part('.text')}`, part('time')].join(' ')
    .replaceAll('\u202f', ' ').replace(/\bmin\./i, 'min');
}));

export default async function timesAreInTheReadersLanguage({ browser, baseUrl, expect }) {
  const stored = [];
  for (const [from, text] of LOG) stored.push(await post(baseUrl, 'moments', text, from));
  const url = `${baseUrl}/moments?user=Ann`;
  const read = async (timezoneId, locale) => {
    const context = await browser.newContext({ timezoneId, locale });
    const page = await context.newPage();
    await page.clock.install({ time: NOW });
    await date(page, url, LOG.map(([, , moment]) => moment));
    await page.goto(url);
    await live(page);
    return page;
  };
  const shows = (page, when, expected) => expect.eventually(when, async () => {
    expect.equal(await shown(page), expected);
    return true;
  });

  const auckland = await read('Pacific/Auckland', 'de-DE');
  const start = ['Gestern: *before midnight 23:59', 'Heute: *after it 00:00', 'and on 00:01'];
  await shows(auckland, 'at first', [...start, '*five minutes ago vor 5 min']);
  const last = auckland.locator('#messages > li:last-child time');
  expect.match(await last.getAttribute('title'), /Freitag, 2\. Januar 2026 .*13:05:00/);
  expect.equal(await last.getAttribute('datetime'), LOG.at(-1)[2]);
  await auckland.clock.fastForward(10 * MINUTE);
  await shows(auckland, 'ten minutes later', [...start, '*five minutes ago vor 15 min']);
  // In one step, as on a laptop that slept.
  await auckland.clock.fastForward(180 * MINUTE);
  await shows(auckland, 'in the afternoon', [...start, '*five minutes ago 13:05']);
  await auckland.clock.fastForward(new Date('2026-01-02T11:00:40Z') - NOW - 190 * MINUTE);
  await shows(auckland, 'after the next midnight', [
    'Donnerstag, 1. Januar: *before midnight 23:59', 'Gestern: *after it 00:00', 'and on 00:01', '*five minutes ago 13:05',
  ]);

  const angeles = await read('America/Los_Angeles', 'en-US');
  await shows(angeles, 'the same elsewhere', [
    'Today: *before midnight 2:59 AM', 'after it 3:00', 'and on 3:01', '*five minutes ago 5 min ago',
  ]);
  // New messages have the time of the server, whose clock is ahead of this one.
  await post(baseUrl, 'moments', 'live', 'Cy');
  await expect.eventually('it is there', async () => (await texts(angeles)).at(-1) === 'live');
  expect.equal(await angeles.locator('#messages > li:last-child time').textContent(), 'now', 'not the future');

  const silent = await (await browser.newContext({ javaScriptEnabled: false })).newPage();
  await silent.goto(url);
  const times = await silent.$$eval('#messages time', (items) => items.map(({ textContent }) => textContent));
  expect.equal(times.slice(0, -1), stored.map((message) => `${message.date.slice(11, 16)} UTC`), 'without scripts the time zone is shown');
}
