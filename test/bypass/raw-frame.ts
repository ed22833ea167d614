// A whole Ethernet frame from a runner to its gateway, past the runner's own network stack and whatever rules are there.

import { parseAddress } from '../../flow/address.ts';
import { checksum, udpBytes } from '../../doctor/attempts.ts';
import {
  bindSocket,
  closeSocket,
  openSocket,
  sendPacket,
  socketFamily,
  socketType,
} from '../../netns/libc.ts';
import { inNamespace } from '../../netns/socket.ts';
import type { Lab } from '../lab/lab.ts';

interface Link {
  readonly index: number;
  readonly own: string;
  readonly gateway: string;
}

/** Sends one datagram to this address and port as one frame to the gateway's link address. */
export async function sendFrame(lab: Lab, destination: string, port: number): Promise<void> {
  const link = await readLink(lab);
  const { namespace, v4 } = lab.runner();
  const frame = Buffer.concat([
    Buffer.from(`${link.gateway}${link.own}0800`.replaceAll(':', ''), 'hex'),
    ipv4(v4, destination, udpBytes(port, 'by hand')),
  ]);
  const fd = inNamespace(namespace, () => openSocket(socketFamily.packet, socketType.raw));
  const address = linkAddress(link.index);
  bindSocket(fd, address);
  sendPacket(fd, frame, address);
  closeSocket(fd);
}

async function readLink(lab: Lab): Promise<Link> {
  await lab.run(['ping', '-c', '1', '-W', '1', lab.topology.gateway4]);
  const links = await lab.run(['ip', '-j', 'link', 'show', 'dev', 'eth0']);
  const neighbours = await lab.run(['ip', '-j', 'neigh', 'show', lab.topology.gateway4]);
  // What `ip -j` prints is an array of objects with these fields.
  const [own] = JSON.parse(links.stdout) as { ifindex: number; address: string }[];
  const [gateway] = JSON.parse(neighbours.stdout) as { lladdr: string }[];
  return { index: own?.ifindex ?? 0, own: own?.address ?? '', gateway: gateway?.lladdr ?? '' };
}

/** sockaddr_ll of an interface for IPv4 (packet(7)). */
function linkAddress(index: number): Buffer {
  const address = Buffer.alloc(20);
  address.writeUInt16LE(socketFamily.packet, 0);
  address.writeUInt16BE(0x0800, 2);
  address.writeUInt32LE(index, 4);
  return address;
}

function ipv4(source: string, destination: string, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(20);
  head[0] = 0x45;
  head.writeUInt16BE(20 + payload.length, 2);
  head[8] = 64;
  head[9] = 17;
  head.set(parseAddress(source) ?? [], 12);
  head.set(parseAddress(destination) ?? [], 16);
  head.writeUInt16BE(checksum(head), 10);
  return Buffer.concat([head, payload]);
}
