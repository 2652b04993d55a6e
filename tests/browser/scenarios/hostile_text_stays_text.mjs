import { enter, post, submit, shown, showsStored } from '../chat.mjs';

const TEXTS = [
  '<script>alert(1)</script>',
  '</div><script>document.title = "hacked"; window.hacked = 1</script>',
  '<img src=x onerror="window.hacked = 1; alert(1)">',
  '"><svg onload=alert(1)> \' onmouseover=\'alert(1)',
  '</template></main></body><iframe srcdoc="<script>parent.hacked = 1</script>">',
  '$& $` $\' $1 $$',
  '{{ 7 * 7 }} {% if true %} ${7 * 7}',
  '&amp; &lt;b&gt; &#x41; &nbsp',
  'line\u2028separator, paragraph\u2029separator',
  'data: x\nevent: message\nid: evil-1\n\ndata: {}',
  '👩‍👩‍👧‍👦 👍🏽 🇩🇪 e\u0301 \u{10FFFD}',
  'שלום, abc 123 \u202Eevil\u202C \u2066isolated',
  '\ufeffbyte order mark, \u00a0 no-break, \u200b zero width',
  '   leading blanks',
  '\nleading newline',
  'trailing blanks and newlines  \n\n',
  'a\n\n\n  b\tc   d',
  'x'.repeat(4_000),
  '👍'.repeat(4_000),
  `a${'\u0301'.repeat(300)}`,
];

const NAMES = [
  '<script>alert(1)</script>', '<img src=x onerror=alert(1)>', '" autofocus onfocus="alert(1)', '$& $`', '\u202Eevil',
  '</bdi><b>bold', '{{ 7 * 7 }}', 'שרה', '👩‍👩‍👧‍👦', 'N'.repeat(64),
];

const ROOMS = ['комната', 'हिन्दी', 'غرفة', '部屋', 'a.b_c-d', 'cafe\u0301', 'W'.repeat(64)];

export default async function hostileTextStaysText({ browser, baseUrl, expect }) {
  const dialogs = [];
  const open = async (path) => {
    const page = await enter(browser, baseUrl + path);
    page.on('dialog', (dialog) => {
      dialogs.push(dialog.message());
      void dialog.dismiss();
    });
    return page;
  };
  const person = (index) => NAMES[index % NAMES.length];
  const path = (room, user) => `/${encodeURIComponent(room)}?user=${encodeURIComponent(user)}`;

  const live = await open(path('lobby', 'Bob'));
  for (const [index, text] of TEXTS.entries()) {
    const stored = await post(baseUrl, 'lobby', text, person(index));
    expect.equal([stored.text, stored.from], [text, person(index)]);
  }
  const rendered = await open(path('lobby', 'Bob'));
  const silent = await enter(browser, baseUrl + path('lobby', 'Bob'), { javaScriptEnabled: false });
  for (const page of [live, rendered, silent]) {
    await expect.eventually('all of them', async () => (await shown(page)).length === TEXTS.length);
    const messages = await shown(page);
    expect.equal(messages.map(({ text }) => text), TEXTS);
    expect.equal(messages.map(({ from }) => from), TEXTS.map((_, index) => person(index)));
  }
  // The script and the server produce the same markup, except for times, which depend on the reader's time zone.
  const markup = (page) => page.$$eval('#messages > li', (items) => items.map((item) => {
    const copy = item.cloneNode(true);
    for (const time of copy.querySelectorAll('time, .day')) {
      time.replaceChildren();
      time.removeAttribute('title');
    }
    return copy.outerHTML;
  }));
  expect.equal(await markup(live), await markup(rendered));
  expect.equal(await markup(live), await markup(silent));

  // Neither a text nor a name covers other messages.
  const stack = '\u0301'.repeat(60);
  for (const [from, text] of [['Ann', 'above'], [`Z${stack}`, TEXTS.at(-1)], ['Bob', 'below']]) {
    await post(baseUrl, 'stacks', text, from);
  }
  const stacks = await open(path('stacks', 'Eve'));
  const around = async () => {
    const shots = [];
    for (const index of [0, 2]) shots.push(await stacks.locator('#messages .text').nth(index).screenshot());
    return shots.map((shot) => shot.toString('base64'));
  };
  const drawn = await around();
  await stacks.locator('#messages > li').nth(1).evaluate((item) => {
    item.querySelector('.author').textContent = 'Z';
    item.querySelector('.text').textContent = 'a';
  });
  expect(JSON.stringify(await around()) === JSON.stringify(drawn), 'marks are drawn over another message');
  await stacks.close();

  // Typed by users with such names, in rooms with such names.
  const [user] = NAMES;
  for (const [index, room] of ROOMS.entries()) {
    const text = TEXTS[(index * 2) % TEXTS.length];
    const page = await open(path(room, NAMES[index]));
    await submit(page, text);
    await expect.eventually(room, () => showsStored(page, [text]));
    expect.equal((await shown(page))[0].from, NAMES[index]);
    expect.equal(await page.$eval('#chat', ({ dataset }) => [dataset.room, dataset.user]), [room.normalize('NFC'), NAMES[index]]);
    expect.equal(await page.textContent('h1'), room.normalize('NFC'));
    expect.equal(await page.textContent('.me bdi'), NAMES[index]);
    expect.equal(await page.title(), `${room.normalize('NFC')} · gripchat`);
    await page.close();
  }
  await live.goto(`${baseUrl}/${encodeURIComponent(ROOMS[0])}`);
  await live.fill('#user', user);
  await live.click('button');
  await live.waitForSelector('#chat');
  expect.equal(await live.$eval('#chat', ({ dataset }) => [dataset.room, dataset.user]), [ROOMS[0], user]);
  // An error page escapes the name as well.
  await live.goto(`${baseUrl}/lobby?user=${encodeURIComponent(`${'<b>'.repeat(30)}`)}`);
  expect.equal(await live.locator('b').count(), 0);

  for (const page of [live, rendered]) {
    expect.equal(await page.evaluate(() => window.hacked), undefined);
  }
  expect.equal(await rendered.locator('script').count(), 1, 'the page’s own');
  expect.equal(await rendered.locator('#messages img, #messages svg, iframe').count(), 0);
  expect.equal(dialogs, []);
}
