// Probes below the web: odd ports, ICMP, tunnels, other transports, fragments and forged sources. Each has a
// destination of its own, so that what arrives is told apart although all run at once.

import { parseAddress } from '../flow/address.ts';
import { checksum, sendRaw4, sendRaw6, sendWhole6, tryTcp, tryUdp, udpBytes } from './attempts.ts';
import { packetTo, type Probe } from './probe.ts';

const target = (last: number) => `93.184.216.${last}`;
const target6 = (last: number) => `2606:2800:220:1::${last.toString(16)}`;

/** An ICMP or ICMPv6 echo request; the kernel fills in the checksum of the latter. */
function echoRequest(type: number): Buffer {
  const bytes = Buffer.from([type, 0, 0, 0, 0, 1, 0, 1, ...Buffer.from('doctor')]);
  if (type === 8) bytes.writeUInt16BE(checksum(bytes), 2);
  return bytes;
}

function innerPacket(): Buffer {
  const inner = Buffer.alloc(28);
  inner[0] = 0x45;
  inner.writeUInt16BE(28, 2);
  inner[8] = 64;
  inner[9] = 17;
  inner.set(parseAddress('10.0.0.1')!, 12);
  inner.set(parseAddress('10.0.0.2')!, 16);
  return inner;
}

/** A protocol by its number, as a packet of its own. */
function protocolProbe(
  id: string,
  title: string,
  protocol: number,
  last: number,
  payload: Uint8Array,
): Probe {
  const destination = target(last);
  return {
    id,
    title,
    attempt: () => sendRaw4([{ destination, protocol, payload }]),
    gotOut: packetTo(destination, protocol),
  };
}

function protocolProbe6(
  id: string,
  title: string,
  protocol: number,
  last: number,
  payload: Uint8Array,
): Probe {
  const destination = target6(last);
  return {
    id,
    title,
    attempt: () => sendRaw6(destination, protocol, payload),
    gotOut: packetTo(destination, protocol),
  };
}

const greHeader = Buffer.concat([Buffer.from('00000800', 'hex'), innerPacket()]);
const sctpInit = Buffer.from('9c400050000000000000000001000014000000010001000000010001000000010000', 'hex');
const dccpRequest = Buffer.from('9c40005004000000010000000000000000000000', 'hex');
const syn = Buffer.from('9c4001bb00000001000000005002faf000000000', 'hex');

function forgedV6(source: string, destination: string): Buffer {
  const udp = udpBytes(4450, 'forged');
  // A UDP checksum is due over IPv6 (RFC 8200 section 8.1); what forwards it does not look.
  udp.writeUInt16BE(0xbeef, 6);
  const header = Buffer.alloc(40);
  header[0] = 0x60;
  header.writeUInt16BE(udp.length, 4);
  header[6] = 17;
  header[7] = 64;
  header.set(parseAddress(source)!, 8);
  header.set(parseAddress(destination)!, 24);
  return Buffer.concat([header, udp]);
}

export const packetProbes: readonly Probe[] = [
  {
    id: 'odd-port-tcp',
    title: 'TCP to an odd port',
    attempt: () => tryTcp(target(40), 4444, 'x'),
    gotOut: packetTo(target(40), 6, 4444),
  },
  {
    id: 'odd-port-tcp-v6',
    title: 'TCP to an odd port, IPv6',
    attempt: () => tryTcp(target6(40), 4444, 'x'),
    gotOut: packetTo(target6(40), 6, 4444),
  },
  {
    id: 'ssh',
    title: 'SSH to a server that no rule names',
    attempt: () => tryTcp(target(41), 22),
    gotOut: packetTo(target(41), 6, 22),
  },
  {
    id: 'odd-port-udp',
    title: 'UDP to an odd port',
    attempt: () => tryUdp(target(42), 4444, Buffer.from('x')),
    gotOut: packetTo(target(42), 17, 4444),
  },
  {
    id: 'odd-port-udp-v6',
    title: 'UDP to an odd port, IPv6',
    attempt: () => tryUdp(target6(42), 4444, Buffer.from('x')),
    gotOut: packetTo(target6(42), 17, 4444),
  },
  protocolProbe('icmp-v4', 'an ICMP echo with data', 1, 43, echoRequest(8)),
  protocolProbe6('icmp-v6', 'an ICMPv6 echo with data', 58, 43, echoRequest(128)),
  protocolProbe('ipip', 'an IP-in-IP tunnel', 4, 44, innerPacket()),
  protocolProbe('6in4', 'an IPv6-in-IPv4 tunnel', 41, 45, Buffer.concat([Buffer.of(0x60), Buffer.alloc(39)])),
  protocolProbe('gre', 'a GRE tunnel', 47, 46, greHeader),
  protocolProbe6('gre-v6', 'a GRE tunnel, IPv6', 47, 46, greHeader),
  protocolProbe('esp', 'IPsec ESP', 50, 47, Buffer.alloc(32, 7)),
  protocolProbe('sctp', 'SCTP', 132, 48, sctpInit),
  protocolProbe6('sctp-v6', 'SCTP, IPv6', 132, 48, sctpInit),
  protocolProbe('dccp', 'DCCP', 33, 49, dccpRequest),
  protocolProbe('udp-lite', 'UDP-Lite', 136, 50, udpBytes(4451, 'lite')),
  {
    id: 'fragments',
    title: 'UDP in fragments',
    attempt: () => {
      const bytes = udpBytes(4445, 'fragment'.repeat(4));
      const common = { destination: target(51), protocol: 17, identification: 77 };
      return sendRaw4([
        { ...common, fragment: 0x2000, payload: bytes.subarray(0, 16) },
        { ...common, fragment: 2, payload: bytes.subarray(16) },
      ]);
    },
    gotOut: packetTo(target(51), 17),
  },
  {
    id: 'split-syn',
    title: 'a SYN split over tiny fragments',
    attempt: () => {
      const common = { destination: target(52), protocol: 6, identification: 78 };
      return sendRaw4([
        { ...common, fragment: 0x2000, payload: syn.subarray(0, 8) },
        { ...common, fragment: 1, payload: syn.subarray(8) },
      ]);
    },
    gotOut: packetTo(target(52), 6),
  },
  {
    id: 'spoofed-source',
    title: 'a source address that is no runner’s',
    attempt: () =>
      sendRaw4([
        { destination: target(53), protocol: 17, source: '198.51.100.7', payload: udpBytes(4446, 'forged') },
      ]),
    gotOut: packetTo(target(53), 17),
  },
  {
    id: 'spoofed-source-v6',
    title: 'a source address that is no runner’s, IPv6',
    attempt: () => sendWhole6(target6(53), forgedV6('2001:db8:bad::7', target6(53))),
    gotOut: packetTo(target6(53), 17),
  },
  {
    id: 'other-runner',
    title: 'another runner behind the same gateway',
    attempt: ({ otherRunner4 }) => tryUdp(otherRunner4, 4447, Buffer.from('x')),
    gotOut: ({ otherRunner }, places) =>
      otherRunner.some(({ destination, protocol }) => destination === places.otherRunner4 && protocol === 17),
  },
];
