import { enter, post, submit, shown, showsStored } from '../chat.mjs';

// Pushpin holds a message with a gap before it for five seconds, in case the missing one is late (`message_wait`), and
// those after it as well.
const AFTER_A_GAP = 15_000;

export default async function aResetNeedsNoReload({ browser, baseUrl, ask, expect }) {
  for (const text of ['old 1', 'old 2']) await post(baseUrl, 'reset', text);
  const bob = await enter(browser, `${baseUrl}/reset?user=Bob`);
  await post(baseUrl, 'reset', 'old 3');
  await expect.eventually('the old ones', () => showsStored(bob, ['old 1', 'old 2', 'old 3']));
  const [{ id: old }] = await shown(bob);
  await bob.evaluate(() => { window.notReloaded = true; });

  await ask('wipe reset');
  // A backend that has never seen the room: one that remembers its newest message would continue its numbers.
  await ask('backend kill');
  await ask('backend restart');
  await post(baseUrl, 'reset', 'new 1');
  await expect.eventually('the new one alone', () => showsStored(bob, ['new 1']), AFTER_A_GAP);
  const [{ id }] = await shown(bob);
  expect(id.split('-')[0] !== old.split('-')[0], `another epoch: ${old}, ${id}`);

  await post(baseUrl, 'reset', 'new 2');
  await submit(bob, 'new 3');
  await expect.eventually('the stream continues', () => showsStored(bob, ['new 1', 'new 2', 'new 3']), AFTER_A_GAP);
  expect(await bob.evaluate(() => window.notReloaded === true), 'without a reload');
}
