// Runs one scenario in Chromium: `node run.mjs DEVICE SCENARIO BASE_URL`, exit code 0 if it passed.
//
// Started by tests/it/support/browser.rs. What goes to standard output and begins with `@` is for that side: `@ask
// TEXT` wants one line on standard input, `@ok TEXT` or `@error TEXT`; `@started` and `@closing` enclose the time in
// which the browser has all its processes. Everything else printed is for people.

import { mkdir } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';
import { DEVICES } from './devices.mjs';
import { expect } from './expect.mjs';
import { Watch } from './watch.mjs';

const [device, scenario, baseUrl] = process.argv.slice(2);

// Standard input is read from the start: readline drops lines that come while nobody listens. No more of it means that
// the test has gone, and nobody is left to end this.
const answers = [];
createInterface({ input: process.stdin })
  .on('line', (line) => answers.shift()?.(line))
  .on('close', () => answers.splice(0).forEach((answer) => answer('@error the test has gone')));

/** Asks the test to do something to the stack, and returns what it says. */
async function ask(text) {
  const answer = new Promise((resolve) => answers.push(resolve));
  console.log(`@ask ${text.replaceAll('\n', ' ')}`);
  const [, kind, rest] = /^@(ok|error) ?(.*)$/.exec(await answer) ?? [];
  if (kind !== 'ok') throw new Error(`asked for "${text}": ${rest ?? 'no such answer'}`);
  return rest;
}

// Playwright makes the profile, a fresh folder below TMPDIR, and removes it.
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: [
    '--no-sandbox', // as root it does not start without
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
  // Playwright switches off what every visitor has: pages that are kept for the way back.
  ignoreDefaultArgs: ['--disable-back-forward-cache'],
});
console.log('@started');

const watch = new Watch(browser, DEVICES[device]);
let failure;
try {
  const { default: run } = await import(`./scenarios/${scenario}.mjs`);
  await run({ browser, device, baseUrl, ask, expect, allowErrors: (pattern) => watch.allow(pattern) });
  await watch.settle();
  watch.check();
} catch (error) {
  failure = error;
  console.log(error?.stack ?? `${error}`);
  console.log(watch.report());
  await screenshots();
}
console.log('@closing');
await browser.close();
// Explicitly, since standard input is still open.
process.exit(failure ? 1 : 0);

/** One picture of each page that is still open, below the working directory. */
async function screenshots() {
  await mkdir('target/browser', { recursive: true });
  const pages = browser.contexts().flatMap((context) => context.pages());
  for (const [index, page] of pages.entries()) {
    const path = `target/browser/${scenario}-${device}${index === 0 ? '' : `-${index + 1}`}.png`;
    // A page that hangs must not keep its reason from being told.
    await page.screenshot({ path, timeout: 5_000 }).then(
      () => console.log(`screenshot: ${path}`),
      (error) => console.log(`no screenshot: ${error.message}`),
    );
  }
}
