import { countCopies, enter, live, post, submit, showsStored } from '../chat.mjs';

export default async function goingBackNeedsNoReload({ browser, baseUrl, expect, allowErrors }) {
  allowErrors('ERR_FAILED');
  const page = await enter(browser, `${baseUrl}/back?user=Ann`);
  await submit(page, 'before');
  await expect.eventually('before', () => showsStored(page, ['before']));
  await page.fill('#text', 'a draft');
  await page.evaluate(() => {
    window.kept = true;
    addEventListener('pageshow', ({ persisted }) => { window.persisted = persisted; });
  });
  const copies = await countCopies(page);
  await page.goto(`${baseUrl}/rooms/`);
  await post(baseUrl, 'back', 'while away', 'Bob');
  // A page from the back/forward cache is not loaded again.
  await page.goBack({ waitUntil: 'commit' });
  expect.equal(await page.evaluate(() => [window.kept, window.persisted]), [true, true], 'from the back/forward cache');
  await live(page);
  await expect.eventually('while away', () => showsStored(page, ['before', 'while away']));
  await post(baseUrl, 'back', 'after', 'Bob');
  await expect.eventually('after', () => showsStored(page, ['before', 'while away', 'after']));
  expect.equal(await page.inputValue('#text'), 'a draft');
  expect.equal(await copies.most(), 1, 'copies of a message');

  // An unsent message of a later page is sent by the earlier page to which the user returns.
  await page.goto(`${baseUrl}/rooms/`);
  await page.goto(`${baseUrl}/back?user=Ann`);
  await live(page);
  expect.equal(await page.inputValue('#text'), 'a draft');
  await page.route('**/messages/', (route) => (route.request().method() === 'POST' ? route.abort() : route.continue()));
  await submit(page, 'of the later page');
  await expect.eventually('it failed', () => page.locator('.message.failed').count());
  await page.unroute('**/messages/');
  await page.goBack({ waitUntil: 'commit' });
  await page.goBack({ waitUntil: 'commit' });
  expect.equal(await page.evaluate(() => [window.kept, window.persisted]), [true, true], 'the first page');
  expect.equal(await page.inputValue('#text'), '', 'the draft was sent meanwhile');
  await expect.eventually('it is sent by this one', () => showsStored(page, ['before', 'while away', 'after', 'of the later page']));
}
