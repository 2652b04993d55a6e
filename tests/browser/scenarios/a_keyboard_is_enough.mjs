import { enter, live, post, submit, send, showsStored, texts } from '../chat.mjs';
import { fill, isAtEnd, scrollEnd } from '../reading.mjs';
import { listed } from '../rooms.mjs';

const focused = (page) => page.evaluate(() => {
  const { activeElement: at } = document;
  return at.id || at.getAttribute('aria-label') || at.title || at.querySelector('.name')?.textContent || at.textContent.trim();
});

export default async function aKeyboardIsEnough({ browser, device, baseUrl, expect, allowErrors }) {
  allowErrors('status of 503');
  await post(baseUrl, 'other', 'hello');
  const all = await fill(baseUrl, 'keys', 30);
  await listed(baseUrl, 'other', 'keys');
  const page = await enter(browser, `${baseUrl}/keys?user=Ann`);
  const press = async (key, times = 1) => {
    for (let n = 0; n < times; n += 1) await page.keyboard.press(key);
  };
  const tabs = async (until) => {
    const passed = [];
    while (passed.at(-1) !== until && passed.length < 20) {
      await press('Tab');
      passed.push(await focused(page));
    }
    return passed;
  };
  const rooms = device === 'phone' ? [] : ['gripchat', 'keys', 'other', 'open', 'Go'];
  const opener = device === 'phone' ? ['Rooms'] : [];
  const bar = [...opener, 'share', 'Join under another name'];

  // In visual order, and visible while focused.
  await press('Tab');
  expect.equal(await focused(page), 'Skip to the message box');
  const { x, y } = await page.locator('.skip').boundingBox();
  expect(x >= 0 && y >= 0 && (await page.locator('.skip').boundingBox()).width > 40, 'the link is visible');
  expect.equal(await tabs('text'), [...rooms, ...bar, 'log', 'text']);
  await press('Tab');
  expect.equal(await focused(page), 'Send');
  await page.reload();
  await live(page);
  await press('Tab');
  await press('Enter');
  await page.keyboard.type('hi');
  expect.equal([await focused(page), await page.inputValue('#text')], ['text', 'hi'], 'the link focuses the composer');

  // Reading.
  await press('Shift+Tab');
  expect.equal(await focused(page), 'log');
  expect.equal(await page.getAttribute('#log', 'tabindex'), '0', 'not every browser can focus a scrolling element otherwise');
  const at = () => page.$eval('#log', ({ scrollTop }) => scrollTop);
  const goes = async (key, done) => {
    await press(key);
    await expect.eventually(`${key} scrolls`, async () => done(await at()));
    await scrollEnd(page);
  };
  await goes('PageUp', (top) => top < -200);
  const before = await at();
  await goes('ArrowUp', (top) => top < before - 20 && top > before - 100);
  await goes('Home', (top) => top < -1_000);
  // May differ by one with fractional device pixels.
  await goes('End', (top) => top > -2);
  await goes('PageUp', (top) => top < -200);
  await press('Tab');
  expect.equal(await focused(page), 'jump', 'the button to the end is next');
  await press('Enter');
  await expect.eventually('the end', () => isAtEnd(page));
  expect.equal(await focused(page), 'log');

  // Writing, also if it fails. The server asks for a short pause.
  let key;
  const refuse = () => page.route('**/messages/', (route) => {
    if (route.request().method() !== 'POST') return route.continue();
    key = route.request().headers()['idempotency-key'];
    return route.fulfill({ status: 503, headers: { 'Retry-After': '0.01' }, json: { error: 'x', message: 'not now' } });
  });
  await refuse();
  await press('Tab');
  await submit(page, 'fails');
  await page.getByRole('button', { name: 'Retry: fails' }).waitFor();
  expect.equal(await focused(page), 'text', 'the composer keeps the focus');
  await press('Shift+Tab');
  expect.equal(await focused(page), 'Discard: fails');
  await press('Shift+Tab');
  expect.equal(await focused(page), 'Retry: fails');
  await page.unroute('**/messages/');
  await press('Enter');
  await expect.eventually('it is sent', () => showsStored(page, [...all, 'fails']));
  expect.equal(await focused(page), 'text', 'the focus moves from the removed button');
  // It may have been stored, and then the stream delivers it.
  await refuse();
  await submit(page, 'arrives');
  await page.getByRole('button', { name: 'Retry: arrives' }).focus();
  await page.unroute('**/messages/');
  await send(baseUrl, 'keys', { from: 'Ann', text: 'arrives', key });
  await expect.eventually('it has arrived', () => showsStored(page, [...all, 'fails', 'arrives']));
  expect.equal(await focused(page), 'log', 'the focus moves from a button that the stream removed');
  await page.focus('#text');
  await page.keyboard.type('one');
  // A screen keyboard has no Shift+Enter.
  await press(device === 'phone' ? 'Enter' : 'Shift+Enter');
  await page.keyboard.type('two');
  if (device === 'phone') await press('Tab');
  await press('Enter');
  await expect.eventually('two lines', async () => (await texts(page)).at(-1) === 'one\ntwo');

  // Navigating.
  if (device === 'phone') {
    await page.locator('.skip').focus();
    await press('Tab');
    await press('Enter');
    expect.equal(await tabs('keys'), ['gripchat', 'Close the list of rooms', 'keys']);
    await press('Escape');
    await expect.eventually('Escape closes it', () => page.locator('#rooms').isHidden());
    expect.equal(await focused(page), 'Rooms');
    await press('Enter');
    await tabs('other');
  } else {
    await page.locator('.skip').focus();
    await tabs('other');
  }
  await press('Enter');
  await page.waitForURL(`${baseUrl}/other?user=Ann`);
}
