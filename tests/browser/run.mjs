// Runs one scenario in Chromium: `node run.mjs DEVICE SCENARIO BASE_URL`, exit code 0 if it passed.
//
// Started by tests/it/support/browser.rs. Lines on standard output that start with `@` are for that side: `@ask TEXT`
// expects one line on standard input, `@ok TEXT` or `@error TEXT`; between `@started` and `@closing` the browser has all
// its processes. Other lines are for people.

import { mkdir } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';
import { DEVICES } from './devices.mjs';
import { expect } from './expect.mjs';
import { PageErrors } from './page-errors.mjs';

const [device, scenario, baseUrl] = process.argv.slice(2);

// Standard input is read from the start: readline drops lines that arrive without a listener. At its end the test has gone,
// and every question fails.
const answers = [];
createInterface({ input: process.stdin })
  .on('line', (line) => answers.shift()?.(line))
  .on('close', () => answers.splice(0).forEach((answer) => answer('@error the test has ended')));

/** Asks the test to do something to the stack, and returns its answer. */
async function ask(text) {
  const answer = new Promise((resolve) => answers.push(resolve));
  console.log(`@ask ${text.replaceAll('\n', ' ')}`);
  const [, kind, rest] = /^@(ok|error) ?(.*)$/.exec(await answer) ?? [];
  if (kind !== 'ok') throw new Error(`"${text}" failed: ${rest ?? 'the answer is malformed'}`);
  return rest;
}

// Playwright creates the profile, a new folder below TMPDIR, and removes it.
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: [
    '--no-sandbox', // required to run as root
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
  // Playwright turns off the back/forward cache, which every visitor has.
  ignoreDefaultArgs: ['--disable-back-forward-cache'],
});
console.log('@started');

const errors = new PageErrors(browser, DEVICES[device]);
let failure;
try {
  const { default: run } = await import(`./scenarios/${scenario}.mjs`);
  await run({ browser, device, baseUrl, ask, expect, allowErrors: (pattern) => errors.allow(pattern) });
  await errors.settle();
  errors.check();
} catch (error) {
  failure = error;
  console.log(error?.stack ?? `${error}`);
  console.log(errors.report());
  await screenshots();
}
console.log('@closing');
await browser.close();
// Explicitly, since standard input is still open.
process.exit(failure ? 1 : 0);

/** Takes a screenshot of each open page, into a folder below the working directory. */
async function screenshots() {
  await mkdir('target/browser', { recursive: true });
  const pages = browser.contexts().flatMap((context) => context.pages());
  for (const [index, page] of pages.entries()) {
    const path = `target/browser/${scenario}-${device}${index === 0 ? '' : `-${index + 1}`}.png`;
    // The timeout: a page that hangs must not hide the failure.
    await page.screenshot({ path, timeout: 5_000 }).then(
      () => console.log(`screenshot: ${path}`),
      (error) => console.log(`no screenshot: ${error.message}`),
    );
  }
}
