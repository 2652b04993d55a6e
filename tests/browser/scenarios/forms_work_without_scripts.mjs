import { mkdir } from 'node:fs/promises';
import { enter, post, texts } from '../chat.mjs';

export default async function formsWorkWithoutScripts({ browser, baseUrl, ask, expect, allowErrors }) {
  allowErrors('status of (400|503)');
  const many = Array.from({ length: 30 }, (_, i) => `message ${i + 1}`);
  for (const text of many) await post(baseUrl, 'plain', text);
  const watcher = await enter(browser, `${baseUrl}/plain?user=Wanda`);

  const page = await enter(browser, `${baseUrl}/plain`, { javaScriptEnabled: false });
  await page.fill('#user', 'Ann & Bob');
  await page.click('button');
  // A page is rendered while it arrives.
  await page.waitForLoadState();
  expect.equal(await texts(page), many);
  expect(await page.isVisible('noscript .notice, .notice'), 'a notice explains how to see new messages');
  const inView = (text) => page.locator('.message', { hasText: text }).last().evaluate((item) => {
    const log = document.getElementById('log').getBoundingClientRect();
    const { top, bottom } = item.getBoundingClientRect();
    return top >= log.top && bottom <= log.bottom;
  });
  expect(await inView('message 30'), 'the newest is in view');

  await page.fill('#text', 'one line\nand <b>another</b> ');
  await page.click('#composer button');
  await page.waitForURL(`${baseUrl}/plain?user=Ann+%26+Bob`);
  const all = [...many, 'one line\nand <b>another</b> '];
  expect.equal(await texts(page), all);
  expect(await inView('one line'));
  expect.equal(await page.locator('.message.own').count(), 1);
  await expect.eventually('others see it live', async () => (await texts(watcher)).at(-1) === all.at(-1));

  await mkdir('target/browser', { recursive: true });
  await page.screenshot({ path: 'target/browser/no-scripts.png' });
  await page.reload();
  expect.equal(await texts(page), all, 'a reload posts nothing');

  await page.fill('#text', '   ');
  await page.click('#composer button');
  await page.waitForSelector('.card');
  expect.equal(await page.textContent('h1'), 'Your message was not sent');
  expect.match(await page.textContent('main'), /Your message must have 1 to 4000 characters/);
  await page.screenshot({ path: 'target/browser/not-sent.png' });
  // A page from the back/forward cache is not loaded again.
  await page.goBack({ waitUntil: 'commit' });

  await page.fill('#text', 'not lost');
  await ask('store refuse');
  await page.click('#composer button');
  await page.waitForSelector('.card');
  expect.match(await page.textContent('main'), /Try again in a moment/);
  await ask('store pass');
  await page.goBack({ waitUntil: 'commit' });
  expect.equal(await page.inputValue('#text'), 'not lost', 'the text is still in the box');
  await page.click('#composer button');
  await page.waitForURL(`${baseUrl}/plain?user=Ann+%26+Bob`);
  await expect.eventually('it is stored', async () => (await texts(page)).at(-1) === 'not lost');
  expect.equal(await texts(page), [...all, 'not lost']);
}
