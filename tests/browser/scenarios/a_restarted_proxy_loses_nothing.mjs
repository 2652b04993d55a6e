import { countCopies, enter, post, say, shown, showsStored, streamsOf } from '../chat.mjs';

export default async function aRestartedProxyLosesNothing({ browser, baseUrl, ask, expect, allowErrors }) {
  // However a request may end whose server is going away or not there yet.
  allowErrors('ERR_CONNECTION_|ERR_SOCKET_NOT_CONNECTED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_EMPTY_RESPONSE');
  const [ann, bob] = await Promise.all(['Ann', 'Bob'].map((user) => enter(browser, `${baseUrl}/proxy?user=${user}`)));
  await say(ann, 'before');
  await expect.eventually('before', () => showsStored(bob, ['before']));
  const copies = await Promise.all([ann, bob].map(countCopies));
  const streams = [ann, bob].map(streamsOf);
  const [{ id }] = await shown(bob);

  await ask('proxy stop');
  const backend = await ask('backend url');
  const meanwhile = Array.from({ length: 5 }, (_, i) => `meanwhile ${i + 1}`);
  for (const text of meanwhile) await post(backend, 'proxy', text);
  await expect.eventually('the page says so', async () => /^Reconnecting/.test(await bob.textContent('#status')));
  expect(await showsStored(bob, ['before']), 'nothing can have come');
  await ask('proxy restart');

  for (const page of [ann, bob]) {
    await expect.eventually('what was missed', () => showsStored(page, ['before', ...meanwhile]), 20_000);
    await expect.eventually('live again', async () => await page.textContent('#status') === 'Live');
  }
  for (const urls of streams) {
    expect(urls.length > 0, 'it reconnected');
    expect(urls.every((url) => new URL(url).searchParams.get('lastEventId') === id), `with its cursor: ${urls}`);
  }
  await say(bob, 'after');
  for (const page of [ann, bob]) {
    await expect.eventually('after', () => showsStored(page, ['before', ...meanwhile, 'after']));
  }
  for (const each of copies) expect.equal(await each.most(), 1, 'copies of a message');
}
