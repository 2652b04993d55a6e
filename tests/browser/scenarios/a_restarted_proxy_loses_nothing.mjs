import { countCopies, enter, post, submit, shown, showsStored, streamsOf } from '../chat.mjs';

export default async function aRestartedProxyLosesNothing({ browser, baseUrl, ask, expect, allowErrors }) {
  // All the ways in which a request to a stopping or starting server can fail. Pushpin answers 500 or 502 before its
  // processes have found each other.
  allowErrors('ERR_CONNECTION_|ERR_SOCKET_NOT_CONNECTED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_EMPTY_RESPONSE|of 50[02] ');
  const [ann, bob] = await Promise.all(['Ann', 'Bob'].map((user) => enter(browser, `${baseUrl}/proxy?user=${user}`)));
  await submit(ann, 'before');
  await expect.eventually('before', () => showsStored(bob, ['before']));
  const copies = await Promise.all([ann, bob].map(countCopies));
  const streams = [ann, bob].map(streamsOf);
  const [{ id }] = await shown(bob);

  await ask('proxy stop');
  const backend = await ask('backend url');
  const meanwhile = Array.from({ length: 5 }, (_, i) => `meanwhile ${i + 1}`);
  for (const text of meanwhile) await post(backend, 'proxy', text);
  await expect.eventually('the page shows it', async () => /^Reconnecting/.test(await bob.textContent('#status')));
  expect(await showsStored(bob, ['before']), 'nothing can have arrived');
  await ask('proxy restart');

  for (const page of [ann, bob]) {
    await expect.eventually('what was missed', () => showsStored(page, ['before', ...meanwhile]));
    await expect.eventually('live again', async () => await page.textContent('#status') === 'Live');
  }
  for (const urls of streams) {
    expect(urls.length > 0, 'it reconnected');
    expect(urls.every((url) => new URL(url).searchParams.get('lastEventId') === id), `with its cursor: ${urls}`);
  }
  await submit(bob, 'after');
  for (const page of [ann, bob]) {
    await expect.eventually('after', () => showsStored(page, ['before', ...meanwhile, 'after']));
  }
  for (const each of copies) expect.equal(await each.most(), 1, 'copies of a message');
}
