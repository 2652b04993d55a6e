import { mkdir } from 'node:fs/promises';
import { enter, post } from '../chat.mjs';

const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };
const DESKTOP = { viewport: { width: 1280, height: 800 } };
const DARK = { colorScheme: 'dark' };

const CONVERSATION = [
  ['Amélie', 'Good morning! Did the deploy go out?'],
  ['Bo', 'Yes, at nine. The streams did not even notice.\nTwo backends restarted, zero reconnects.'],
  ['Carl', 'Nice 🎉'],
  ['Amélie', 'I closed the laptop for an hour, and everything I had missed was there, in order, without a reload.'],
  ['שרה', 'שלום, מה שלומך? abc 123'],
  ['N'.repeat(64), `${'W'.repeat(200)} https://example.org/${'path/'.repeat(30)}`],
  ['Bo', '👩‍👩‍👧‍👦👍🏽🇩🇪 '.repeat(12)],
  ['Bo', 'Lunch?'],
];

/** Takes screenshots of all pages on all devices into target/browser, and measures the layout. */
export default async function pagesFitOnAPhone({ browser, baseUrl, expect, allowErrors }) {
  allowErrors('status of 400');
  await mkdir('target/browser', { recursive: true });
  for (const [from, text] of CONVERSATION) await post(baseUrl, 'lobby', text, from);
  const long = `${'W'.repeat(64)}?user=${'M'.repeat(64)}`;

  for (const [device, options] of Object.entries({
    phone: PHONE, 'phone-dark': { ...PHONE, ...DARK }, desktop: DESKTOP, 'desktop-dark': { ...DESKTOP, ...DARK },
  })) {
    const page = await enter(browser, `${baseUrl}/lobby?user=Bo`, options);
    for (const [name, path] of Object.entries({
      room: '/lobby?user=Bo', long: `/${long}`, empty: '/empty?user=Bo', join: '/lobby', 'join-again': '/lobby?user=',
      error: '/not%20a%20room',
    })) {
      await page.goto(baseUrl + path);
      if (await page.locator('#status').count() > 0) await page.waitForSelector('#status[data-state=live]');
      await page.screenshot({ path: `target/browser/${name}-${device}.png` });
      const wide = await page.evaluate(() => ['html', '#log'].map((selector) => {
        const element = document.querySelector(selector);
        return element ? element.scrollWidth - element.clientWidth : 0;
      }));
      expect.equal(wide, [0, 0], `${name} on ${device} scrolls sideways`);
      for (const control of await page.locator('#composer > :visible, .bar > :is(a, button):visible, .card input, .card button').all()) {
        const { x, y, width, height } = await control.boundingBox();
        const { viewport } = options;
        const inside = x >= 0 && y >= 0 && x + width <= viewport.width && y + height <= viewport.height;
        const label = await control.evaluate((element) => element.outerHTML.slice(0, 60));
        if (!label.includes('visually-hidden')) {
          expect(inside, `${name} on ${device}: ${label} is at ${[x, y, width, height]}`);
          expect(height >= 36, `${name} on ${device}: ${label} is ${height} px high`);
        }
      }
    }
    await page.context().close();
  }
}
