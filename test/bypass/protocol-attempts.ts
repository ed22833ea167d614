// Ways out that are neither DNS nor the web: other transports, tunnels, fragments, forged sources, metadata, other
// runners and the gateway's own ports. Packets are made by hand in the runner's namespace.

import { parseAddress } from '../../flow/address.ts';
import { checksum, sendRaw4, sendRaw6, sendWhole6, udpBytes, type RawPacket } from '../../doctor/attempts.ts';
import { inNamespace } from '../../netns/socket.ts';
import type { Reason } from '../../flow/reason.ts';
import type { Lab } from '../lab/lab.ts';
import { labAddresses } from '../lab/origins.ts';
import type { Bypass, Mark } from './bypass.ts';
import type { BypassId } from './catalog.ts';
import { nearAttempts } from './near-attempts.ts';
import { connection, datagram, packetAttempt } from './packet-attempt.ts';
import { sawPacket, target4, target6, type Aim } from './target.ts';

const [icmp, ipip, tcp, udp, dccp, sixInFour, gre, esp, icmp6, sctp, own, udpLite] = [
  1, 4, 6, 17, 33, 41, 47, 50, 58, 132, 253, 136,
] as const;

const to4 =
  (protocol: number, port: number | null = null) =>
  (mark: Mark): Aim => ({ address: target4(mark), protocol, port });
const to6 =
  (protocol: number, port: number | null = null) =>
  (mark: Mark): Aim => ({ address: target6(mark), protocol, port });
const at = (address: string, protocol: number, port: number) => (): Aim => ({ address, protocol, port });

const raw4 = (namespace: string, packets: readonly RawPacket[]): Promise<string> =>
  inNamespace(namespace, () => sendRaw4(packets));

/** A protocol by its number alone, over IPv4 and IPv6. */
function byNumber(id: BypassId, protocol: number, payload: Uint8Array, how?: string): Bypass[] {
  return [
    packetAttempt(id, how, to4(protocol), (namespace, { address }) =>
      raw4(namespace, [{ destination: address, protocol, payload }]),
    ),
    packetAttempt(id, how === undefined ? 'IPv6' : `${how}, IPv6`, to6(protocol), (namespace, { address }) =>
      inNamespace(namespace, () => sendRaw6(address, protocol, payload)),
    ),
  ];
}

/** The same datagram or connection to a port, over IPv4 and IPv6. */
function portAttempts(
  id: BypassId,
  [protocol, port]: readonly [number, number],
  reason: Reason,
  how = '',
): Bypass[] {
  const send = protocol === tcp ? connection : datagram;
  const named = (family: string) => [how, family].filter((text) => text !== '').join(', ') || undefined;
  return [
    packetAttempt(id, named(''), to4(protocol, port), send, { reasons: [reason] }),
    packetAttempt(id, named('IPv6'), to6(protocol, port), send, { reasons: [reason] }),
  ];
}

function echoRequest(type: number): Buffer {
  const bytes = Buffer.from([type, 0, 0, 0, 0, 1, 0, 1, ...Buffer.from('bypass')]);
  // The kernel fills in the checksum of ICMPv6.
  if (type < 128) bytes.writeUInt16BE(checksum(bytes), 2);
  return bytes;
}

/** An IPv4 datagram to be carried within another packet. */
function innerPacket(): Buffer {
  const inner = Buffer.alloc(28);
  inner[0] = 0x45;
  inner.writeUInt16BE(inner.length, 2);
  inner[8] = 64;
  inner[9] = udp;
  inner.set([10, 0, 0, 1, 10, 0, 0, 2], 12);
  return inner;
}

const innerPacket6 = Buffer.concat([Buffer.from('60000000000011400000', 'hex'), Buffer.alloc(40, 1)]);
const greHeader = Buffer.from('00000800', 'hex');
const sctpInit = Buffer.from('9c400050000000000000000001000014000000010001000000010001000000010000', 'hex');
const dccpRequest = Buffer.from('9c40005004000000010000000000000000000000', 'hex');

/** The checksum of TCP or UDP, pseudo header included (RFC 9293 3.1, RFC 8200 8.1). */
function transportChecksum(source: string, destination: string, protocol: number, bytes: Uint8Array): number {
  const tail = Buffer.from([0, protocol, bytes.length >> 8, bytes.length & 255]);
  const ends = [source, destination].map((address) => parseAddress(address) ?? Buffer.alloc(0));
  return checksum(Buffer.concat([...ends, tail, bytes]));
}

function syn(source: string, destination: string, port: number): Buffer {
  const bytes = Buffer.from('9c40000000000001000000005002040000000000', 'hex');
  bytes.writeUInt16BE(port, 2);
  bytes.writeUInt16BE(transportChecksum(source, destination, tcp, bytes), 16);
  return bytes;
}

