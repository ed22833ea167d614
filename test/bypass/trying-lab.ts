// A lab whose runner tries what it may not all the time, and what tests of a disturbed gateway ask of it.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Test } from 'tap';
import { Lab } from '../lab/lab.ts';
import { Trying } from '../lab/trying.ts';

/** One host is allowed, and nothing else. */
export const sitePolicy = 'version: 1\nmode: block\nhttp: [{id: site, host: allowed.example.com}]\n';
export const allowedUrl = 'https://allowed.example.com/';

/** All of it arrives before there is a gateway: nine kinds of attempt (test/lab/trying.ts). */
export async function openTrying(t: Test): Promise<{ readonly lab: Lab; readonly trying: Trying }> {
  const lab = await Lab.open();
  const trying = new Trying(lab);
  t.teardown(async () => {
    trying.stop();
    await lab.close();
  });
  await sleep(500);
  t.equal(trying.leaks().length, 9, 'all of it arrives without a gateway');
  return { lab, trying };
}

/** Status of a request by curl, `000` without an answer; eight seconds at most. */
export async function statusOf(lab: Lab, ...args: string[]): Promise<string> {
  return (await lab.curl(['-m', '8', '-o', '/dev/null', '-w', '%{http_code}', ...args])).stdout;
}

/** Whether the allowed request works within the time. */
export async function isBack(lab: Lab, limitMs = 5000): Promise<boolean> {
  const deadline = Date.now() + limitMs;
  for (;;) {
    if ((await statusOf(lab, '-m', '2', allowedUrl)) === '200') return true;
    if (Date.now() > deadline) return false;
    await sleep(50);
  }
}
