import { enter, live, submit, send, shown, showsStored, texts } from '../chat.mjs';

export default async function aFailedMessageStaysUntilItIsSent({ browser, baseUrl, expect, allowErrors }) {
  allowErrors('ERR_FAILED|status of 400');
  const page = await enter(browser, `${baseUrl}/failures?user=Ann`);
  const keys = [];
  page.on('request', (request) => {
    if (request.method() === 'POST') keys.push(request.headers()['idempotency-key']);
  });
  const answerPosts = async (answer) => {
    await page.unroute('**/messages/');
    if (answer) {
      await page.route('**/messages/', (route) => (route.request().method() === 'POST' ? answer(route) : route.fallback()));
    }
  };
  const failed = () => page.locator('.message.failed');
  let prompts = 0;
  page.on('dialog', (dialog) => {
    prompts += dialog.type() === 'beforeunload';
    void dialog.accept();
  });

  await answerPosts((route) => route.abort());
  await submit(page, 'not lost');
  expect.equal((await shown(page))[0].state, 'pending');
  await expect.eventually('it failed', () => failed().count());
  expect.equal(await texts(page), ['not lost'], 'it stays where it is');
  expect.match(await page.textContent('.failure'), /^Not sent: the server cannot be reached\. Retry Discard $/);
  expect.equal(await page.inputValue('#text'), '', 'the box is free for something else');
  expect.match(await page.textContent('#news'), /Not sent: the server cannot be reached\.$/, 'it is announced');

  // Messages of others appear before it and do not hide it.
  await send(baseUrl, 'failures', { from: 'Bob', text: 'hello' });
  await expect.eventually('hello', async () => (await texts(page)).join() === 'hello,not lost');

  // A reload keeps it with its buttons.
  await page.reload();
  expect.equal(prompts, 1, 'the browser asks before leaving');
  await expect.eventually('it is back', () => failed().count());
  expect.equal(await texts(page), ['hello', 'not lost']);
  await answerPosts(null);
  await page.getByRole('button', { name: 'Retry: not lost' }).click();
  await expect.eventually('sent', () => showsStored(page, ['hello', 'not lost']));
  expect.equal(new Set(keys).size, 1, 'one key, however often it was sent');
  expect.equal(await page.evaluate(() => document.activeElement?.id), 'text', 'the composer has the focus');
  await page.reload();
  expect.equal(await texts(page), ['hello', 'not lost'], 'nothing is unsent any more');
  expect.equal(prompts, 1, 'the browser does not ask again');

  // A message being sent during a reload: the next page sends it with the same key.
  keys.length = 0;
  await answerPosts(() => {});
  await submit(page, 'in between');
  await expect.eventually('a first attempt', () => keys.length === 1);
  await answerPosts(null);
  await page.reload();
  await expect.eventually('sent by the next page', () => showsStored(page, ['hello', 'not lost', 'in between']));
  expect.equal(new Set(keys).size, 1);

  // A refused message would be refused again.
  const refusal = { error: 'invalid_message', message: 'say it in other words' };
  await answerPosts((route) => route.fulfill({ status: 400, json: refusal }));
  await submit(page, 'improper');
  await expect.eventually('refused', () => failed().count());
  expect.equal(await page.textContent('.failure'), 'Not sent: say it in other words. Edit Discard ');
  await page.fill('#text', 'and another thing');
  await page.getByRole('button', { name: 'Edit: improper' }).click();
  expect.equal(await page.inputValue('#text'), 'improper\nand another thing');
  expect.equal((await texts(page)).at(-1), 'in between');
  await page.fill('#text', '');

  await submit(page, 'never mind');
  await expect.eventually('refused', () => failed().count());
  await page.getByRole('button', { name: 'Discard: never mind' }).click();
  expect.equal(await texts(page), ['hello', 'not lost', 'in between']);
  await page.reload();
  expect.equal(await texts(page), ['hello', 'not lost', 'in between'], 'it does not return');

  // It belongs to its author, even if the tab is used under another name in between.
  await answerPosts((route) => route.abort());
  await submit(page, 'by Ann');
  await expect.eventually('it failed', () => failed().count());
  await answerPosts(null);
  keys.length = 0;
  await page.goto(`${baseUrl}/failures?user=Bob`);
  await live(page);
  expect.equal(await texts(page), ['hello', 'not lost', 'in between'], 'Bob does not see it');
  await page.goto(`${baseUrl}/failures?user=Ann`);
  await expect.eventually('it is there for Ann', () => failed().count());
  expect.equal(keys, [], 'and it was not sent');

  // A text that is too long is neither cut off nor sent.
  await page.getByRole('button', { name: 'Discard: by Ann' }).click();
  await page.keyboard.insertText('x'.repeat(4_123));
  await page.click('.send');
  expect.match(await page.textContent('#problems'), /^Your message has 4,123 characters; 4,000 are allowed\. /);
  expect.equal(await page.inputValue('#text'), 'x'.repeat(4_123));
  await submit(page, '👍'.repeat(4_000));
  await expect.eventually('it is sent', async () => (await shown(page)).at(-1).state === 'final');
  expect.equal(await page.textContent('#problems'), '');
}
