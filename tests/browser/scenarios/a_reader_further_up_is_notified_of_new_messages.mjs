import { enter, post, submit, shown, texts } from '../chat.mjs';
import { fill, isAtEnd, read, scroll, trackPosition } from '../reading.mjs';

const TITLE = 'news · gripchat';

/** Simulates hiding and showing the tab. */
async function hide(page, hidden) {
  await page.evaluate((hides) => {
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => hides });
    Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => (hides ? 'hidden' : 'visible') });
    document.dispatchEvent(new Event('visibilitychange'));
  }, hidden);
}

export default async function aReaderFurtherUpIsNotifiedOfNewMessages({ browser, baseUrl, expect }) {
  await fill(baseUrl, 'news', 40);
  const page = await enter(browser, `${baseUrl}/news?user=Ann`);
  const pill = page.locator('#jump');
  const arrives = async (text, from) => {
    await post(baseUrl, 'news', text, from);
    await expect.eventually(text, async () => (await texts(page)).at(-1) === text);
  };
  // Far from the end, messages are added to the page when the reader comes back.
  const isNotified = async (text, from, words) => {
    await post(baseUrl, 'news', text, from);
    await expect.eventually(words, async () => (await pill.textContent()) === words);
  };
  const endIsKept = (what) => expect.eventually(`${what}: the newest is in view`, () => isAtEnd(page));
  await endIsKept('at first');
  expect(await pill.isHidden(), 'nothing to jump to');

  await scroll(page, -600);
  await expect.eventually('a button to the end', async () => (await pill.textContent()) === 'Newest messages');
  expect(await pill.isVisible());
  const position = await trackPosition(page, await read(page));
  await isNotified('one', 'Bo', '1 new message');
  await isNotified('two\nwith\nmore lines', 'Bo', '2 new messages');
  await post(baseUrl, 'news', 'from another device', 'Ann');
  await isNotified('two and a half', 'Bo', '3 new messages');
  expect(await position.moved() <= 2, `the message moved by ${await position.moved()} px`);
  expect.equal(await page.title(), TITLE, 'the tab is visible');
  await page.fill('#text', 'one\ntwo\nthree\nfour');
  expect(await position.moved() <= 2, `the growing composer moved it by ${await position.moved()} px`);
  await page.fill('#text', '');

  await pill.click();
  await endIsKept('after the jump');
  expect(await pill.isHidden());
  expect.equal(await page.evaluate(() => document.activeElement.id), 'log', 'the focus moves from the hidden button');
  await scroll(page, -600);
  await expect.eventually('nothing new any more', async () => (await pill.textContent()) === 'Newest messages');
  await submit(page, 'an own message leads back');
  await endIsKept('sent');
  await expect.eventually('it is stored', async () => (await shown(page)).at(-1).state === 'final');

  await hide(page, true);
  await arrives('three');
  await arrives('four');
  expect.equal(await page.title(), `(2) ${TITLE}`);
  await arrives('from another device too', 'Ann');
  expect.equal(await page.title(), `(2) ${TITLE}`, 'own messages are not counted');
  await hide(page, false);
  expect.equal(await page.title(), TITLE);
  expect(await pill.isHidden(), 'they are in view');
  await endIsKept('after a while away');

  await page.$eval('#log', (log) => { log.scrollTop = -20; });
  await arrives('five');
  await endIsKept('a hair above it');
  await arrives(`long ${'and longer '.repeat(300)}`);
  await endIsKept('a long message');
  for (const lines of [2, 6, 30, 1]) {
    await page.fill('#text', Array.from({ length: lines }, (_, n) => `line ${n}`).join('\n'));
    await endIsKept(`${lines} lines in the box`);
  }
  const { width, height } = page.viewportSize();
  await page.setViewportSize({ width, height: Math.round(height * 0.55) });
  await endIsKept('above a keyboard');
  await arrives('while somebody types');
  await endIsKept('above a keyboard, a new message');
  await page.setViewportSize({ width, height });
  await endIsKept('without the keyboard');
}
