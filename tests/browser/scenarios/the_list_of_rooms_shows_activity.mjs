import { enter, live, post } from '../chat.mjs';
import { follow, listed, openList } from '../rooms.mjs';

/** The list as the page shows it: `*` marks the current room, `!` one with new messages. */
const list = (page) => page.$$eval('#room-list li', (items) => items.map((item) => {
  const current = item.querySelector('a').getAttribute('aria-current') === 'page' ? '*' : '';
  const unseen = item.classList.contains('unseen') ? '!' : '';
  return item.querySelector('.name').textContent + current + unseen;
}));

const refresh = (page) => page.evaluate(() => { document.dispatchEvent(new Event('visibilitychange')); });

const focus = (page) => page.evaluate(() => {
  const { activeElement: at } = document;
  return at.id || at.getAttribute('aria-label');
});

export default async function theListOfRoomsShowsActivity({ browser, device, baseUrl, expect }) {
  for (const room of ['first', 'second', 'third']) await post(baseUrl, room, 'hello');
  await listed(baseUrl, 'first', 'second', 'third');

  const silent = await enter(browser, `${baseUrl}/second?user=Ann`, { javaScriptEnabled: false });
  expect.equal(await list(silent), ['third', 'second*', 'first'], 'by the server, the newest first');
  const page = await enter(browser, `${baseUrl}/second?user=Ann`);
  expect.equal(await list(page), ['third', 'second*', 'first']);
  await openList(page);
  expect.match(await page.locator('#room-list time').first().textContent(), /now|ago/);

  if (device === 'phone') {
    const opener = page.locator('button[popovertarget=rooms]').and(page.getByLabel('Rooms', { exact: true }));
    const closed = () => page.locator('#rooms').isHidden();
    await page.keyboard.press('Escape');
    await expect.eventually('Escape closes it', closed);
    expect.equal(await focus(page), 'Rooms', 'the focus is back on its button');
    await page.keyboard.press('Enter');
    await expect.eventually('the button opens it', async () => !(await closed()));
    await page.screenshot({ path: 'target/browser/popover.png' });
    const { width, height } = page.viewportSize();
    const box = await page.locator('#rooms').boundingBox();
    expect.equal([box.x, box.y, box.height], [0, 0, height]);
    expect(box.width < width, 'the room is visible next to it');
    await page.getByRole('button', { name: 'Close the list of rooms' }).click();
    await expect.eventually('its own button closes it', closed);
    expect.equal(await focus(page), 'Rooms', 'the focus is back on the button that opened it');
    await opener.click();
    await page.mouse.click(width - 5, height / 2);
    await expect.eventually('so does a touch outside', closed);
  } else {
    expect.equal(await page.locator('.only-narrow:visible').count(), 0, 'nothing to open or close');
  }

  // Another room gets a message while this one is open.
  await follow(page, 'third');
  await live(page);
  const posted = await post(baseUrl, 'third', 'while Ann looks');
  await page.locator('#messages').getByText('while Ann looks').waitFor();
  await follow(page, 'second');
  await live(page);
  // The server's list may be up to a minute old.
  await page.route('**/rooms/?limit=*', async (route) => {
    const response = await route.fetch();
    const answer = await response.json();
    const later = new Date(Date.parse(posted.date) + 60_000).toISOString();
    const rooms = answer.rooms.map((entry) => (entry.room === 'second' ? entry : { ...entry, activeAt: later }));
    await route.fulfill({ response, json: { ...answer, rooms } });
  });
  await refresh(page);
  await expect.eventually('new messages are marked', async () => (await list(page)).join() === 'third!,second*,first');
  expect.equal(await page.locator('#room-list a').first().evaluate((link) => getComputedStyle(link, '::after').content),
    '"" / "new"', 'which is not only a colour');
  await page.unroute('**/rooms/?limit=*');

  // A refresh does not move the focus.
  await post(baseUrl, 'fourth', 'hello');
  await listed(baseUrl, 'fourth');
  await openList(page);
  const focused = () => page.evaluate(() => document.activeElement.textContent);
  await page.locator('#room-list a').first().evaluate((link) => {
    link.focus();
    link.querySelector('time').textContent = 'stale';
  });
  await refresh(page);
  await expect.eventually('the list is refreshed', async () => (await page.locator('#room-list').getByText('stale').count()) === 0);
  expect.match(await focused(), /^(third|fourth)now/, 'the focused element stays');
  await page.locator('#open').focus();
  await refresh(page);
  await expect.eventually('another room', async () => (await list(page)).includes('fourth'));
  expect.equal((await list(page)).sort(), ['first', 'fourth', 'second*', 'third'], 'a seen message is not new');

  await page.fill('#open', ' #attic ');
  await page.keyboard.press('Enter');
  await live(page);
  expect.equal(page.url(), `${baseUrl}/attic?user=Ann`, 'a room is opened by its name');
  await follow(page, 'fourth');
  await live(page);
  expect.equal(page.url(), `${baseUrl}/fourth?user=Ann`, 'also by a link that the script rendered');

  await page.context().grantPermissions(['clipboard-read', 'clipboard-write'], { origin: baseUrl });
  const share = page.getByRole('button', { name: 'Copy link' });
  const clipboard = () => page.evaluate(() => navigator.clipboard.readText());
  await share.click();
  await expect.eventually('the button shows it', async () => (await page.textContent('#share')) === 'Copied');
  expect.equal(await clipboard(), `${baseUrl}/fourth`, 'without a name');
  await share.waitFor();
  // As over plain HTTP.
  await page.evaluate(() => {
    const { clipboard: kept } = navigator;
    window.real = kept;
    Object.defineProperty(navigator, 'clipboard', { configurable: true, value: undefined });
    return kept.writeText('something else');
  });
  await share.click();
  await expect.eventually('the button shows it', async () => (await page.textContent('#share')) === 'Copied');
  expect.equal(await page.evaluate(() => window.real.readText()), `${baseUrl}/fourth`);
  expect.equal(await focus(page), 'share', 'the button keeps the focus');
}
