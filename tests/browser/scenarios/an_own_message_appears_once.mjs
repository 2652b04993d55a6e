import { countCopies, enter, submit, shown, showsStored } from '../chat.mjs';

export default async function anOwnMessageAppearsOnce({ browser, baseUrl, ask, expect }) {
  const [ann, bob] = await Promise.all(['Ann', 'Bob'].map((user) => enter(browser, `${baseUrl}/own?user=${user}`)));
  const copies = await Promise.all([ann, bob].map(countCopies));

  // In the same turn of the event loop, before any response or event.
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

  // The provisional event long before the response.
  await ask('store settled');
  await ask('store delay 400');
  await submit(ann, 'slowly');
  for (const page of [ann, bob]) await expect.eventually('slowly', () => showsStored(page, ['at once', 'slowly']));
  await ask('store pass');

  // The response before any event: nothing can be published until later.
  await ask('control refuse');
  await submit(ann, 'unpublished');
  const all = ['at once', 'slowly', 'unpublished'];
  await expect.eventually('the response to the post', () => showsStored(ann, all));
  expect.equal((await shown(bob)).length, 2, 'nothing was published');
  await ask('control pass');
  await expect.eventually('what was not published', () => showsStored(bob, all));

  // A later message in the stream: once it has arrived, so has the event of the previous one.
  await submit(bob, 'the end');
  for (const page of [ann, bob]) await expect.eventually('the end', () => showsStored(page, [...all, 'the end']));
  for (const each of copies) expect.equal(await each.most(), 1, 'copies of a message');
}
