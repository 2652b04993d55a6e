import { readFile } from 'node:fs/promises';
import { enter, live, post, submit, texts } from '../chat.mjs';

const AXE = await readFile(new URL('../node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');

/** Levels A and AA up to WCAG 2.2, and the best practices of axe. */
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };

export default async function pagesAreAccessible({ browser, baseUrl, ask, expect, allowErrors }) {
  allowErrors('ERR_FAILED|ERR_INTERNET_DISCONNECTED|ERR_CONNECTION_RESET|ERR_NETWORK_CHANGED|status of 400');
  const front = await ask('front url');
  const check = async (page, what) => {
    // No script of another origin may run in the page; what the debugger evaluates may.
    await page.evaluate(AXE);
    const { violations, passes } = await page.evaluate((tags) => globalThis.axe.run(document, {
      runOnly: { type: 'tag', values: tags },
    }), TAGS);
    expect(passes.length > 10, `${what}: ${passes.length} rules applied`);
    const found = violations.flatMap(({ id, help, nodes }) => nodes.map((node) =>
      `${id}: ${help}: ${node.html.slice(0, 120)} ${node.failureSummary}`));
    expect.equal(found, [], what);
    // Not checked by axe (WCAG 1.4.11): borders of fields contrast with their inside and outside.
    const borders = await page.evaluate(contrastOfFields);
    expect(borders.every((contrast) => contrast >= 3), `${what}: borders of fields have contrasts of ${borders}`);
  };

  const log = [
    ['Mira Okafor', 'Good morning!\nSee https://example.org/notes'], ['Mira Okafor', 'And another'], ['Ann', 'Mine'],
    ['Ann', '👍'], ['李小龙', '👏👏'], ['שרה', 'שלום'], ...Array.from({ length: 12 }, (_, i) => [`Person ${i}`, 'x']),
  ];
  for (const [from, text] of log) await post(baseUrl, 'axe', text, from);
  for (let i = 0; i < 50; i += 1) await post(baseUrl, 'long', `message ${i}`);
  await post(baseUrl, 'long', 'the last');

  for (const colorScheme of ['light', 'dark']) {
    for (const [device, options] of Object.entries({ desktop: { viewport: { width: 1280, height: 800 } }, phone: PHONE })) {
      const where = `${colorScheme}, ${device}`;
      const page = await enter(browser, `${front}/axe?user=Ann`, { colorScheme, ...options });
      await check(page, `room, ${where}`);
      if (device === 'phone') {
        await page.click('button[aria-label="Rooms"]');
        await check(page, `list of rooms, ${where}`);
        await page.keyboard.press('Escape');
      }
      await page.route('**/messages/', (route) => (route.request().method() === 'POST' ? route.abort() : route.fallback()));
      await submit(page, 'lost');
      await expect.eventually('it failed', () => page.locator('.failed').count());
      await page.locator('#log').evaluate((element) => { element.scrollTop = 0; });
      await check(page, `failed, ${where}`);
      // Offline mode does not affect open streams; the fault proxy resets them.
      await page.context().setOffline(true);
      await ask('front hang');
      await ask('front pass');
      await expect.eventually('offline', async () => (await page.textContent('#status')) === 'Offline');
      await check(page, `offline, ${where}`);
      await page.context().setOffline(false);
      for (const [what, path] of Object.entries({
        empty: '/nobody?user=Ann', join: '/axe', 'join again': '/axe?user=', rooms: '/rooms/?user=Ann',
        'no room': '/not%20a%20room',
      })) {
        await page.goto(baseUrl + path);
        await check(page, `${what}, ${where}`);
      }
      await page.context().close();
    }
  }

  // The page of older messages, as used without scripts.
  const plain = await browser.newContext({ javaScriptEnabled: false });
  const silent = await plain.newPage();
  await silent.goto(`${baseUrl}/long?user=Ann`);
  const older = await silent.getAttribute('#earlier', 'href');
  const archive = await enter(browser, baseUrl + older, { javaScriptEnabled: false });
  expect.equal(await texts(archive), ['message 0']);
  await archive.context().close();
  const scripted = await (await browser.newContext()).newPage();
  await scripted.goto(baseUrl + older);
  await check(scripted, 'older messages');

  // At 200 % on a small laptop, and at the width of WCAG 2.2 (1.4.10): nothing is cut off or scrolls sideways.
  for (const viewport of [{ width: 640, height: 400 }, { width: 320, height: 256 }]) {
    const page = await enter(browser, `${baseUrl}/axe?user=Ann`, { viewport, deviceScaleFactor: 2 });
    const wide = await page.evaluate(() => ['html', '#log'].map((selector) => {
      const { scrollWidth, clientWidth } = document.querySelector(selector);
      return scrollWidth - clientWidth;
    }));
    expect.equal(wide, [0, 0], `${viewport.width} px`);
    for (const selector of ['#text', '.send', 'h1', '.me', '#share']) {
      const { x, y, width, height } = await page.locator(selector).boundingBox();
      const inside = x >= 0 && y >= 0 && x + width <= viewport.width && y + height <= viewport.height;
      expect(inside && width > 0, `${selector} at ${viewport.width} px: ${[x, y, width, height]}`);
    }
    await page.context().close();
  }

  // New messages are announced to screen readers once, and history is not.
  const page = await enter(browser, `${baseUrl}/axe?user=Ann`, { reducedMotion: 'reduce' });
  const announced = () => page.$$eval('#news p', (lines) => lines.map((line) => line.textContent));
  expect.equal(await announced(), []);
  await post(baseUrl, 'axe', 'news', 'Bob');
  await submit(page, 'my own');
  await post(baseUrl, 'axe', 'more news', 'Bob');
  await expect.eventually('news', async () => (await announced()).length === 2);
  expect.equal(await announced(), ['Bob: news', 'Bob: more news']);
  await page.reload();
  await live(page);
  expect.equal(await announced(), []);
  const moving = await page.evaluate(() => document.getAnimations().filter((one) => one.effect?.getTiming().iterations === Infinity).length);
  expect.equal(moving, 0, 'no animations with reduced motion');
}

function contrastOfFields() {
  const luminance = (color) => {
    const [red, green, blue] = color.match(/[\d.]+/g).slice(0, 3).map((part) => part / 255)
      .map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const ground = (element) => {
    const { backgroundColor } = getComputedStyle(element);
    return backgroundColor === 'rgba(0, 0, 0, 0)' ? ground(element.parentElement) : backgroundColor;
  };
  return [...document.querySelectorAll('input[type=text], .composer')]
    .filter((field) => field.checkVisibility() && !field.matches(':focus, :focus-within'))
    .flatMap((field) => [ground(field), ground(field.parentElement)].map((color) => {
      const [dark, light] = [luminance(getComputedStyle(field).borderTopColor), luminance(color)].sort((a, b) => a - b);
      return (light + 0.05) / (dark + 0.05);
    }));
}
