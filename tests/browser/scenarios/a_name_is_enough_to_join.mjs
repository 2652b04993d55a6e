import { live } from '../chat.mjs';

export default async function aNameIsEnoughToJoin({ browser, baseUrl, expect, allowErrors }) {
  allowErrors('status of 400');
  const start = await fetch(baseUrl, { redirect: 'manual' });
  expect([302, 303, 307].includes(start.status), `${start.status} is a redirect, and not a permanent one`);
  expect.equal(start.headers.get('location'), '/default');

  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(baseUrl);
  expect.equal(new URL(page.url()).pathname, '/default');
  expect.equal(await page.textContent('h1'), 'Join default');
  // Without a click: the box has the focus.
  await page.keyboard.type('  Zoë & <b>Co</b> ');
  await page.keyboard.press('Enter');
  await live(page);
  expect.equal(new URL(page.url()).pathname, '/default');
  expect.equal(await page.$eval('#chat', ({ dataset }) => [dataset.room, dataset.user]), ['default', 'Zoë & <b>Co</b>']);

  await page.goto(`${baseUrl}/another`);
  expect.equal(await page.inputValue('#user'), 'Zoë & <b>Co</b>', 'the name used last is suggested');

  for (const [user, words] of [['', '1 to 64'], ['%20', '1 to 64'], ['x'.repeat(65), '1 to 64'], ['a%07b', 'U+0007']]) {
    await page.goto(`${baseUrl}/default?user=${user}`);
    const alert = await page.textContent('[role=alert]');
    expect(alert.startsWith('Your name must') && alert.includes(words), `"${user}": ${alert}`);
    expect(await page.isVisible('[role=alert]'));
    expect.equal(await page.getAttribute('#user', 'aria-invalid'), 'true');
  }
  await page.fill('#user', 'Zoë');
  await page.click('button');
  await live(page);

  for (const [room, words] of [
    ['a%20b', '" " is none of them'], ['%F0%9F%98%80', 'is none of them'], ['x'.repeat(65), '1 to 64 characters'],
    ['%2E%2E%2Fa', '"/" is none of them'], ['---', 'a letter or a digit'], ['assets', 'choose another name'],
  ]) {
    for (const query of ['', '?user=Zo%C3%AB']) {
      const response = await page.goto(`${baseUrl}/${room}${query}`);
      expect.equal(response.status(), 400, room);
      expect.equal(await page.textContent('h1'), 'This is not a room');
      const text = (await page.textContent('main')).replace(/['‘’]/g, '"');
      expect(text.includes(words), `${room}: ${text}`);
      expect.match(text, /[.]\s/, 'a sentence');
    }
  }
  await page.click('main p a');
  expect.equal(new URL(page.url()).pathname, '/default');
}
