import { enter, live, post, submit, shown, texts } from '../chat.mjs';
import { date } from '../dates.mjs';
import { fill, toTop } from '../reading.mjs';

const NAMES = { Ada: 'A 11', 'ada king lovelace': 'AL', '李 小龙': '李小', '🦊': '🦊', '(bob)': 'B', éva: 'É', '- -': '-' };

const SHAPES = [
  'see https://example.org/a?b=c&d=%20, (http://example.org/x_(y)) or JAVASCRIPT:alert(1) and javascript:alert(1)',
  '🎉', '👩‍👩‍👧‍👦👍🏽', '🎉 yes', 'one\n  two\n\nfour',
];

/** `D` marks the first message of a day, `*` one with a head. */
const groups = (page) => page.$$eval('#messages > li', (items) => items.map((item) => {
  const head = item.classList.contains('lead') ? '*' : '';
  return (item.querySelector('.day') ? 'D' : '') + head + item.querySelector('.text').textContent;
}));

export default async function messagesAreGroupedByAuthorAndTime({ browser, device, baseUrl, expect, allowErrors }) {
  allowErrors('status of 400');
  const open = (room) => enter(browser, `${baseUrl}/${room}?user=Ann`);
  const shows = (page, what, expected) => expect.eventually(what, async () => {
    expect.equal(await groups(page), expected);
    return true;
  });

  const page = await open('groups');
  for (const [from, text] of [['Ada', 'a'], ['Ada', 'b'], ['Bo', 'c'], ['Ada', 'd'], ['Ann', 'e']]) {
    await post(baseUrl, 'groups', text, from);
  }
  const five = ['D*a', 'b', '*c', '*d', '*e'];
  await shows(page, 'by author', five);
  await submit(page, 'f');
  await shows(page, 'an own one', [...five, 'f']);
  await expect.eventually('it is stored', async () => (await shown(page)).at(-1).state === 'final');
  // A removed message affects the next one.
  await page.route('**/messages/', (route) => (
    route.request().method() === 'POST' ? route.fulfill({ status: 400, json: { error: 'x', message: 'no' } }) : route.continue()
  ));
  await post(baseUrl, 'groups', 'g', 'Bo');
  await shows(page, 'another', [...five, 'f', '*g']);
  await submit(page, 'refused');
  await submit(page, 'refused too');
  await shows(page, 'two that fail', [...five, 'f', '*g', '*refused', 'refused too']);
  await page.getByRole('button', { name: 'Discard: refused', exact: true }).click();
  await shows(page, 'the second alone', [...five, 'f', '*g', '*refused too']);
  await page.unroute('**/messages/');
  await post(baseUrl, 'groups', 'h', 'Ann');
  await shows(page, 'one that comes before it', [...five, 'f', '*g', '*h', 'refused too']);
  expect.equal(await groups(await open('groups')), [...five, 'f', '*g', '*h'], 'by the server');

  for (const text of ['a', 'b', 'c']) await post(baseUrl, 'pause', text, 'Ada');
  const pause = await (await browser.newContext({ timezoneId: 'UTC' })).newPage();
  await date(pause, '**/pause?user=Ann', ['2026-01-01T10:00:00.000Z', '2026-01-01T10:05:00.000Z', '2026-01-01T10:10:00.001Z']);
  await pause.goto(`${baseUrl}/pause?user=Ann`);
  await live(pause);
  expect.equal(await groups(pause), ['D*a', 'b', '*c'], 'a pause of five minutes does not start a group');

  const minutes = [0, 4, 8, 12, 15, 16, 20, 24];
  for (const minute of minutes) await post(baseUrl, 'run', `${minute}`, 'Ada');
  const run = await (await browser.newContext({ timezoneId: 'UTC' })).newPage();
  await date(run, '**/run?user=Ann', minutes.map((minute) => `2026-01-01T10:${minute}:00.000Z`.replace(/:(\d):/, ':0$1:')));
  await run.goto(`${baseUrl}/run?user=Ann`);
  await live(run);
  expect.equal(await groups(run), ['D*0', '4', '8', '12', '15', '*16', '20', '24'], 'a group is limited to 15 minutes');
  const time = run.locator('#messages time').nth(1);
  expect.equal(await time.evaluate((element) => getComputedStyle(element).opacity), device === 'phone' ? '1' : '0');
  // When the first message is removed, its group gets another head.
  await run.evaluate(() => document.querySelector('#messages > li').remove());
  await shows(run, 'the first is gone', ['D*4', '8', '12', '15', '16', '*20', '24']);

  // Long and short, own and others', in a locale with long times.
  const words = ['of many words, so that it is as wide as any message may be, and wider than the page of a phone is', 'short'];
  for (const from of ['Ann', 'Bo']) for (const text of ['a', ...words]) await post(baseUrl, 'wide', text, from);
  const wide = await (await browser.newContext({ locale: 'en-US', timezoneId: 'UTC' })).newPage();
  await date(wide, '**/wide?user=Ann', Array(6).fill('2026-01-01T22:55:00.000Z'));
  await wide.goto(`${baseUrl}/wide?user=Ann`);
  await live(wide);
  const boxes = await wide.$$eval('#messages > li:not(.lead)', (items) => items.map((item) => {
    const time = item.querySelector('time');
    const range = document.createRange();
    range.selectNodeContents(time);
    const [moment, text, column] = [range, item.querySelector('.text'), item].map((part) => part.getBoundingClientRect());
    return [time.textContent, moment.left >= column.left, moment.right <= text.left, Math.round(text.left - moment.right) < 16];
  }));
  expect.equal(boxes, Array(4).fill(['10:55', true, true, true]), 'next to the message, not cut off');

  // Sent with a clock that is ahead, and stored with the server's.
  const ahead = await open('ahead');
  await post(baseUrl, 'ahead', 'a', 'Ann');
  await shows(ahead, 'one', ['D*a']);
  await ahead.clock.setFixedTime(new Date(Date.now() + 10 * 60_000));
  await submit(ahead, 'b');
  await shows(ahead, 'it is stored where it stands', ['D*a', 'b']);

  const older = await fill(baseUrl, 'older', 60, () => 'Ada');
  const above = await open('older');
  expect.match((await groups(above))[0], /^D\*/);
  await toTop(above);
  await shows(above, 'what comes above takes the head', [`D*${older[0]}`, ...older.slice(1)]);

  // Rendered by the script, and by the server.
  const scripted = await open('shapes');
  for (const name of Object.keys(NAMES)) await post(baseUrl, 'shapes', name, name);
  for (const text of SHAPES) await post(baseUrl, 'shapes', text, 'Ada');
  await expect.eventually('all shapes', async () => (await texts(scripted)).at(-1) === SHAPES.at(-1));
  const rendered = await open('shapes');
  for (const each of [scripted, rendered]) {
    const faces = await each.$$eval('#messages > li', (items) => items.map((item) => (
      `${item.querySelector('.avatar').textContent} ${/hue-(\d+)/.exec(item.className)[1]}`
    )));
    Object.values(NAMES).forEach((face, index) => expect(faces[index].startsWith(face), `${faces[index]} is ${face}`));
    const item = (text) => each.locator('#messages .text').and(each.getByText(text, { exact: true }));
    const links = await each.$$eval('#messages .text a', (all) => all.map((a) => [a.getAttribute('href'), a.textContent, a.target]));
    expect.equal(links, ['https://example.org/a?b=c&d=%20', 'http://example.org/x_(y)'].map((href) => [href, href, '_blank']));
    for (const rel of await each.$$eval('#messages .text a', (all) => all.map((a) => a.rel))) expect.match(rel, /\bnoopener\b/);
    const size = (text) => item(text).evaluate((element) => parseFloat(getComputedStyle(element).fontSize));
    expect(await size('🎉') > 1.5 * await size('🎉 yes'), 'emoji without text are larger');
    expect.equal(await size('👩‍👩‍👧‍👦👍🏽'), await size('🎉'));
    expect.equal(await each.locator('#messages .text').last().innerText(), 'one\n  two\n\nfour', 'line breaks are kept');
    const lines = await each.locator('#messages .text').last().evaluate((element) => {
      const range = document.createRange();
      range.selectNodeContents(element);
      return range.getBoundingClientRect().height / parseFloat(getComputedStyle(element).lineHeight);
    });
    expect(lines > 3.5, `four lines are ${lines} lines high`);
  }
  const faces = (each) => each.$$eval('#messages > li', (items) => items.map((li) => [li.className, li.querySelector('.avatar').textContent]));
  expect.equal(await faces(scripted), await faces(rendered), 'the same letters and colours');

  await scripted.context().route('https://example.org/**', (route) => route.fulfill({ contentType: 'text/html', body: 'there' }));
  const [popup] = await Promise.all([scripted.waitForEvent('popup'), scripted.locator('#messages .text a').first().click()]);
  await popup.waitForLoadState();
  expect.equal([popup.url(), await popup.evaluate(() => window.opener)], ['https://example.org/a?b=c&d=%20', null]);
}
