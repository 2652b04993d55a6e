// Messages of other moments than now.

/** Lets the server's page at this address have its messages at these moments, whenever they were said. */
export async function date(page, url, moments) {
  await page.route(url, async (route) => {
    const response = await route.fetch();
    const [head, messages] = (await response.text()).split('<ol id="messages">');
    let n = 0;
    const dated = messages.replaceAll(/(?<=<time datetime=")[^"]+/g, (moment) => moments[n++] ?? moment);
    await route.fulfill({ response, body: `${head}<ol id="messages">${dated}` });
  });
}
