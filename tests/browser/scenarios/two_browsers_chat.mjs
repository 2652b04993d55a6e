import { countCopies, enter, messagesUrl, submit, shown, showsStored, texts } from '../chat.mjs';

export default async function twoBrowsersChat({ browser, baseUrl, expect }) {
  const [ann, bob] = await Promise.all(['Ann', 'Bob'].map((user) => enter(browser, `${baseUrl}/lobby?user=${user}`)));
  const copies = await Promise.all([ann, bob].map(countCopies));

  const sent = [];
  for (const [page, text] of [[ann, 'Hello?'], [bob, 'Hi Ann!'], [ann, 'How are you?'], [bob, 'Live.']]) {
    await submit(page, text);
    sent.push(text);
    for (const reader of [ann, bob]) await expect.eventually(text, () => showsStored(reader, sent));
  }

  // Concurrently: the order is not fixed, but both see the same.
  await Promise.all([ann, bob].map(async (page, person) => {
    for (let n = 1; n <= 5; n += 1) await submit(page, `${person} ${n}`);
  }));
  for (const reader of [ann, bob]) {
    await expect.eventually('14 stored messages', async () => {
      const messages = await shown(reader);
      return messages.length === 14 && messages.every(({ state }) => state === 'final');
    });
  }
  const order = await shown(ann);
  expect.equal(await shown(bob), order, 'both see the same');
  expect.equal(order.map(({ seq }) => Number(seq)), Array.from({ length: 14 }, (_, i) => i + 1));
  for (const person of [0, 1]) {
    const own = order.map(({ text }) => text).filter((text) => text.startsWith(`${person} `));
    expect.equal(own, [1, 2, 3, 4, 5].map((n) => `${person} ${n}`), 'in the order they were written');
  }
  for (const each of copies) expect.equal(await each.most(), 1, 'copies of a message');
  expect.equal(await ann.locator('.message.own').count(), 7);

  const late = await enter(browser, `${baseUrl}/lobby?user=Carl`, { javaScriptEnabled: false });
  expect.equal(await texts(late), order.map(({ text }) => text), 'without scripts');

  const html = await (await fetch(`${baseUrl}/lobby?user=Carl`)).text();
  const { messages } = await (await fetch(messagesUrl(baseUrl, 'lobby'))).json();
  expect.equal(messages.map(({ id }) => id), order.map(({ id }) => id));
  for (const { id, text } of messages) {
    expect(html.includes(`data-id="${id}"`) && html.includes(`>${text}</div>`), `the HTML has ${id}`);
  }
}
