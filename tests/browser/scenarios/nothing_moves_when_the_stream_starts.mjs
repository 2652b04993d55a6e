import { live, post } from '../chat.mjs';

export default async function nothingMovesWhenTheStreamStarts({ browser, baseUrl, expect }) {
  for (let n = 0; n < 60; n += 1) await post(baseUrl, 'still', `message ${n}${'\nline'.repeat(n % 3)}`, `Person ${n % 3}`);
  for (const scripts of [true, false]) {
    const context = await browser.newContext({ javaScriptEnabled: scripts });
    const page = await context.newPage();
    if (scripts) {
      await page.addInitScript(() => {
        window.shift = 0;
        window.tops = new Set();
        new PerformanceObserver((list) => {
          for (const { value } of list.getEntries()) window.shift += value;
        }).observe({ type: 'layout-shift', buffered: true });
        // Where the newest message is, frame by frame from the first on.
        const look = () => {
          const newest = document.querySelector('#messages')?.lastElementChild;
          if (newest) window.tops.add(Math.round(newest.getBoundingClientRect().bottom));
          requestAnimationFrame(look);
        };
        look();
      });
    }
    await page.goto(`${baseUrl}/still?user=Ann`);
    const bottom = () => page.locator('#messages > li').last().evaluate((item) => {
      const { bottom } = item.getBoundingClientRect();
      const log = document.getElementById('log').getBoundingClientRect();
      return bottom > log.top && bottom <= log.bottom;
    });
    expect(await bottom(), 'the newest message is in view');
    if (scripts) {
      await live(page);
      await expect.eventually('the stream has begun', () => page.evaluate(() => document.readyState === 'complete'));
      expect.equal(await page.evaluate(() => window.tops.size), 1, 'the newest message has had one place');
      expect(await page.evaluate(() => window.shift) < 0.01, `layout shift: ${await page.evaluate(() => window.shift)}`);
    }
    await context.close();
  }
}
