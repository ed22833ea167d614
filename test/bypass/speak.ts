// A small client for attempts that no ordinary client makes: it sends the bytes that it is given, in the clear or
// within TLS, from an address of the attempt's own, and answers what came back.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { dialTcp } from '../../netns/socket.ts';
import type { Lab } from '../lab/lab.ts';
import { labAddresses } from '../lab/origins.ts';
import type { Mark } from './bypass.ts';

export interface Speech {
  /** Default: where the lab's allowed hosts are. */
  readonly address?: string;
  readonly port: number;
  /** Within TLS, with this server name; null: without one. */
  readonly tls?: { readonly serverName: string | null; readonly alpn?: readonly string[] };
  /** Each is sent when something came back on the one before, or nothing did for a while. */
  readonly send: readonly (string | Buffer)[];
  /** How long it stays when a gateway is there; default 3000. */
  readonly limitMs?: number;
}

const quietMs = 500;

/** Speaks and answers what came back, as latin1; empty when nothing did. Never rejects. */
export async function speak(lab: Lab, mark: Mark, speech: Speech): Promise<string> {
  const address = speech.address ?? placeOf(lab);
  const tcp = dialTcp(lab.runner().namespace, address, speech.port, sourceFor(address, mark));
  tcp.on('error', () => {});
  let stream: Duplex = tcp;
  if (speech.tls !== undefined) {
    const { serverName, alpn } = speech.tls;
    stream = connectTls({
      socket: tcp,
      rejectUnauthorized: false,
      ...(serverName === null ? {} : { servername: serverName }),
      ...(alpn === undefined ? {} : { ALPNProtocols: [...alpn] }),
    });
    stream.on('error', () => {});
  }
  const heard = listen(stream);
  await converse(stream, heard, speech.send, Date.now() + (lab.hasGateway ? (speech.limitMs ?? 3000) : 3000));
  tcp.destroy();
  return heard.text;
}

function sourceFor(address: string, { source4, source6 }: Mark): string {
  if (!address.includes(':')) return source4;
  return address.startsWith('::ffff:') ? `::ffff:${source4}` : source6;
}

interface Heard {
  text: string;
  isClosed: boolean;
}

function listen(stream: Duplex): Heard {
  const heard: Heard = { text: '', isClosed: false };
  stream.on('data', (bytes: Buffer) => (heard.text += bytes.toString('latin1')));
  for (const event of ['close', 'end'] as const) stream.on(event, () => (heard.isClosed = true));
  return heard;
}

async function converse(
  stream: Duplex,
  heard: Heard,
  pieces: readonly (string | Buffer)[],
  deadlineMs: number,
): Promise<void> {
  for (const piece of pieces) {
    stream.write(typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece);
    await untilQuiet(heard, deadlineMs);
  }
  while (!heard.isClosed && heard.text === '' && Date.now() < deadlineMs) await sleep(20);
}

/** Until something came back and no more follows, or nothing did for a while. */
async function untilQuiet(heard: Heard, deadlineMs: number): Promise<void> {
  const until = Math.min(deadlineMs, Date.now() + quietMs);
  const before = heard.text.length;
  while (!heard.isClosed && heard.text.length === before && Date.now() < until) await sleep(10);
  for (let length = -1; !heard.isClosed && length !== heard.text.length && Date.now() < deadlineMs;) {
    length = heard.text.length;
    await sleep(60);
  }
}

/** Where a job finds the lab's allowed hosts: in steer mode names lead to the gateway. */
export function placeOf(lab: Lab, address: string = labAddresses.web4): string {
  if (lab.mode !== 'steer') return address;
  return address.includes(':') ? lab.topology.gateway6 : lab.topology.gateway4;
}

/** A GET with these further fields (lines without their end). */
export function get(target: string, host: string, ...fields: readonly string[]): string {
  return [`GET ${target} HTTP/1.1`, `Host: ${host}`, ...fields, '', ''].join('\r\n');
}
