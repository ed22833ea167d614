// DNS as a channel out and in: data in labels and types, many names, high rates, large answers, over UDP and TCP. Each
// attempt asks under a zone and from an address of its own, since budgets count by both. Some questions may leave;
// an attempt has got out when most of its data has.

import type { Reason } from '../../flow/reason.ts';
import { dialTcp } from '../../netns/socket.ts';
import type { Lab } from '../lab/lab.ts';
import { labAddresses } from '../lab/origins.ts';
import type { Bypass } from './bypass.ts';
import type { BypassId } from './catalog.ts';
import { dataNames, flood, floodSource, type Flood } from './name-flood.ts';

const type = { a: 1, null: 10, txt: 16, srv: 33, https: 65, axfr: 252, any: 255, private: 65_399 } as const;

interface Channel extends Omit<Flood, 'names'> {
  readonly id: BypassId;
  readonly how?: string;
  /** A registered zone, as attackers have. */
  readonly zone: string;
  readonly isAllowed: boolean;
  readonly names: readonly string[];
  /** So many questions at a name server of the internet are a channel. */
  readonly arrivesFrom: number;
  readonly verdict?: 'allow';
  readonly reasons: readonly Reason[];
}

const channel = (fields: Channel): Channel => fields;
const short = (count: number, zone: string): string[] =>
  Array.from({ length: count }, (_, i) => `n${i}.${zone}`);

const channels: readonly Channel[] = [
  channel({
    id: 'dns-long-labels',
    zone: 'long-blocked.net',
    isAllowed: false,
    names: dataNames(20, 'long-blocked.net'),
    type: type.a,
    host: 1,
    arrivesFrom: 1,
    reasons: ['no-rule'],
  }),
  channel({
    id: 'dns-long-labels',
    how: 'under an allowed zone',
    zone: 'long-allowed.net',
    isAllowed: true,
    names: dataNames(300, 'long-allowed.net'),
    type: type.a,
    host: 2,
    arrivesFrom: 150,
    reasons: ['dns-tunnel'],
  }),
  channel({
    id: 'dns-many-labels',
    zone: 'many-names.net',
    isAllowed: true,
    names: short(1200, 'many-names.net'),
    type: type.a,
    host: 3,
    perSecond: 300,
    arrivesFrom: 1050,
    reasons: ['dns-budget', 'dns-tunnel'],
  }),
  channel({
    id: 'dns-txt',
    zone: 'txt-channel.net',
    isAllowed: true,
    names: dataNames(200, 'txt-channel.net'),
    type: type.txt,
    host: 4,
    arrivesFrom: 100,
    reasons: ['dns-tunnel'],
  }),
  channel({
    id: 'dns-null',
    zone: 'null-channel.net',
    isAllowed: true,
    names: dataNames(10, 'null-channel.net'),
    type: type.null,
    host: 5,
    arrivesFrom: 1,
    reasons: ['dns-type'],
  }),
  channel({
    id: 'dns-srv',
    zone: 'srv-channel.net',
    isAllowed: true,
    names: dataNames(300, 'srv-channel.net'),
    type: type.srv,
    host: 6,
    arrivesFrom: 150,
    reasons: ['dns-tunnel'],
  }),
  channel({
    id: 'dns-wide-types',
    zone: 'private-type.net',
    isAllowed: true,
    names: dataNames(10, 'private-type.net'),
    type: type.private,
    host: 7,
    arrivesFrom: 1,
    reasons: ['dns-type'],
  }),
  channel({
    id: 'dns-wide-types',
    how: 'ANY',
    zone: 'any-type.net',
    isAllowed: true,
    names: dataNames(10, 'any-type.net'),
    type: type.any,
    host: 8,
    arrivesFrom: 1,
    reasons: ['dns-type'],
  }),
  channel({
    id: 'dns-wide-types',
    how: 'AXFR',
    zone: 'transfer.net',
    isAllowed: true,
    names: dataNames(10, 'transfer.net'),
    type: type.axfr,
    transport: 'tcp',
    host: 12,
    arrivesFrom: 1,
    reasons: ['dns-type'],
  }),
  channel({
    id: 'dns-wide-types',
    how: 'HTTPS',
    zone: 'service-binding.net',
    isAllowed: true,
    names: dataNames(10, 'service-binding.net'),
    type: type.https,
    host: 13,
    arrivesFrom: 1,
    // Answered here, without data.
    verdict: 'allow',
    reasons: ['rule'],
  }),
  channel({
    id: 'dns-high-rate',
    zone: 'high-rate.net',
    isAllowed: true,
    names: short(4000, 'high-rate.net'),
    type: type.a,
    host: 9,
    perSecond: 3000,
    // The budget of names lets a thousand out however slowly they are sent.
    arrivesFrom: 2000,
    reasons: ['runner-limit'],
  }),
  channel({
    id: 'dns-answers',
    zone: 'way-in.net',
    isAllowed: true,
    names: short(600, 'way-in.net'),
    type: type.txt,
    host: 10,
    // What came back counts, so that all at once would be judged too early to hold it.
    perSecond: 200,
    arrivesFrom: 400,
    reasons: ['dns-tunnel'],
  }),
  channel({
    id: 'dns-tcp',
    zone: 'over-tcp.net',
    isAllowed: true,
    names: dataNames(300, 'over-tcp.net'),
    type: type.srv,
    transport: 'tcp',
    host: 11,
    arrivesFrom: 150,
    reasons: ['dns-tunnel'],
  }),
];