/** UDP or TCP bytes in two fragments of IPv4, the first of `first` bytes. */
function fragments4(destination: string, protocol: number, bytes: Buffer, first: number): RawPacket[] {
  const common = { destination, protocol, identification: 4711 };
  return [
    { ...common, fragment: 0x2000, payload: bytes.subarray(0, first) },
    { ...common, fragment: first >> 3, payload: bytes.subarray(first) },
  ];
}

/** A whole IPv6 packet with this source, or with that of the runner. */
function packet6(source: string, destination: string, next: number, payload: Uint8Array): Buffer {
  const header = Buffer.alloc(40);
  header[0] = 0x60;
  header.writeUInt16BE(payload.length, 4);
  header[6] = next;
  header[7] = 64;
  header.set(parseAddress(source) ?? [], 8);
  header.set(parseAddress(destination) ?? [], 24);
  return Buffer.concat([header, payload]);
}

function udp6(source: string, destination: string, port: number, payload: string): Buffer {
  const bytes = udpBytes(port, payload);
  bytes.writeUInt16BE(transportChecksum(source, destination, udp, bytes), 6);
  return bytes;
}

async function sendFragments6(lab: Lab, { address, port }: Aim): Promise<void> {
  const { namespace, v6 } = lab.runner();
  const whole = udp6(v6, address, port ?? 0, 'fragment'.repeat(3));
  for (const [offset, part] of [
    [0, whole.subarray(0, 16)],
    [16, whole.subarray(16)],
  ] as const) {
    const head = Buffer.from([udp, 0, 0, 0, 0, 0, 0x12, 0x67]);
    head.writeUInt16BE(offset | (offset === 0 ? 1 : 0), 2);
    const packet = packet6(v6, address, 44, Buffer.concat([head, part]));
    await inNamespace(namespace, () => sendWhole6(address, packet));
  }
}

const forged4 = '198.18.44.7';
const forged6 = '2a0a:bad::7';
// A sidecar knows no other source than its own machine: there the packet is one that no rule allows.
const spoofed: Partial<Bypass> = { reasons: ['spoofed-source', 'no-rule'] };

const spoofing: readonly Bypass[] = [
  packetAttempt(
    'protocol-spoofed-source',
    undefined,
    to4(udp, 4446),
    (namespace, { address }) =>
      raw4(namespace, [
        { destination: address, protocol: udp, source: forged4, payload: udpBytes(4446, 'forged') },
      ]),
    spoofed,
  ),
  packetAttempt(
    'protocol-spoofed-source-v6',
    undefined,
    to6(udp, 4446),
    (namespace, { address }) =>
      inNamespace(namespace, () =>
        sendWhole6(address, packet6(forged6, address, udp, udp6(forged6, address, 4446, 'forged'))),
      ),
    spoofed,
  ),
];

/** UDP behind a header of destination options that asks for nothing (RFC 8200 4.6). */
const behindOptions: Bypass = {
  ...packetAttempt('protocol-udp-v6', 'behind a header of options', to6(udp, 4449), () => null),
  run: (lab, mark) => {
    const { namespace, v6 } = lab.runner();
    const address = target6(mark);
    const options = Buffer.from([udp, 0, 1, 4, 0, 0, 0, 0]);
    const packet = packet6(v6, address, 60, Buffer.concat([options, udp6(v6, address, 4449, 'behind')]));
    return inNamespace(namespace, () => sendWhole6(address, packet));
  },
};

/** Its source is within the runners' networks, but another's. */
const spoofedNeighbour: Bypass = {
  ...packetAttempt('protocol-spoofed-source', 'another runner’s', to4(udp, 4447), () => null, spoofed),
  run: (lab, mark) =>
    raw4(lab.runner().namespace, [
      {
        destination: target4(mark),
        protocol: udp,
        source: '10.77.1.11',
        payload: udpBytes(4447, 'forged'),
      },
    ]),
};

const fragmented: readonly Bypass[] = [
  packetAttempt('protocol-fragments', undefined, to4(udp, 4445), (namespace, { address }) =>
    raw4(namespace, fragments4(address, udp, udpBytes(4445, 'fragment'.repeat(4)), 16)),
  ),
  {
    ...packetAttempt('protocol-fragments-v6', undefined, to6(udp, 4445), () => null),
    run: (lab, mark) => sendFragments6(lab, to6(udp, 4445)(mark)),
  },
  {
    ...packetAttempt('protocol-split-syn', undefined, to4(tcp, 4448), () => null),
    run: (lab, mark) => {
      const { namespace, v4 } = lab.runner();
      return raw4(namespace, fragments4(target4(mark), tcp, syn(v4, target4(mark), 4448), 8));
    },
    // The first fragment has the ports, the second the flags.
    arrived: (lab, mark) => sawPacket(lab, { address: target4(mark), protocol: tcp, port: null }),
  },
];

