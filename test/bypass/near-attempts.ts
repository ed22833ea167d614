// What is near instead of far: other runners behind the same gateway, and the gateway's own ports.

import { setTimeout as sleep } from 'node:timers/promises';
import { Capture } from '../../netns/capture.ts';
import { dialTcp } from '../../netns/socket.ts';
import type { Lab } from '../lab/lab.ts';
import { knock, sendUdp } from '../lab/packets.ts';
import type { Bypass, Mark } from './bypass.ts';
import { connection, datagram, packetAttempt } from './packet-attempt.ts';
import { target4, type Aim } from './target.ts';

const [tcp, udp] = [6, 17] as const;
const oneMachine = 'the job’s own machine is the gateway: there is no other runner and loopback is its own';
const to4 =
  (protocol: number, port: number) =>
  (mark: Mark): Aim => ({ address: target4(mark), protocol, port });

const crossed = new WeakMap<Lab, Set<string>>();
/** By way of the gateway: on one link the two would meet without it. */
const otherRunner = (how: string | undefined, family: 'v4' | 'v6'): Bypass => ({
  id: 'protocol-other-runner',
  ...(how === undefined ? {} : { how }),
  run: async (lab, mark) => {
    const [{ namespace }, other] = [lab.runner(0), lab.runner(1)];
    const address = other[family];
    const gateway = family === 'v4' ? lab.topology.gateway4 : lab.topology.gateway6;
    await lab.run(['ip', 'route', 'replace', address, 'via', gateway, 'dev', 'eth0']);
    const capture = new Capture(other.namespace);
    for (let i = 0; i < 3; i++) {
      sendUdp(namespace, address, mark.port, mark.token);
      await knock(namespace, address, mark.port);
    }
    if (capture.packets().some(({ destinationPort }) => destinationPort === mark.port))
      crossed.set(lab, new Set([...(crossed.get(lab) ?? []), family]));
    capture.close();
  },
  arrived: (lab) => crossed.get(lab)?.has(family) ?? false,
  recorded: ({ kind, destination }, mark) => kind === 'packet' && destination.port === mark.port,
  reasons: ['no-rule'],
  notIn: { 'sidecar-nft': oneMachine },
});

/** Speaks to a port of the gateway; the answer, cut. */
function talk(lab: Lab, address: string, port: number): Promise<string> {
  const socket = dialTcp(lab.runner().namespace, address, port);
  const { promise, resolve } = Promise.withResolvers<string>();
  const timer = setTimeout(() => resolve(''), 1500);
  socket.on('error', () => resolve(''));
  socket.on('close', () => resolve(''));
  socket.once('data', (bytes) => resolve(bytes.toString('latin1', 0, 200)));
  socket.write('GET /metrics HTTP/1.1\r\nHost: allowed.example.com\r\n\r\n');
  return promise.finally(() => {
    clearTimeout(timer);
    socket.destroy();
  });
}

const answered = new WeakMap<Lab, Set<string>>();

function ownPort(how: string, family: 4 | 6, port: number): Bypass {
  const addressOf = ({ topology }: Lab) => (family === 4 ? topology.gateway4 : topology.gateway6);
  return {
    id: 'protocol-own-ports',
    how,
    run: async (lab) => {
      const answer = await talk(lab, addressOf(lab), port);
      const heard = answered.get(lab) ?? new Set();
      answered.set(lab, heard);
      if (answer !== '') heard.add(how);
      return answer;
    },
    arrived: (lab) => answered.get(lab)?.has(how) ?? false,
    recorded: ({ kind, destination }) =>
      kind === 'packet' &&
      destination.port === port &&
      (destination.address?.includes(':') ?? false) === (family === 6),
    reasons: ['direct-port'],
    notIn: { 'sidecar-nft': oneMachine },
    withoutControl: 'a port of the gateway itself',
  };
}

/** A message as DNS over TCP frames it, and nothing of DNS in it. */
async function sayRaw(lab: Lab, address: string): Promise<void> {
  const socket = dialTcp(lab.runner().namespace, address, 53);
  socket.on('error', () => {});
  socket.write(Buffer.concat([Buffer.of(0, 40), Buffer.alloc(40, 'x')]));
  await sleep(800);
  socket.destroy();
}

const ownPorts: readonly Bypass[] = [
  ownPort('metrics', 4, 9440),
  ownPort('metrics, IPv6', 6, 9440),
  ownPort('a worker’s port', 4, 10_001),
  ownPort('a worker’s port, IPv6', 6, 10_001),
  {
    ...ownPort('a worker’s port, UDP', 4, 10_001),
    run: async (lab) => sendUdp(lab.runner().namespace, lab.topology.gateway4, 10_001, 'x'.repeat(64)),
    recorded: ({ kind, destination, packet }) =>
      kind === 'packet' && packet?.protocolNumber === udp && destination.port === 10_001,
  },
  {
    ...packetAttempt('protocol-own-ports', 'no DNS on port 53, TCP', to4(tcp, 53), connection),
    run: (lab, mark) => sayRaw(lab, target4(mark)),
    recorded: ({ dns, decision }) => dns?.transport === 'tcp' && decision.reason === 'malformed-dns',
    reasons: ['malformed-dns'],
  },
  packetAttempt('protocol-own-ports', 'no DNS on port 53', to4(udp, 53), datagram, {
    recorded: ({ kind, decision }) => kind === 'dns' && decision.reason === 'malformed-dns',
    reasons: ['malformed-dns'],
  }),
];

/** Attempts that stay behind the gateway. */
export const nearAttempts: readonly Bypass[] = [
  otherRunner(undefined, 'v4'),
  otherRunner('IPv6', 'v6'),
  ...ownPorts,
];
