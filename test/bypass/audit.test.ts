// In audit mode datagrams pass, and each new destination is recorded, whatever system call sent them: the record is
// made at the wire.

import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import type { FlowRecord } from '../../flow/flow.ts';
import { Lab } from '../lab/lab.ts';
import { sendBy, type SendCall } from './send-calls.ts';

const calls: readonly SendCall[] = ['sendto', 'sendmsg', 'sendmmsg'];
const port = 9053;
/** Each call has destinations of its own. */
const destinations = calls.flatMap((call, index) =>
  [
    [1, 2, 3].map((last) => `45.61.${index}.${last}`),
    [1, 2, 3].map((last) => `2a0a:6041:${index + 1}::${last}`),
  ].map((addresses) => ({ call, addresses })),
);

t.setTimeout(60_000);

t.test('[advisory-udp-calls] sendto, sendmsg and sendmmsg to new destinations', async (t) => {
  const lab = await Lab.open();
  t.teardown(() => lab.close());
  const sendAll = async () => {
    for (const { call, addresses } of destinations) {
      // The second time round nothing is new: the count goes up.
      for (let i = 0; i < 2; i++)
        t.ok(sendBy(call, lab.runner().namespace, addresses, port), `${call} ${addresses[0]}`);
    }
    await sleep(300);
  };
  const arrived = (address: string) =>
    lab.capture
      .packets()
      .filter(({ destination, destinationPort }) => destination === address && destinationPort === port)
      .length;

  await sendAll();
  for (const address of destinations.flatMap(({ addresses }) => addresses))
    t.equal(arrived(address), 2, `${address}: arrives without a gateway`);

  for (const backend of ['nftables', 'iptables'] as const) {
    const gateway = await lab.startGateway('version: 1\nmode: audit\n', { config: { kernel: { backend } } });
    lab.capture.clear();
    await sendAll();
    await sleep(2500);
    const records = (await gateway.records()).filter(({ kind }) => kind === 'packet');
    for (const { call, addresses } of destinations) {
      for (const address of addresses) {
        t.equal(arrived(address), 2, `${call} ${address}: audit lets it pass`);
        t.same(
          summary(records, address),
          [2, 'block', false, 'no-rule'],
          `${call} ${address}: recorded (${backend})`,
        );
      }
    }
  }
});

/** Attempts in all and the decision on the datagrams to this address. */
function summary(records: readonly FlowRecord[], address: string): unknown[] {
  const mine = records.filter(
    ({ destination }) => destination.address === address && destination.port === port,
  );
  const attempts = mine.reduce((sum, { packet }) => sum + (packet?.attempts ?? 0), 0);
  const { verdict, enforced, reason } = mine[0]?.decision ?? {};
  return [attempts, verdict, enforced, reason];
}
