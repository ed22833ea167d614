// The children's side of the keeper pipe: how long each request waits, and what becomes of it when the keeper is gone.

import { duplexPair } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { encodeFrame, readFrames, type Frame } from '../../flow/channel.ts';
import { KeeperClient } from '../../flow/keeper-client.ts';
import type { NetworkPlan } from '../../flow/network-plan.ts';

const side = { mode: 'block', allow: [], block: [] } as const;
const plan: NetworkPlan = { revision: '', interceptedPorts: [], fleet: side, runners: {}, blocklist: [] };
const binding = { runner: '10.0.0.2', address: '192.0.2.1', protocol: 'tcp', port: 22, ttlMs: 1000 } as const;

t.test('a plan has its own, longer limit, and answers come in any order', async (t) => {
  const [near, far] = duplexPair();
  // The client's own timer keeps no process alive.
  const alive = setInterval(() => {}, 1000);
  t.teardown(() => clearInterval(alive));
  const limits = { answerMs: 300, planMs: 5000 };
  const client = new KeeperClient(near, t.fail, () => {}, limits);
  const asked: Frame[] = [];
  readFrames(far, 1 << 20, (frame) => frame.type !== 'alive' && asked.push(frame), t.fail);
  const planned = client.plan(plan);
  const lost = client.bind([binding]);
  await t.rejects(
    lost,
    { code: 'keeper-unavailable', message: /no answer within 300 ms/ },
    'a binding waits 300 ms',
  );
  const late = client.sign(Buffer.from('x'));
  while (asked.length < 3) await sleep(5);
  for (const { id, type } of asked.toReversed()) {
    if (type !== 'bind') far.write(encodeFrame(id, 'ok', Buffer.from(type)));
  }
  await planned;
  t.equal(Buffer.from(await late).toString(), 'sign');
  const open = client.plan(plan);
  far.destroy();
  near.destroy();
  await t.rejects(open, { code: 'keeper-unavailable', message: /the pipe is closed/ });
  await t.rejects(client.plan(plan), { code: 'keeper-unavailable' }, 'nothing waits on a closed pipe');
});
