// Runs the whole chat as one process, for tools that need a page.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { createInterface } from 'node:readline';

/**
 * Starts `gripchat run` on free ports. `ago` sets its clock back, in the format of `faketime` ("-2h").
 *
 * @returns its addresses, and `stop()`, which waits for its end.
 */
export async function start(binary, data, ago) {
  const env = {
    ...process.env,
    // The tools post faster than people.
    POST_RATE: '100000',
    POST_BURST: '100000',
    NO_COLOR: '1',
    ...(ago && { LD_PRELOAD: await faketime(), FAKETIME: ago, FAKETIME_DONT_FAKE_MONOTONIC: '1' }),
  };
  const free = '127.0.0.1:0';
  const args = ['run', '--data', data, '--edge-listen', free, '--listen', free, '--control-listen', free];
  const program = spawn(binary, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const printed = [];
  const found = new Promise((resolve, reject) => {
    for (const stream of [program.stdout, program.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        printed.push(line);
        const addresses = /backend on (\S+), edge on (\S+),/.exec(line);
        if (addresses) resolve(addresses);
      });
    }
    program.once('exit', () => reject(new Error(`gripchat exited; it printed\n${printed.join('\n')}`)));
  });
  const [, direct, base] = await found;
  const stop = async () => {
    if (program.exitCode !== null) return;
    program.kill('SIGTERM');
    await once(program, 'exit');
  };
  process.once('exit', () => program.kill('SIGKILL'));
  return { base, direct, stop };
}

async function faketime() {
  const folders = await readdir('/usr/lib', { withFileTypes: true });
  for (const { name } of folders.filter((entry) => entry.isDirectory())) {
    const inside = await readdir(`/usr/lib/${name}/faketime`).catch(() => []);
    if (inside.includes('libfaketimeMT.so.1')) return `/usr/lib/${name}/faketime/libfaketimeMT.so.1`;
  }
  throw new Error('libfaketimeMT.so.1 not found: install faketime');
}

/** How to start Chromium, as in tests/browser/run.mjs. */
export const LAUNCH = {
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
};
