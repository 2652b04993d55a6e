// Messages with other dates than now.

/** Replaces the dates of the messages in the page at a URL. */
export async function date(page, url, dates) {
  await page.route(url, async (route) => {
    const response = await route.fetch();
    const [head, messages] = (await response.text()).split('<ol id="messages">');
    let n = 0;
    const dated = messages.replaceAll(/(?<=<time datetime=")[^"]+/g, (date) => dates[n++] ?? date);
    await route.fulfill({ response, body: `${head}<ol id="messages">${dated}` });
  });
}
