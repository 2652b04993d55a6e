import { countCopies, enter, post, submit, shown, showsStored, streamsOf } from '../chat.mjs';

export default async function aKilledBackendLosesNothing({ browser, baseUrl, ask, expect, allowErrors }) {
  allowErrors('status of 50[24]');
  const [ann, bob] = await Promise.all(['Ann', 'Bob'].map((user) => enter(browser, `${baseUrl}/kill?user=${user}`)));
  const copies = await Promise.all([ann, bob].map(countCopies));
  const streams = [ann, bob].map(streamsOf);
  await submit(ann, 'before');
  await expect.eventually('before', () => showsStored(bob, ['before']));

  // During a post: the message is visible and not stored yet.
  await ask('store settled');
  await ask('store delay 5000');
  await submit(ann, 'under way');
  await expect.eventually('under way', async () => (await shown(bob)).at(-1).state === 'provisional');
  await ask('backend kill');
  await ask('store pass');
  await ask('backend restart');
  for (const page of [ann, bob]) {
    await expect.eventually('under way, stored', () => showsStored(page, ['before', 'under way']));
  }

  // While no backend runs.
  await ask('backend kill');
  const refused = ann.waitForResponse((response) => response.request().method() === 'POST' && response.status() >= 500);
  await submit(ann, 'while it is down');
  await refused;
  await ask('backend restart');
  const all = ['before', 'under way', 'while it is down'];
  for (const page of [ann, bob]) await expect.eventually('while it is down', () => showsStored(page, all));

  await post(baseUrl, 'kill', 'afterwards');
  for (const page of [ann, bob]) await expect.eventually('afterwards', () => showsStored(page, [...all, 'afterwards']));
  expect.equal((await shown(bob)).map(({ seq }) => seq), ['1', '2', '3', '4']);
  expect.equal(await ann.locator('.problem').count(), 0);
  for (const each of copies) expect.equal(await each.most(), 1, 'copies of a message');
  expect.equal(streams, [[], []], 'the streams never noticed');
}
