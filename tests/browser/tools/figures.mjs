// Measures loading times and transferred bytes of a room: `node figures.mjs GRIPCHAT`, called by scripts/page-figures.
// Prints the table of docs/page.md to standard output.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { live, post } from '../chat.mjs';
import { LAUNCH, start } from './program.mjs';

const [binary] = process.argv.slice(2);
const MESSAGES = 50;
const RUNS = 9;

/** The phone has the network and the slowdown that Lighthouse simulates. */
const VISITORS = {
  'this machine': { options: { viewport: { width: 1280, height: 800 } } },
  'a phone on slow 4G': {
    options: { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 },
    network: { offline: false, latency: 150, downloadThroughput: 1_638_400 / 8, uploadThroughput: 750_000 / 8 },
    slowdown: 4,
  },
};

const TEXTS = [
  'Morning! The staging deploy went out at 07:40. No streams dropped.', 'Notes are at https://example.org/notes',
  'Nice. What did the reconnect storm cost us this time?', 'Three reads for two thousand clients.', '👏👏',
  'Then let us do production on Monday:\n  1. table\n  2. backends, one by one\n  3. the edge last', 'Works for me.',
];
const PEOPLE = ['Mira Okafor', 'Jonas', 'Ada Lovelace', '李小龙'];

const scratch = await mkdtemp(join(tmpdir(), 'gripchat-'));
const browser = await chromium.launch(LAUNCH);
try {
  const chat = await start(binary, join(scratch, 'data'));
  for (let n = 0; n < MESSAGES; n += 1) {
    await post(chat.direct, 'figures', `${TEXTS[n % TEXTS.length]} (${n})`, PEOPLE[(n >> 1) % PEOPLE.length]);
  }
  const rows = [];
  for (const [visitor, conditions] of Object.entries(VISITORS)) {
    for (const visit of ['first', 'second']) {
      const runs = [];
      for (let run = 0; run < RUNS; run += 1) runs.push(await measure(chat.base, conditions, visit));
      const median = (of) => runs.map(of).sort((a, b) => a - b)[RUNS >> 1];
      rows.push([
        `${visitor}, ${visit} visit`,
        `${median((run) => run.readable).toFixed(0)} ms`,
        `${median((run) => run.live).toFixed(0)} ms`,
        `${median((run) => run.requests)}`,
        `${(median((run) => run.bytes) / 1024).toFixed(1)} KB`,
        `${(median((run) => run.page) / 1024).toFixed(1)} KB`,
        median((run) => run.shift).toFixed(3),
        `${median((run) => run.blocked).toFixed(0)} ms`,
      ]);
    }
  }
  const titles = ['', 'first contentful paint', 'live', 'requests', 'bytes', 'of them the page', 'layout shift', 'blocked'];
  for (const row of [titles, titles.map(() => '---'), ...rows]) console.log(`| ${row.join(' | ')} |`);
  await chat.stop();
} finally {
  await browser.close();
  await rm(scratch, { recursive: true });
}
process.exit();

/** Measures one visit in a new browser; before a second visit, a first one fills the cache. */
async function measure(base, { options, network, slowdown }, visit) {
  const context = await browser.newContext(options);
  const url = `${base}/figures?user=Ann`;
  if (visit === 'second') {
    const before = await context.newPage();
    await before.goto(url);
    await live(before);
    await before.close();
  }
  const page = await context.newPage();
  const session = await context.newCDPSession(page);
  await session.send('Network.enable');
  if (network) await session.send('Network.emulateNetworkConditions', network);
  if (slowdown) await session.send('Emulation.setCPUThrottlingRate', { rate: slowdown });
  // Bytes over the network, including headers. The stream does not end and counts with its headers only.
  const seen = new Map();
  session.on('Network.responseReceived', ({ requestId, response, type }) => {
    if (response.url.startsWith('http') && !response.fromDiskCache) seen.set(requestId, { type, bytes: response.encodedDataLength });
  });
  session.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
    const response = seen.get(requestId);
    if (response) response.bytes = encodedDataLength;
  });
  await page.addInitScript(() => {
    window.measurements = { shift: 0, blocked: 0 };
    const observe = (type, add) => new PerformanceObserver((list) => list.getEntries().forEach(add))
      .observe({ type, buffered: true });
    observe('layout-shift', ({ value }) => { window.measurements.shift += value; });
    observe('longtask', ({ duration }) => { window.measurements.blocked += duration - 50; });
    document.addEventListener('DOMContentLoaded', () => {
      new MutationObserver(() => {
        const { state } = document.getElementById('status').dataset;
        if (state === 'live') window.measurements.live ??= performance.now();
      }).observe(document.getElementById('status'), { attributes: true });
    });
  });
  await page.goto(url);
  await live(page);
  const paint = await page.evaluate(() => new Promise((resolve) => {
    new PerformanceObserver((list) => resolve(list.getEntriesByName('first-contentful-paint')[0].startTime))
      .observe({ type: 'paint', buffered: true });
  }));
  const measurements = await page.evaluate(() => window.measurements);
  const responses = [...seen.values()];
  await context.close();
  return {
    ...measurements,
    readable: paint,
    requests: responses.length,
    bytes: responses.reduce((sum, { bytes }) => sum + bytes, 0),
    page: responses.find(({ type }) => type === 'Document')?.bytes ?? 0,
  };
}
