// Probes of the web ports: addresses instead of names, names that differ, metadata, QUIC.

import { requestText, tryTcp, tryTls, tryUdp } from './attempts.ts';
import { doctorNames, packetTo, type Probe } from './probe.ts';

const { allowed, blocked } = doctorNames;
const requestFor =
  (host: string, path: string): Probe['gotOut'] =>
  ({ requests }) =>
    requests.some((request) => request.host === host && request.target === path);
const toAddress = (id: string, title: string, address: string): Probe => ({
  id,
  title,
  attempt: () => tryTcp(address, 80, requestText(address)),
  gotOut: packetTo(address, 6, 80),
});

export const webProbes: readonly Probe[] = [
  {
    id: 'literal-v4',
    title: 'HTTPS to an IPv4 address without a name',
    attempt: () => tryTls('151.101.1.6', 443, null, requestText('151.101.1.6')),
    gotOut: packetTo('151.101.1.6', 6, 443),
  },
  {
    id: 'literal-v6',
    title: 'HTTPS to an IPv6 address without a name',
    attempt: () => tryTls('2a04:4e42::6', 443, null, requestText('[2a04:4e42::6]')),
    gotOut: packetTo('2a04:4e42::6', 6, 443),
  },
  {
    id: 'blocked-host',
    title: 'a host that no rule allows',
    attempt: ({ web4 }) => tryTls(web4, 443, blocked, requestText(blocked, '/blocked')),
    gotOut: requestFor(blocked, '/blocked'),
  },
  {
    id: 'blocked-host-v6',
    title: 'a host that no rule allows, IPv6',
    attempt: ({ web6 }) => tryTls(web6, 443, blocked, requestText(blocked, '/blocked6')),
    gotOut: requestFor(blocked, '/blocked6'),
  },
  {
    id: 'plain-http-host',
    title: 'plain HTTP with the Host of a blocked server',
    attempt: ({ web4 }) => tryTcp(web4, 80, requestText(blocked, '/plain')),
    gotOut: requestFor(blocked, '/plain'),
  },
  {
    id: 'host-mismatch',
    title: 'an allowed server name, and the Host of a blocked one',
    attempt: ({ web4 }) => tryTls(web4, 443, allowed, requestText(blocked, '/mismatch')),
    gotOut: requestFor(blocked, '/mismatch'),
  },
  {
    id: 'fronting',
    title: 'an allowed server name on a foreign address',
    attempt: () => tryTls('151.101.1.7', 443, allowed, requestText(allowed, '/fronting')),
    gotOut: packetTo('151.101.1.7', 6, 443),
  },
  {
    id: 'second-request',
    title: 'a second request on an open connection, to a blocked host',
    attempt: ({ web4 }) => {
      const first = requestText(allowed, '/first').replace('Connection: close\r\n', '');
      return tryTls(web4, 443, allowed, first + requestText(blocked, '/second'));
    },
    gotOut: requestFor(blocked, '/second'),
  },
  {
    id: 'quic',
    title: 'QUIC',
    attempt: ({ web4 }) =>
      tryUdp(web4, 443, Buffer.concat([Buffer.of(0xc3, 0, 0, 0, 1), Buffer.alloc(1195)])),
    gotOut: (seen, places) => packetTo(places.web4, 17, 443)(seen, places),
  },
  toAddress('metadata-v4', 'cloud metadata', '169.254.169.254'),
  toAddress('metadata-azure', 'cloud metadata of Azure', '168.63.129.16'),
  toAddress('metadata-v6', 'cloud metadata, IPv6', 'fd00:ec2::254'),
];
