import { enter, post, texts } from '../chat.mjs';
import { fill, isAtEnd } from '../reading.mjs';
import { listed, openList } from '../rooms.mjs';

/** More than one page. */
const ROOMS = Array.from({ length: 55 }, (_, n) => `room-${n}`);

export default async function olderMessagesAndRoomsNeedNoScript({ browser, device, baseUrl, expect }) {
  await Promise.all(ROOMS.map((room) => post(baseUrl, room, 'hello')));
  const all = await fill(baseUrl, 'plain', 120);
  await listed(baseUrl, 'plain', ROOMS.at(-1));
  const page = await enter(browser, `${baseUrl}/plain?user=Ann+%26+Co`, { javaScriptEnabled: false });
  const path = () => page.url().slice(baseUrl.length);
  const click = async (what) => {
    const loaded = page.waitForEvent('load');
    await what.click();
    await loaded;
  };

  // Back through the history, then to the newest messages.
  let seen = await texts(page);
  expect.equal(seen, all.slice(-seen.length));
  expect.equal(await page.locator('#composer').count(), 1);
  for (const more of [true, true, false]) {
    expect.equal(await page.locator('#earlier').isVisible(), more);
    if (!more) break;
    await click(page.locator('#earlier'));
    expect.match(path(), /^\/plain\?user=Ann\+%26\+Co&before=\w+-\d+$/);
    const earlier = await texts(page);
    seen = [...earlier, ...seen];
    expect.equal(seen, all.slice(-seen.length), 'the previous messages, without duplicates');
    expect(await isAtEnd(page), 'the page starts at its end');
    expect.equal(await page.locator('#composer, #status, script').count(), 0, 'no composer, status or script');
  }
  expect.equal(seen, all);
  await click(page.getByRole('link', { name: 'Go to the newest messages' }));
  expect.equal(path(), '/plain?user=Ann+%26+Co');
  expect.equal((await texts(page)).at(-1), all.at(-1));

  // The list next to the room.
  expect(await page.locator('#share').isHidden(), 'elements that need a script are hidden');
  if (device === 'phone') {
    expect(await page.locator('#rooms').isHidden());
    await openList(page);
    await page.getByRole('button', { name: 'Close the list of rooms' }).click();
    await expect.eventually('the list closes', () => page.locator('#rooms').isHidden());
    await openList(page);
  }
  expect(await page.locator('#rooms').isVisible());
  const [other] = await page.locator('#room-list .name').allTextContents();
  await click(page.locator('#room-list a').first());
  expect.equal(path(), `/${other}?user=Ann+%26+Co`);
  await openList(page);
  await page.fill('#open', 'new-room');
  await click(page.getByRole('button', { name: 'Go', exact: true }));
  expect.equal(path(), '/new-room?user=Ann+%26+Co');

  // The page of all rooms.
  await openList(page);
  await click(page.getByRole('link', { name: 'All rooms' }));
  expect.equal(path(), '/rooms/?user=Ann+%26+Co');
  const names = () => page.locator('.list .name').allTextContents();
  const rooms = await names();
  await click(page.getByRole('link', { name: 'More rooms' }));
  rooms.push(...await names());
  expect.equal(rooms.toSorted(), [...ROOMS, 'plain'].toSorted(), 'each once');
  expect.equal(await page.getByRole('link', { name: 'More rooms' }).count(), 0);
  const last = rooms.at(-1);
  await click(page.locator('.list a').filter({ has: page.getByText(last, { exact: true }) }));
  expect.equal(path(), `/${last}?user=Ann+%26+Co`);
  expect.equal(await texts(page), ['hello']);
  await page.goto(`${baseUrl}/rooms/`);
  await page.getByLabel('Open or make a room').fill('#another');
  await page.keyboard.press('Enter');
  await page.waitForURL(`${baseUrl}/another`);
  expect.equal(await page.textContent('h1'), 'Join another', 'a user without a name is asked for it');

  // Malformed queries are refused with a page that names the remedy.
  for (const [where, remedy] of [
    ['/plain?user=Ann&before=x', 'the id of a message'], ['/rooms/?after=x', 'the value of next in an earlier response'],
    ['/rooms/?limit=0', 'a number from 1 to 200'], ['/?room=a%20b', 'is none of them'],
  ]) {
    const response = await fetch(baseUrl + where, { headers: { Accept: 'text/html' } });
    expect.equal([response.status, response.headers.get('content-type')], [400, 'text/html; charset=utf-8'], where);
    expect((await response.text()).includes(remedy), `${where} names the remedy`);
  }
}
