import { createHash } from 'node:crypto';

import { live, send } from '../chat.mjs';

export default async function inlineScriptsAndStylesAreRefused({ browser, baseUrl, expect, allowErrors }) {
  const form = { method: 'POST', headers: { Accept: 'text/html' }, body: new URLSearchParams({ from: 'Ann', text: ' ' }) };
  for (const [path, init, status] of [
    ['/lobby', {}, 200],
    ['/lobby?user=Ann', {}, 200],
    ['/lobby?user=', {}, 200],
    ['/not%20a%20room', {}, 400],
    ['/rooms/lobby/messages/', form, 400],
  ]) {
    const response = await fetch(baseUrl + path, init);
    expect.equal(response.status, status, path);
    const policy = directives(response.headers.get('Content-Security-Policy'));
    expect.equal(policy['default-src'], ["'none'"], path);
    const [, style] = /<style>([^<]+)<\/style>/.exec(await response.text());
    const hash = createHash('sha256').update(style).digest('base64');
    expect.equal([policy['script-src'], policy['style-src']], [["'self'"], [`'sha256-${hash}'`]], path);
    expect.equal([policy['base-uri'], policy['frame-ancestors']], [["'none'"], ["'none'"]], path);
    expect.equal(response.headers.get('X-Content-Type-Options'), 'nosniff', path);
  }
  // Messages cannot be interpreted as a page or a script of this origin.
  const posted = await send(baseUrl, 'lobby', { text: '<script>alert(1)</script>' });
  expect.match(posted.headers.get('Content-Type'), /^application\/json/);

  // As if it were in the HTML of the server. The violations are expected, so they are hidden from the error log.
  allowErrors('Content Security Policy');
  const context = await browser.newContext();
  await context.addInitScript(() => {
    window.refused = [];
    window.addEventListener('securitypolicyviolation', (event) => {
      event.stopImmediatePropagation();
      window.refused.push(event.effectiveDirective);
    }, { capture: true });
  });
  const page = await context.newPage();
  await page.route('**/lobby?user=Ann', async (route) => {
    const response = await route.fetch();
    const evil = '<script>window.ran = "script"</script><b id="styled" style="color: red">x</b>'
      + '<img src="/assets/none.svg" onerror="window.ran = \'attribute\'" alt="">';
    await route.fulfill({ response, body: (await response.text()).replace('</body>', () => `${evil}</body>`) });
  });
  allowErrors('none.svg');
  await page.goto(`${baseUrl}/lobby?user=Ann`);
  await live(page);
  const refused = () => page.evaluate(() => window.refused);
  await expect.eventually('three refusals', async () => (await refused()).length === 3);
  expect.equal((await refused()).toSorted(), ['script-src-attr', 'script-src-elem', 'style-src-attr']);

  // As if a script of the page had inserted it.
  await page.evaluate(() => {
    const script = document.createElement('script');
    script.textContent = 'window.ran = "made"';
    document.body.append(script);
    const style = document.createElement('style');
    style.textContent = '#styled { color: red }';
    document.head.append(style);
  });
  await expect.eventually('five refusals', async () => (await refused()).length === 5);
  expect.equal(await page.evaluate(() => window.ran), undefined);
  expect(await page.$eval('#styled', (element) => getComputedStyle(element).color) !== 'rgb(255, 0, 0)');
}

const directives = (policy) => Object.fromEntries(policy.split(';').map((directive) => {
  const [name, ...sources] = directive.trim().split(/\s+/);
  return [name, sources];
}));
