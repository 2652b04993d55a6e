import { randomUUID } from 'node:crypto';
import { enter, post, submit, send, showsStored, texts } from '../chat.mjs';

export default async function unstoredMessagesAreRetracted({ browser, baseUrl, ask, expect, allowErrors }) {
  allowErrors('status of 503');
  const [ann, bob] = await Promise.all([
    enter(browser, `${baseUrl}/sender?user=Ann`),
    enter(browser, `${baseUrl}/reader?user=Bob`),
  ]);
  await post(baseUrl, 'reader', 'before');
  await expect.eventually('before', () => showsStored(bob, ['before']));
  const seen = await record(bob);
  await ask('store settled');
  await ask('store refuse');

  const posted = ann.waitForRequest((request) => request.method() === 'POST');
  await submit(ann, 'Is anybody there?');
  const first = await posted;
  expect.equal(await texts(ann), ['Is anybody there?'], 'it is shown as pending');
  expect.equal(await ann.inputValue('#text'), '');

  // Posted by a program while Bob watches the page.
  const key = randomUUID();
  const answer = await send(baseUrl, 'reader', { text: 'a phantom', key });
  expect.equal(answer.status, 503);
  expect(answer.headers.has('Retry-After'));
  const { error, message } = await answer.json();
  expect.equal(error, 'store_unavailable');
  expect(!/Dynamo|dispatch|127/.test(message), message);
  await expect.eventually('the phantom appeared and was removed', async () => (await seen()).length === 3);
  expect.equal(await seen(), ['before: final', 'before: final, a phantom: provisional', 'before: final']);

  await expect.eventually('it failed', () => ann.isVisible('.message.failed .failure'), 40_000);
  expect.match(await ann.textContent('.failure'), /^Not sent: .+\. Retry Discard $/);
  expect.equal(await texts(ann), ['Is anybody there?'], 'it stays where it is');

  await ask('store pass');
  const again = ann.waitForRequest((request) => request.method() === 'POST');
  await ann.click('.failure >> text=Retry');
  expect.equal((await again).headers()['idempotency-key'], first.headers()['idempotency-key'], 'the same message');
  await expect.eventually('the second try', () => showsStored(ann, ['Is anybody there?']));
  expect.equal(await ann.locator('.failure').count(), 0);
  expect(await ann.evaluate(() => document.activeElement?.id === 'text'), 'the composer has the focus');
  await post(baseUrl, 'reader', 'after');
  await expect.eventually('after', () => showsStored(bob, ['before', 'after']));
  // A later page does not show it.
  const carl = await enter(browser, `${baseUrl}/reader?user=Carl`);
  expect.equal(await texts(carl), ['before', 'after']);

  // Sent again it is the same message, which was announced to Bob before.
  await send(baseUrl, 'reader', { text: 'a phantom', key });
  await expect.eventually('it stays', () => showsStored(bob, ['before', 'after', 'a phantom']));
  const announced = await bob.$$eval('#news p', (lines) => lines.map((line) => line.textContent));
  expect.equal(announced, ['Ada: before', 'Ada: a phantom', 'Ada: after']);
}

/** Records every state of the list as text, starting with the current one. */
async function record(page) {
  await page.evaluate(() => {
    const list = document.getElementById('messages');
    const words = () => [...list.children].map((item) => {
      const state = ['pending', 'provisional'].find((name) => item.classList.contains(name)) ?? 'final';
      return `${item.querySelector('.text').textContent}: ${state}`;
    }).join(', ');
    window.seen = [words()];
    new MutationObserver(() => {
      if (words() !== window.seen.at(-1)) window.seen.push(words());
    }).observe(list, { childList: true, subtree: true, attributes: true });
  });
  return () => page.evaluate(() => window.seen);
}
