import { live } from '../chat.mjs';

export default async function aPagePreloadsAllItsModules({ browser, baseUrl, expect }) {
  for (const path of ['/lobby', '/lobby?user=Ann']) {
    const context = await browser.newContext();
    const page = await context.newPage();
    const requests = [];
    page.on('request', (request) => requests.push(request));
    const html = await (await page.goto(baseUrl + path)).text();
    await page.waitForLoadState('load');

    // No style sheet, no module that only another module's import revealed, and none twice.
    const loaded = requests.filter((request) => ['script', 'stylesheet'].includes(request.resourceType()));
    const urls = loaded.map((request) => new URL(request.url()).pathname).toSorted();
    const named = [...html.matchAll(/(?:<script type="module" src|<link rel="modulepreload" href)="([^"]+)"/g)];
    expect(urls.length > 1, urls);
    expect.equal(urls, named.map(([, url]) => url).toSorted());

    // The next page requests none of them.
    await page.goto(`${baseUrl}${path.replace('lobby', 'other')}`);
    await page.waitForLoadState('load');
    const again = await page.evaluate(() => performance.getEntriesByType('resource')
      .filter(({ name }) => name.endsWith('.js'))
      .map(({ name, transferSize }) => ({ url: new URL(name).pathname, transferSize })));
    expect.equal(again.map(({ url }) => url).toSorted(), urls);
    expect.equal(again.filter(({ transferSize }) => transferSize > 0), []);
    if (path.includes('user')) await live(page);
    await context.close();
  }
}
