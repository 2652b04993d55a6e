import { enter, post, texts } from '../chat.mjs';
import { fill, isAtEnd, read, scroll, toTop, watchPlace } from '../reading.mjs';

const STILL = 2;

export default async function olderMessagesComeInAsOneScrollsUp({ browser, baseUrl, expect, allowErrors }) {
  allowErrors('net::ERR_FAILED');
  const all = await fill(baseUrl, 'long', 300);
  const page = await enter(browser, `${baseUrl}/long?user=Ann`);
  const count = () => page.locator('#messages > li').count();
  await expect.eventually('the newest is in view', () => isAtEnd(page));
  const few = await count();
  expect(few < all.length / 2, `${few} of them at first`);

  // Each page waits until the reader does not move, so that whatever moves then is a fault.
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
  }, 15_000);
  const top = () => toTop(page);

  await upTo(() => release);
  expect(await page.locator('#earlier').getAttribute('aria-busy'), 'the link says that it is busy');
  let place = await watchPlace(page, await read(page));
  release();
  await expect.eventually('a page comes in', async () => (await count()) > few);
  expect(await place.moved() <= STILL, `the reader's place moved by ${await place.moved()} px`);
  expect.equal(await texts(page), all.slice(-(await count())));

  // Above and below at the same time.
  release = undefined;
  await upTo(() => release, top);
  const before = await count();
  place = await watchPlace(page, await read(page));
  all.push((await post(baseUrl, 'long', 'news\nof several\nlines')).text);
  const told = (words) => expect.eventually(words, async () => (await page.textContent('#jump')) === words);
  await told('1 new message');
  expect(await place.moved() <= STILL, `what came in below moved it by ${await place.moved()} px`);
  release();
  await expect.eventually('the next page', async () => (await count()) > before + 1);
  all.push((await post(baseUrl, 'long', 'more news')).text);
  await told('2 new messages');
  expect(await place.moved() <= STILL, `what came in above and below moved it by ${await place.moved()} px`);

  // Where it fails, the page says so, and the link is there to try again.
  answer = 'abort';
  const problem = page.getByRole('alert').getByText('Earlier messages could not be loaded');
  await upTo(() => problem.isVisible(), top);
  const failed = await count();
  answer = 'pass';
  place = await watchPlace(page, (await texts(page))[0]);
  await page.click('#earlier');
  await expect.eventually('the link tries again', async () => (await count()) > failed);
  expect(await place.moved() <= STILL, `at the top it moved by ${await place.moved()} px`);
  await expect.eventually('the problem is settled', () => problem.isHidden());

  await upTo(() => page.locator('#earlier').isHidden(), top);
  // What came meanwhile is put on the page when the reader comes near.
  await upTo(() => isAtEnd(page), () => page.$eval('#log', (log) => log.scrollTo(0, 0)));
  await expect.eventually('the end', () => isAtEnd(page));
  expect.equal(await texts(page), all, 'all of them, in order, each once');
  const needed = Math.ceil((all.length - few) / 50);
  expect(pages <= needed + 2, `${pages} requests for ${needed} pages`);
}
