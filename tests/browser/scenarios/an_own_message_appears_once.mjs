import { countCopies, enter, say, shown, showsStored } from '../chat.mjs';

export default async function anOwnMessageAppearsOnce({ browser, baseUrl, ask, expect }) {
  const [ann, bob] = await Promise.all(['Ann', 'Bob'].map((user) => enter(browser, `${baseUrl}/own?user=${user}`)));
  const copies = await Promise.all([ann, bob].map(countCopies));

  // In the same turn of the event loop, before anything can have come from anywhere.
  await ann.fill('#text', 'at once');
  const atOnce = await ann.evaluate(() => {
    document.getElementById('composer').requestSubmit();
    return [...document.querySelectorAll('#messages > li')].map((item) => [item.textContent.includes('at once'), item.className]);
  });
  expect.equal(atOnce, [[true, 'message hue-4 own pending']]);
  await ann.evaluate(() => { document.querySelector('#messages > li').marked = true; });
  for (const page of [ann, bob]) await expect.eventually('at once', () => showsStored(page, ['at once']));
  expect(await ann.evaluate(() => document.querySelector('#messages > li').marked), 'the same element');
  expect.equal(await ann.getAttribute('#messages > li', 'class'), 'message hue-4 own lead');
  expect.equal(await bob.getAttribute('#messages > li', 'class'), 'message hue-4 lead');

  // The provisional event long before the answer.
  await ask('store settled');
  await ask('store delay 400');
  await say(ann, 'slowly');
  for (const page of [ann, bob]) await expect.eventually('slowly', () => showsStored(page, ['at once', 'slowly']));
  await ask('store pass');

  // The answer before any event: nothing can be published until later.
  await ask('control refuse');
  await say(ann, 'unpublished');
  const all = ['at once', 'slowly', 'unpublished'];
  await expect.eventually('the answer to the post', () => showsStored(ann, all));
  expect.equal((await shown(bob)).length, 2, 'nothing was published');
  await ask('control pass');
  await expect.eventually('what was not published', () => showsStored(bob, all), 15_000);

  // Behind it in the stream, so that by now the event of the one before has come to Ann as well.
  await say(bob, 'the end');
  for (const page of [ann, bob]) await expect.eventually('the end', () => showsStored(page, [...all, 'the end']));
  for (const each of copies) expect.equal(await each.most(), 1, 'copies of a message');
}
