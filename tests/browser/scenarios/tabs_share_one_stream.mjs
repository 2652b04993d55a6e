import { countCopies, live, post, submit, showsStored } from '../chat.mjs';

const ROOMS = 8;

export default async function tabsShareOneStream({ browser, baseUrl, expect }) {
  const context = await browser.newContext();
  const streams = [];
  context.on('request', (request) => {
    if (request.resourceType() === 'eventsource') streams.push(new URL(request.url()));
  });
  const open = async (room, user) => {
    const page = await context.newPage();
    await page.goto(`${baseUrl}/${room}?user=${user}`);
    await live(page);
    return page;
  };

  const [first, second, third] = [await open('tabs', 'Ann'), await open('tabs', 'Bob'), await open('tabs', 'Cy')];
  expect.equal(streams.length, 1, 'one stream for three tabs');
  const copies = await Promise.all([first, second, third].map(countCopies));
  await post(baseUrl, 'tabs', 'from outside');
  await expect.eventually('it came', () => showsStored(first, ['from outside']));
  await submit(second, 'from a tab');
  for (const page of [first, second, third]) {
    await expect.eventually('both', () => showsStored(page, ['from outside', 'from a tab']));
  }
  // A later tab is rendered with the stored messages and receives the rest.
  const fourth = await open('tabs', 'Di');
  await post(baseUrl, 'tabs', 'for the fourth as well');
  const all = ['from outside', 'from a tab', 'for the fourth as well'];
  await expect.eventually('all', () => showsStored(fourth, all));
  expect.equal(streams.length, 1);

  await first.close();
  await expect.eventually('another tab opens the stream', () => streams.length === 2);
  expect(streams[1].searchParams.get('lastEventId') !== '0', 'and resumes from its cursor');
  await post(baseUrl, 'tabs', 'after the first has gone');
  for (const page of [second, third, fourth]) {
    await expect.eventually('the rest', () => showsStored(page, [...all, 'after the first has gone']));
  }
  for (const each of copies.slice(1)) expect.equal(await each.most(), 1, 'copies of a message');
  expect.equal(streams.length, 2);
  for (const page of [second, third, fourth]) await page.close();

  // A browser opens six connections to a host: eight rooms with a stream each would not load.
  streams.length = 0;
  const pages = [];
  for (let room = 0; room < ROOMS; room += 1) pages.push(await open(`room-${room}`, 'Ann'));
  expect.equal(streams.length, 4, 'streams');
  for (const [room] of pages.entries()) await post(baseUrl, `room-${room}`, `in ${room}`);
  for (const [room, page] of pages.entries()) {
    await expect.eventually(`room ${room}`, () => showsStored(page, [`in ${room}`]));
  }
  await submit(pages.at(-1), 'by a tab that has no stream');
  await expect.eventually('sent', () => showsStored(pages.at(-1), [`in ${ROOMS - 1}`, 'by a tab that has no stream']));
  // When a tab with a stream closes, a waiting one opens its own.
  await pages[0].close();
  await expect.eventually('the fifth room’s stream', () => streams.at(-1).pathname.includes('room-4'));
  await post(baseUrl, 'room-4', 'live');
  await expect.eventually('live', () => showsStored(pages[4], ['in 4', 'live']), 2_000);
}