/** Hosts that the policy must allow in the clear. */
export const hostsAllow = '**.host-names.net';

/** Zones that the policy must allow in whole. */
export const dnsAllow: readonly string[] = channels
  .filter(({ isAllowed }) => isAllowed)
  .map(({ zone }) => `**.${zone}`);

const ownAnswer = 'addresses of allowed names are the gateway’s own there: no name leaves';

function toAttempt({ id, how, zone, arrivesFrom, verdict, reasons, ...sent }: Channel): Bypass {
  return {
    id,
    ...(how === undefined ? {} : { how }),
    run: async (lab: Lab) => {
      const texts = Array.from({ length: 4 }, () => 'y'.repeat(250));
      lab.origins.names.set(`*.${zone}`, { a: ['93.184.216.34'], txt: texts, ttl: 1 });
      await flood(lab, sent);
    },
    // A question that is asked again tells nothing more.
    arrived: (lab) => new Set(lab.origins.questionsFor(zone)).size >= arrivesFrom,
    // Its name is not read of a question that is one too many.
    recorded: ({ kind, runner }) => kind === 'dns' && runner === floodSource(sent.host),
    ...(verdict === undefined ? {} : { verdict }),
    reasons,
    ...(sent.type === type.a && arrivesFrom > 1 && id !== 'dns-high-rate'
      ? { notIn: { 'steer-nft': ownAnswer } }
      : {}),
  };
}

const hostZone = 'host-names.net';
const hostNames = dataNames(300, hostZone);

/** Asks for one host at an address of the job's choice; the gateway looks its name up itself. */
function requestHost(lab: Lab, address: string, host: string): Promise<void> {
  const socket = dialTcp(lab.runner().namespace, address, 80, floodSource(14));
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, 3000);
  socket.on('error', () => resolve());
  socket.on('close', () => resolve());
  socket.once('data', () => resolve());
  socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  return promise.finally(() => {
    clearTimeout(timer);
    socket.destroy();
  });
}

/** The same channel without a question of the job's own. */
const byHost: Bypass = {
  id: 'dns-many-labels',
  how: 'by Host',
  run: async (lab) => {
    const web = labAddresses.web4;
    lab.origins.names.set(`*.${hostZone}`, { a: [web] });
    await lab.run(['ip', 'addr', 'replace', `${floodSource(14)}/32`, 'dev', 'eth0']);
    const address = lab.mode === 'steer' ? lab.topology.gateway4 : web;
    for (let i = 0; i < hostNames.length; i += 20)
      await Promise.all(hostNames.slice(i, i + 20).map((host) => requestHost(lab, address, host)));
  },
  arrived: (lab) =>
    new Set(lab.origins.web.arrived.map(({ host }) => host).filter((host) => host.endsWith(hostZone))).size >=
    150,
  recorded: ({ kind, destination }) => kind === 'request' && (destination.host?.endsWith(hostZone) ?? false),
  reasons: ['dns-tunnel'],
};

/** Section `dns` of the list. */
export const dnsAttempts: readonly Bypass[] = [...channels.map(toAttempt), byHost];
