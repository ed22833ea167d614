// Connections and datagram flows that a runner opens early and goes on using when the gateway has changed: each counts
// what of it reaches a server of the internet.

import { createSocket } from 'node:dgram';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { bindUdp, dialTcp } from '../../netns/socket.ts';
import type { Lab } from '../lab/lab.ts';

/** One open flow; `say` sends the word once more, and `arrived` counts how often it reached a server. */
export interface HeldOpen {
  readonly name: string;
  say(): void;
  arrived(): number;
  close(): void;
}

/** A connection of no known protocol to a port of a server that keeps what it is sent. */
export async function holdTcp(lab: Lab, address: string, port: number): Promise<HeldOpen> {
  const word = `tcp-${address}-${port}-`;
  const socket = dialTcp(lab.runner().namespace, address, port);
  socket.on('error', () => {});
  socket.resume();
  return held(
    `TCP ${address}:${port}`,
    word,
    () => void socket.write(word),
    lab,
    () => socket.destroy(),
  );
}

/** Datagrams from one port of the runner, so that they are one flow. */
export async function holdUdp(lab: Lab, address: string, port: number): Promise<HeldOpen> {
  const word = `udp-${address}-${port}-`;
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  socket.on('error', () => {});
  await new Promise<void>((resolve) => {
    const fd = bindUdp(lab.runner().namespace, address.includes(':') ? '::' : '0.0.0.0', 0);
    socket.bind({ fd }, resolve);
  });
  return held(
    `UDP ${address}:${port}`,
    word,
    () => socket.send(word, port, address, () => {}),
    lab,
    () => socket.close(),
  );
}

/** A kept-alive connection of HTTP/1.1, over TLS where `port` is 443; each word is a request. */
export async function holdHttp(lab: Lab, host: string, address: string, port: number): Promise<HeldOpen> {
  const path = `/held-${host}-${port}`;
  const socket = dialTcp(lab.runner().namespace, address, port);
  socket.on('error', () => {});
  const stream = port === 443 ? connectTls({ socket, servername: host, rejectUnauthorized: false }) : socket;
  stream.on('error', () => {});
  stream.resume();
  const say = (): void => void stream.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  const arrived = (): number => lab.origins.web.arrived.filter(({ target }) => target === path).length;
  return { name: `HTTP ${host}:${port}`, say, arrived, close: () => endBoth(stream, socket) };
}

/** An upgraded connection, over which the server sends back every byte; what came back had arrived. */
export async function holdWebSocket(lab: Lab, host: string, address: string): Promise<HeldOpen> {
  const socket = dialTcp(lab.runner().namespace, address, 443);
  const stream = connectTls({ socket, servername: host, rejectUnauthorized: false });
  let seen = '';
  for (const one of [socket, stream]) one.on('error', () => {});
  stream.on('data', (bytes: Buffer) => (seen += bytes.toString('latin1')));
  const lines = [
    'GET /chat HTTP/1.1',
    `Host: ${host}`,
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  ];
  stream.write(`${lines.join('\r\n')}\r\n\r\n`);
  return {
    name: `WebSocket ${host}`,
    // A text frame of 8 bytes, masked with zeros (RFC 6455 section 5.2).
    say: () => void (seen.includes('\r\n\r\n') && stream.write('\x81\x88\0\0\0\0ws-word-', 'latin1')),
    arrived: () => seen.split('ws-word-').length - 1,
    close: () => endBoth(stream, socket),
  };
}

function endBoth(stream: Socket, socket: Socket): void {
  stream.destroy();
  socket.destroy();
}

function held(name: string, word: string, say: () => void, lab: Lab, close: () => void): HeldOpen {
  const arrived = (): number => {
    const text = lab.origins.bytes.map(({ bytes }) => bytes.toString('latin1')).join('|');
    return text.split(word).length - 1;
  };
  return { name, say, arrived, close };
}

/** Says the word on each until it has arrived once; the names of those on which it never did. */
export async function sayUntilHeard(flows: readonly HeldOpen[], limitMs = 3000): Promise<string[]> {
  const deadline = Date.now() + limitMs;
  for (;;) {
    const silent = flows.filter((flow) => flow.arrived() === 0);
    if (silent.length === 0 || Date.now() > deadline) return silent.map(({ name }) => name);
    for (const flow of silent) flow.say();
    await sleep(100);
  }
}

/** Says the word on each a few times more; the names of those on which any of it arrived. */
export async function sayInVain(flows: readonly HeldOpen[]): Promise<string[]> {
  const before = flows.map((flow) => flow.arrived());
  for (let i = 0; i < 4; i++) {
    for (const flow of flows) flow.say();
    await sleep(150);
  }
  return flows.filter((flow, index) => flow.arrived() !== before[index]).map(({ name }) => name);
}
