import { enter, post, submit, send, shown, showsStored } from '../chat.mjs';

// Longer than the scenario: writes are held until it releases them. The backend waits 8 s for a write.
const HELD_MS = 3_600_000;

export default async function aMessageIsProvisionalUntilItIsStored({ browser, baseUrl, ask, expect }) {
  const [ann, bob] = await Promise.all(['Ann', 'Bob'].map((user) => enter(browser, `${baseUrl}/slow?user=${user}`)));
  // The backend knows the newest message of this room then, so that the next one is a single write.
  await submit(ann, 'one');
  await expect.eventually('one', () => showsStored(bob, ['one']));

  await ask('store settled');
  await ask(`store delay ${HELD_MS}`);
  await submit(ann, 'two');
  const stateOf = async (page, text) => (await shown(page)).find((message) => message.text === text);
  const early = await expect.eventually('two, provisionally', () => stateOf(bob, 'two'));
  expect.equal([early.state, early.id, early.from], ['provisional', '', 'Ann']);
  expect.equal((await stateOf(ann, 'two')).state, 'pending');
  expect.equal(await opacity(bob, 'two') < 1, true, 'it looks different');
  await mark(bob, 'two');

  await ask('store pass');
  await expect.eventually('two, stored', () => showsStored(bob, ['one', 'two']));
  expect.equal(await marked(bob), [false, true], 'the same element');
  await expect.eventually('two, stored, with Ann', () => showsStored(ann, ['one', 'two']));
  const [first, second] = await shown(bob);
  expect.equal([first.seq, second.seq], ['1', '2']);

  // A message by another backend with a faster store overtakes it: it was shown first and gets the later number.
  const second_ = await ask('second backend');
  await ask(`store delay ${HELD_MS}`);
  const overtaken = send(baseUrl, 'slow', { text: 'overtaken' });
  await expect.eventually('overtaken, provisionally', async () => (await stateOf(bob, 'overtaken'))?.state === 'provisional');
  await mark(bob, 'overtaken');
  await post(second_, 'slow', 'overtakes');
  await expect.eventually('what overtakes is stored', async () => (await stateOf(bob, 'overtakes'))?.state === 'final');
  expect.equal((await shown(bob)).map(({ text, state }) => `${text}: ${state}`), [
    'one: final', 'two: final', 'overtakes: final', 'overtaken: provisional',
  ]);
  await ask('store pass');
  expect.equal((await overtaken).status, 200);
  for (const page of [ann, bob]) {
    await expect.eventually('all of it', () => showsStored(page, ['one', 'two', 'overtakes', 'overtaken']));
    expect.equal((await shown(page)).map(({ seq }) => seq), ['1', '2', '3', '4']);
  }
  expect.equal(await marked(bob), [false, true, false, true], 'the same elements');
}

const opacity = (page, text) => page.locator('.text', { hasText: text })
  .evaluate((element) => new Promise((done) => {
    // The opacity is animated.
    setTimeout(() => done(Number(getComputedStyle(element).opacity)), 200);
  }));

const mark = (page, text) => page.locator('#messages > li', { hasText: text }).evaluate((item) => { item.marked = true; });

const marked = (page) => page.$$eval('#messages > li', (items) => items.map((item) => item.marked === true));
