// The EventSource of the browser, without the script of this project, receives all events.

export default async ({ browser, baseUrl, expect }) => {
  const page = await browser.newPage();
  await page.goto(`${baseUrl}/lobby`);
  const events = await page.evaluate(
    () =>
      new Promise((resolve, reject) => {
        const seen = [];
        const source = new EventSource('/rooms/lobby/messages/?lastEventId=someother-5');
        for (const name of ['stream-reset', 'stream-open']) {
          source.addEventListener(name, (event) => {
            seen.push({ name, data: JSON.parse(event.data), lastEventId: event.lastEventId });
            if (name === 'stream-open') resolve(seen);
          });
        }
        source.addEventListener('error', () => reject(new Error(`no stream, after ${JSON.stringify(seen)}`)));
      }),
  );
  const [reset, open] = events;
  expect.equal(reset.name, 'stream-reset');
  expect.equal(reset.data.reason, 'epoch');
  expect.match(reset.data.lastEventId, /^[0-9a-z]+-1$/);
  expect.equal(reset.lastEventId, reset.data.lastEventId);
  expect.equal(open.lastEventId, reset.lastEventId);
};