const metadata: readonly Bypass[] = (
  [
    ['protocol-metadata', labAddresses.metadata4],
    ['protocol-metadata-azure', labAddresses.azure4],
    ['protocol-metadata-v6', labAddresses.metadata6],
  ] as const
).flatMap(([id, address]) => [
  packetAttempt(id, undefined, at(address, tcp, 80), connection, { reasons: ['never-address'] }),
  packetAttempt(id, 'another port', at(address, tcp, 32_526), connection, { reasons: ['never-address'] }),
  packetAttempt(id, 'UDP', at(address, udp, 9), datagram, { reasons: ['never-address'] }),
]);

const privateRanges: readonly Bypass[] = [
  packetAttempt('protocol-private', undefined, at(labAddresses.private4, tcp, 8081), connection),
  packetAttempt('protocol-private', 'UDP', at('172.16.5.5', udp, 9), datagram),
  packetAttempt('protocol-private', 'IPv6', at('fd12:3456::5', tcp, 8081), connection),
  {
    id: 'protocol-private',
    how: 'the web',
    run: (lab, mark) => lab.curl([`http://${labAddresses.private4}/${mark.token}`]),
    arrived: (lab, mark) => lab.origins.web.arrived.some(({ target }) => target.includes(mark.token)),
    recorded: ({ destination }) =>
      [destination.host, destination.address].includes(labAddresses.private4) && destination.port === 80,
    reasons: ['direct-address', 'private-address', 'no-rule'],
  },
];

const doh: Bypass = {
  id: 'protocol-doh',
  run: (lab, { token }) => {
    const host = `${token}.resolver.example.net`;
    lab.origins.names.set(host, { a: [labAddresses.resolver4] });
    return lab.curl(['-k', '-H', 'accept: application/dns-message', `https://${host}/dns-query?dns=AAAB`]);
  },
  arrived: (lab, { token }) => lab.origins.requestsTo(`${token}.resolver.example.net`).length > 0,
  recorded: ({ destination }, { token }) => destination.host === `${token}.resolver.example.net`,
  reasons: ['no-rule'],
};

/** Section `protocol` of the list. */
export const protocolAttempts: readonly Bypass[] = [
  ...portAttempts('protocol-quic', [udp, 443], 'quic'),
  ...portAttempts('protocol-dot', [tcp, 853], 'encrypted-dns'),
  doh,
  ...portAttempts('protocol-doq', [udp, 853], 'encrypted-dns'),
  ...portAttempts('protocol-doq', [udp, 8853], 'encrypted-dns', 'the older port'),
  packetAttempt('protocol-icmp', undefined, to4(icmp), (namespace, { address }) =>
    raw4(namespace, [{ destination: address, protocol: icmp, payload: echoRequest(8) }]),
  ),
  packetAttempt('protocol-icmp6', undefined, to6(icmp6), (namespace, { address }) =>
    inNamespace(namespace, () => sendRaw6(address, icmp6, echoRequest(128))),
  ),
  packetAttempt('protocol-icmp', 'a timestamp', to4(icmp), (namespace, { address }) =>
    raw4(namespace, [{ destination: address, protocol: icmp, payload: echoRequest(13) }]),
  ),
  packetAttempt('protocol-icmp', 'an error about nothing', to4(icmp), (namespace, { address }) =>
    raw4(namespace, [{ destination: address, protocol: icmp, payload: echoRequest(3) }]),
  ),
  ...byNumber('protocol-raw', own, Buffer.from('anything at all')),
  ...byNumber('protocol-raw', udpLite, udpBytes(4451, 'lite'), 'UDP-Lite'),
  ...byNumber('protocol-6in4', sixInFour, innerPacket6),
  ...byNumber('protocol-gre', gre, Buffer.concat([greHeader, innerPacket()])),
  ...byNumber('protocol-esp', esp, Buffer.alloc(32, 7)),
  ...byNumber('protocol-ipip', ipip, innerPacket()),
  ...byNumber('protocol-sctp', sctp, sctpInit),
  ...byNumber('protocol-dccp', dccp, dccpRequest),
  ...fragmented,
  ...spoofing,
  spoofedNeighbour,
  behindOptions,
  packetAttempt('protocol-tcp', undefined, (mark) => to4(tcp, mark.port)(mark), connection),
  packetAttempt('protocol-tcp-v6', undefined, (mark) => to6(tcp, mark.port)(mark), connection),
  packetAttempt('protocol-udp', undefined, (mark) => to4(udp, mark.port)(mark), datagram),
  packetAttempt('protocol-udp-v6', undefined, (mark) => to6(udp, mark.port)(mark), datagram),
  ...metadata,
  ...privateRanges,
  ...nearAttempts,
];
