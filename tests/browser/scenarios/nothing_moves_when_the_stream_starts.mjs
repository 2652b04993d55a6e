import { once } from 'node:events';
import { createServer } from 'node:http';
import { live, post } from '../chat.mjs';

/** Half a page: what a slow network shows first. */
const PAUSE_MS = 500;

export default async function nothingMovesWhenTheStreamStarts({ browser, baseUrl, expect, allowErrors }) {
  allowErrors('status of 404');
  for (let n = 0; n < 60; n += 1) await post(baseUrl, 'still', `message ${n}${'\nline'.repeat(n % 3)}`, `Person ${n % 3}`);
  const path = '/still?user=Ann';
  const open = async (url, scripts = true) => {
    const page = await (await browser.newContext({ javaScriptEnabled: scripts })).newPage();
    if (scripts) await page.addInitScript(observe);
    await page.goto(url);
    const inView = await page.locator('#messages > li').last().evaluate((item) => {
      const { bottom } = item.getBoundingClientRect();
      const log = document.getElementById('log').getBoundingClientRect();
      return bottom > log.top && bottom <= log.bottom;
    });
    expect(inView, 'the newest message is in view');
    return page;
  };
  const stayed = async (page, what) => {
    const { shift, tops } = await page.evaluate(() => ({ shift: window.shift, tops: [...window.tops] }));
    expect.equal(tops.length, 1, `${what}: the newest message has had one position: ${tops}`);
    expect(shift < 0.01, `${what}: layout shift of ${shift}`);
    await page.context().close();
  };

  const page = await open(baseUrl + path);
  await live(page);
  await expect.eventually('the stream has started', () => page.evaluate(() => document.readyState === 'complete'));
  await stayed(page, 'with the stream');
  await (await open(baseUrl + path, false)).context().close();

  // The page without scripts, in two halves.
  const slow = createServer(async ({ url }, response) => {
    if (url !== path) return response.writeHead(404).end();
    const html = await (await fetch(baseUrl + path)).text();
    response.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' });
    response.write(html.slice(0, html.length * 0.6));
    setTimeout(() => response.end(html.slice(html.length * 0.6)), PAUSE_MS);
    return undefined;
  }).listen(0, '127.0.0.1');
  await once(slow, 'listening');
  await stayed(await open(`http://127.0.0.1:${slow.address().port}${path}`), 'in two halves');
  slow.close();
}

/** Records layout shifts, and the position of the newest message in each frame. */
function observe() {
  window.shift = 0;
  window.tops = new Set();
  new PerformanceObserver((list) => {
    for (const { value } of list.getEntries()) window.shift += value;
  }).observe({ type: 'layout-shift', buffered: true });
  const look = () => {
    const newest = document.querySelector('#messages')?.lastElementChild;
    if (newest?.checkVisibility({ visibilityProperty: true })) {
      window.tops.add(Math.round(newest.getBoundingClientRect().bottom));
    }
    requestAnimationFrame(look);
  };
  look();
}
