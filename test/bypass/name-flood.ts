// Many DNS questions from one address of a runner, over UDP or one TCP connection, as fast as they can be sent.

import { createHash } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { bindUdp, dialTcp } from '../../netns/socket.ts';
import type { Lab } from '../lab/lab.ts';

export interface Flood {
  readonly names: readonly string[];
  /** Number of the record type. */
  readonly type: number;
  readonly transport?: 'udp' | 'tcp';
  /** Last part of an address of the attempt's own: limits and budgets count by address. */
  readonly host: number;
  /** Default: 1000. */
  readonly perSecond?: number;
}

/** `count` names with as much data in their first label as fits. */
export function dataNames(count: number, zone: string): string[] {
  return Array.from({ length: count }, (_, i) => {
    const data = createHash('sha256').update(`${zone} ${i}`).digest('base64url');
    return `x${data.replaceAll(/[_-]/g, 'q').toLowerCase()}.${zone}`;
  });
}

/** The address that a flood comes from. */
export function floodSource(host: number): string {
  return `10.77.2.${host}`;
}

/** Asks all of them and waits two seconds for what is on the way. */
export async function flood(
  lab: Lab,
  { names, type, transport = 'udp', host, perSecond = 1000 }: Flood,
): Promise<void> {
  const source = floodSource(host);
  await lab.run(['ip', 'addr', 'replace', `${source}/32`, 'dev', 'eth0']);
  const server = resolverOf(lab);
  const send = transport === 'udp' ? openUdp(lab, server, source) : openTcp(lab, server, source);
  const batch = Math.max(1, Math.floor(perSecond / 50));
  for (let i = 0; i < names.length; i += batch) {
    for (const [index, name] of names.slice(i, i + batch).entries())
      send.ask(question(name, type, i + index));
    await sleep(20);
  }
  await sleep(2000);
  send.close();
}

/** The resolver that the job is told of: the gateway, or without one (and beside a sidecar) one of the internet. */
export function resolverOf(lab: Lab): string {
  const text = readFileSync(join(lab.directory, 'resolv.conf'), 'utf8');
  return /^nameserver (\S+)/m.exec(text)?.[1] ?? lab.topology.gateway4;
}

interface Sender {
  ask(message: Buffer): void;
  close(): void;
}

function openUdp(lab: Lab, server: string, source: string): Sender {
  const socket = createSocket('udp4');
  socket.on('error', () => {});
  socket.bind({ fd: bindUdp(lab.runner().namespace, source, 0) });
  return { ask: (message) => socket.send(message, 53, server, () => {}), close: () => socket.close() };
}

function openTcp(lab: Lab, server: string, source: string): Sender {
  const socket = dialTcp(lab.runner().namespace, server, 53, source);
  socket.on('error', () => {});
  socket.resume();
  return {
    ask: (message) =>
      socket.write(Buffer.concat([Buffer.of(message.length >> 8, message.length & 255), message])),
    close: () => socket.destroy(),
  };
}

/** One question of class IN with recursion desired (RFC 1035 4.1). */
export function question(name: string, type: number, id: number): Buffer {
  const labels = name.split('.').flatMap((label) => [Buffer.of(label.length), Buffer.from(label, 'latin1')]);
  const header = Buffer.from([0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
  header.writeUInt16BE(id & 0xffff);
  return Buffer.concat([header, ...labels, Buffer.of(0, type >> 8, type & 255, 0, 1)]);
}
