import { enter, post, texts } from '../chat.mjs';
import { fill, isAtEnd, read, scroll, toTop, trackPosition } from '../reading.mjs';

const STILL = 2;

export default async function olderMessagesLoadWhileScrollingUp({ browser, baseUrl, expect, allowErrors }) {
  allowErrors('net::ERR_FAILED');
  const all = await fill(baseUrl, 'long', 300);
  const page = await enter(browser, `${baseUrl}/long?user=Ann`);
  const count = () => page.locator('#messages > li').count();
  await expect.eventually('the newest is in view', () => isAtEnd(page));
  const few = await count();
  expect(few < all.length / 2, `${few} of them at first`);

  // Each page arrives while the reader does not scroll, so that any movement is a bug.
  let pages = 0;
  let answer = 'hold';
  let release;
  await page.route('**/messages/?before=*', async (route) => {
    pages += 1;
    if (answer === 'abort') return route.abort();
    if (answer === 'hold') await new Promise((resolve) => { release = resolve; });
    return route.continue();
  });
  const upTo = (done, by = () => scroll(page, -700)) => expect.eventually('the reader gets there', async () => {
    if (await done()) return true;
    await by();
    return false;
  });
  const top = () => toTop(page);

  await upTo(() => release);
  expect(await page.locator('#earlier').getAttribute('aria-busy'), 'the link is marked as busy');
  let position = await trackPosition(page, await read(page));
  release();
  await expect.eventually('a page is inserted', async () => (await count()) > few);
  expect(await position.moved() <= STILL, `the message moved by ${await position.moved()} px`);
  expect.equal(await texts(page), all.slice(-(await count())));

  // Above and below simultaneously.
  release = undefined;
  await upTo(() => release, top);
  const before = await count();
  position = await trackPosition(page, await read(page));
  all.push((await post(baseUrl, 'long', 'news\nof several\nlines')).text);
  const buttonShows = (words) => expect.eventually(words, async () => (await page.textContent('#jump')) === words);
  await buttonShows('1 new message');
  expect(await position.moved() <= STILL, `messages inserted below moved it by ${await position.moved()} px`);
  release();
  await expect.eventually('the next page', async () => (await count()) > before + 1);
  all.push((await post(baseUrl, 'long', 'more news')).text);
  await buttonShows('2 new messages');
  expect(await position.moved() <= STILL, `messages inserted above and below moved it by ${await position.moved()} px`);

  // After a failure the page shows a problem, and a click on the link tries again.
  answer = 'abort';
  const problem = page.getByRole('alert').getByText('Earlier messages could not be loaded');
  await upTo(() => problem.isVisible(), top);
  const failed = await count();
  answer = 'pass';
  position = await trackPosition(page, (await texts(page))[0]);
  await page.click('#earlier');
  await expect.eventually('the link tries again', async () => (await count()) > failed);
  expect(await position.moved() <= STILL, `at the top it moved by ${await position.moved()} px`);
  await expect.eventually('the problem is removed', () => problem.isHidden());

  await upTo(() => page.locator('#earlier').isHidden(), top);
  // Messages that arrived meanwhile are inserted when the reader comes near the end.
  await upTo(() => isAtEnd(page), () => page.$eval('#log', (log) => log.scrollTo(0, 0)));
  await expect.eventually('the end', () => isAtEnd(page));
  expect.equal(await texts(page), all, 'all of them, in order, each once');
  const needed = Math.ceil((all.length - few) / 50);
  expect(pages <= needed + 2, `${pages} requests for ${needed} pages`);
}
