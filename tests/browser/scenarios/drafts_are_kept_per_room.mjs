import { enter, live, post, submit, showsStored } from '../chat.mjs';
import { follow, listed } from '../rooms.mjs';

export default async function draftsAreKeptPerRoom({ browser, baseUrl, expect }) {
  for (const room of ['kitchen', 'garden']) await post(baseUrl, room, 'hello');
  await listed(baseUrl, 'kitchen', 'garden');

  const page = await enter(browser, `${baseUrl}/kitchen?user=Ann+%26+Co`);
  const box = (on = page) => on.inputValue('#text');
  await page.fill('#text', 'of the kitchen');
  await follow(page, 'garden');
  await live(page);
  expect.equal(await box(), '', 'the draft of another room');
  await page.fill('#text', 'of the garden\nof two lines');
  await follow(page, 'kitchen');
  await live(page);
  expect.equal(await box(), 'of the kitchen');
  await follow(page, 'garden');
  await live(page);
  expect.equal(await box(), 'of the garden\nof two lines');
  await page.reload();
  expect.equal(await box(), 'of the garden\nof two lines');
  expect(await page.locator('#composer').evaluate((form) => !form.classList.contains('blank')), 'it can be sent');

  // A new page, whose box the browser does not restore.
  const later = await page.context().newPage();
  const visit = async (room) => {
    await later.goto(`${baseUrl}/${room}?user=Ann+%26+Co`);
    await live(later);
    return box(later);
  };
  expect.equal(await visit('garden'), 'of the garden\nof two lines');
  await later.click('.send');
  await expect.eventually('it is sent', () => showsStored(later, ['hello', 'of the garden\nof two lines']));
  await expect.eventually('no other tab offers it', async () => (await box()) === '');
  await page.reload();
  expect.equal(await box(), '', 'the browser does not restore it');
  expect.equal([await box(later), await visit('garden')], ['', ''], 'what is sent is no draft any more');
  expect.equal(await visit('kitchen'), 'of the kitchen', 'the other one is still there');
  await later.fill('#text', '');
  expect.equal(await visit('kitchen'), '', 'what is deleted is gone');
  await submit(later, 'done');
  await expect.eventually('it is sent', () => showsStored(later, ['hello', 'done']));

  await later.goto(`${baseUrl}/attic`);
  expect.equal(await later.inputValue('#user'), 'Ann & Co', 'the name is remembered');
  await later.keyboard.press('Enter');
  await live(later);
  expect.equal(await later.textContent('.me bdi'), 'Ann & Co');
  const stranger = await browser.newPage();
  await stranger.goto(`${baseUrl}/attic`);
  expect.equal(await stranger.inputValue('#user'), '', 'by this browser alone');
}
