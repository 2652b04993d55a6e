import { countCopies, enter, post, submit, shown, showsStored } from '../chat.mjs';

// Chromium's offline mode makes requests fail and notifies the page, but does not affect open streams. A lost network also
// leaves them open without data, which the fault proxy in front of the GRIP proxy simulates.
export default async function aPageCatchesUpWhenBackOnline({ browser, baseUrl, ask, expect, allowErrors }) {
  allowErrors('ERR_INTERNET_DISCONNECTED|ERR_NETWORK_CHANGED|ERR_CONNECTION_RESET');
  const bob = await enter(browser, `${await ask('front url')}/away?user=Bob`);
  await post(baseUrl, 'away', 'before');
  await expect.eventually('before', () => showsStored(bob, ['before']));
  const copies = await countCopies(bob);

  await bob.context().setOffline(true);
  await ask('front hang');
  const missed = Array.from({ length: 60 }, (_, i) => `missed ${i + 1}`);
  for (const text of missed) await post(baseUrl, 'away', text);
  // Resets open connections, so that the page notices now.
  await ask('front pass');
  await expect.eventually('the page shows it', async () => /^Offline/.test(await bob.textContent('#status')));
  expect(await showsStored(bob, ['before']), 'nothing can have arrived');
  await submit(bob, 'from afar');
  await expect.eventually('it cannot be sent', () => bob.locator('.message.failed').count());

  const back = Date.now();
  await bob.context().setOffline(false);
  const all = ['before', ...missed, 'from afar'];
  await expect.eventually('all 60, and what was written', () => showsStored(bob, all));
  // Immediately: the browser reports that the network is back, which ends the pause before the next attempt.
  expect(Date.now() - back < 10_000, `after ${Date.now() - back} ms`);
  expect.equal((await shown(bob)).map(({ seq }) => Number(seq)), Array.from({ length: 62 }, (_, i) => i + 1));
  await post(baseUrl, 'away', 'after');
  await expect.eventually('after', () => showsStored(bob, [...all, 'after']));
  expect.equal(await copies.most(), 1, 'copies of a message');
  expect.equal(await bob.textContent('#status'), 'Live');
}
