// Runs inside one network namespace and does what the test asks, a line of JSON each: a runner that sends, an
// internet that watches, or a gateway that holds the rules and the workers' sockets.

import { createSocket } from 'node:dgram';
import { createServer, connect } from 'node:net';
import { createInterface } from 'node:readline';
import { readBlockLog, openBlockLog, type BlockEvent } from '../../kernel/block-log.ts';
import type { FdWatch } from '../../kernel/fd-watch.ts';
import { bindSocket, openSocket, receiveBytes, sendBytes } from '../../kernel/libc.ts';
import { originalDestination } from '../../kernel/original-destination.ts';
import { openRules, type HeldRules } from '../../kernel/held-rules.ts';
import { openTcpListener, openUdpSocket } from '../../kernel/sockets.ts';

type Arguments = readonly never[];
let rules: HeldRules | null = null;
let log: FdWatch | null = null;
const events: BlockEvent[] = [];
const tracked: {
  destroy(): void;
  write(text: string): void;
  on(event: 'data', f: (d: Buffer) => void): void;
}[] = [];
let raw: { fd: number; head: Buffer } | null = null;
let sniffer = -1;
let changes = 0;

const operations: Readonly<Record<string, (...args: Arguments) => unknown>> = {
  rules: (method: string, ...args: unknown[]) => {
    if (method === 'new') {
      rules = openRules((args[1] ?? 'nftables') as never, args[0] as never);
      return null;
    }
    if (method === 'watch') return rules!.watch(() => (changes += 1)) ?? null;
    if (method === 'changes') return changes;
    if (method === 'pin') return rules!.pin(new Map(args[0] as [string, number][])) ?? null;
    if (method === 'isOwned') return rules!.isOwned;
    // The test names a method of HeldRules.
    return (rules as unknown as Record<string, (...rest: unknown[]) => unknown>)[method]!(...args) ?? null;
  },
  log: (group: number) => {
    log = readBlockLog(openBlockLog(group), (event) => events.push(event));
    return null;
  },
  events: () => events.splice(0),
  /** Workers: answer every connection with its original destination, every datagram with the worker's number. */
  workers: (ports: readonly number[], v4: string, v6: string) => {
    for (const [index, port] of ports.entries()) {
      for (const [address, isV6] of [
        ['0.0.0.0', false],
        ['::', true],
      ] as const) {
        const server = createServer((socket) => {
          // Node keeps the descriptor on the handle only.
          const { fd } = (socket as unknown as { _handle: { fd: number } })._handle;
          socket.on('error', () => {});
          socket.end(JSON.stringify({ worker: index, original: originalDestination(fd, isV6) }));
        });
        server.listen({ fd: openTcpListener({ address, port }) });
      }
      for (const [address, type] of [
        [v4, 'udp4'],
        [v6, 'udp6'],
      ] as const) {
        const socket = createSocket(type);
        socket.on('message', (_, peer) => socket.send(`worker ${index}`, peer.port, peer.address));
        socket.bind({ fd: openUdpSocket({ address, port, mayBeAbsent: true }) });
      }
    }
    return null;
  },
  listen: (ports: readonly number[]) => {
    for (const port of ports) {
      createServer((socket) => {
        socket.on('error', () => {});
        socket.on('data', (data) => socket.write(data));
        socket.write('hello');
      }).listen({ port, host: '::' });
    }
    return null;
  },
  echo: (port: number, address: string) => {
    const socket = createSocket('udp4');
    socket.on('message', (data, peer) => socket.send(data, peer.port, peer.address));
    socket.bind(port, address);
    return null;
  },
  /** First bytes that arrive, or how it failed. */
  tcp: (host: string, port: number, localAddress: string, limitMs = 1500) =>
    new Promise((resolve) => {
      const socket = connect({ host, port, localAddress });
      const timer = setTimeout(() => finish('timeout'), limitMs);
      const finish = (outcome: string): void => {
        clearTimeout(timer);
        socket.destroy();
        resolve(outcome);
      };
      socket.on('data', (data) => finish(data.toString()));
      socket.on('error', (error: NodeJS.ErrnoException) => finish(error.code ?? error.message));
      socket.on('end', () => finish('closed'));
    }),
  /** A connection that stays open; its number. */
  hold: (host: string, port: number, localAddress: string) =>
    new Promise((resolve, reject) => {
      const socket = connect({ host, port, localAddress });
      socket.once('data', () => resolve(tracked.push(socket) - 1));
      socket.on('error', (error) => reject(error));
    }),
  /** Says something on a held connection: the echo, or how it failed. */
  say: (index: number, limitMs = 700) =>
    new Promise((resolve) => {
      const socket = tracked[index]! as unknown as import('node:net').Socket;
      const timer = setTimeout(() => resolve('timeout'), limitMs);
      const finish = (outcome: string): void => {
        clearTimeout(timer);
        resolve(outcome);
      };
      socket.removeAllListeners('error');
      socket.once('data', (data) => finish(data.toString()));
      socket.on('error', (error: NodeJS.ErrnoException) => finish(error.code ?? error.message));
      socket.on('close', () => finish('closed'));
      socket.write('again');
    }),
  udp: (host: string, port: number, localAddress: string, limitMs = 1000) =>
    new Promise((resolve) => {
      const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
      const timer = setTimeout(() => finish('timeout'), limitMs);
      const finish = (outcome: string): void => {
        clearTimeout(timer);
        socket.close();
        resolve(outcome);
      };
      socket.on('error', (error: NodeJS.ErrnoException) => finish(error.code ?? error.message));
      socket.on('message', (data, peer) => finish(`${data.toString()} from ${peer.address}:${peer.port}`));
      socket.bind({ address: localAddress }, () =>
        socket.connect(port, host, (error?: Error) =>
          error ? finish('unreachable') : socket.send('hello', () => {}),
        ),
      );
    }),
  /** Prepares to send whole packets over an interface to one link-layer address. */
  raw: (index: number, to: string, from: string) => {
    const fd = openSocket(17, 3, 0);
    bindSocket(fd, linkAddress(index), `interface ${index}`);
    raw = { fd, head: Buffer.from(`${to}${from}`.replaceAll(':', ''), 'hex') };
    return null;
  },
  send: (packets: readonly string[]) => {
    for (const packet of packets) {
      const bytes = Buffer.from(packet, 'hex');
      const type = Buffer.from(bytes[0]! >> 4 === 4 ? '0800' : '86dd', 'hex');
      sendBytes(raw!.fd, Buffer.concat([raw!.head, type, bytes]), 'send');
    }
    return packets.length;
  },
  sniff: (index: number) => {
    sniffer = openSocket(17, 3, 0x0300);
    bindSocket(sniffer, linkAddress(index), `interface ${index}`);
    return null;
  },
  /** Packets seen since, as hex of their IP part. */
  seen: () => {
    const bytes = Buffer.alloc(4096);
    const found: string[] = [];
    for (;;) {
      const length = receiveBytes(sniffer, bytes);
      if (typeof length !== 'number') return found;
      if (length > 14) found.push(bytes.toString('hex', 14, length));
    }
  },
};

function linkAddress(index: number): Buffer {
  const address = Buffer.alloc(20);
  address.writeUInt16LE(17, 0);
  address.writeUInt16BE(3, 2);
  address.writeUInt32LE(index, 4);
  return address;
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, operation, args } = JSON.parse(line) as { id: number; operation: string; args: unknown[] };
  const reply = (answer: object): void => void process.stdout.write(`${JSON.stringify({ id, ...answer })}\n`);
  const fail = (error: unknown): void =>
    reply({ error: error instanceof Error ? error.message : String(error) });
  try {
    Promise.resolve(operations[operation]!(...(args as unknown as Arguments))).then(
      (result) => reply({ result }),
      fail,
    );
  } catch (error) {
    fail(error);
  }
});
process.stdin.on('end', () => {
  log?.close();
  process.exit(0);
});
