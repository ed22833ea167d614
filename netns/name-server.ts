// A small authoritative name server for servers that we start ourselves (demo, doctor, lab): a table of names,
// answered over UDP and TCP (RFC 1035), everything else NXDOMAIN or handed to `relay`. It records what it was asked.

import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { createServer, type Server } from 'node:net';
import { once } from 'node:events';
import { parseAddress } from '../flow/address.ts';
import { setOption } from './libc.ts';
import { bindUdp, listenTcp } from './socket.ts';

const receiveBytes = 8 * 1024 * 1024;

/** One record set: addresses, an alias, texts, or the RDATA of any other type in hexadecimal. */
export interface NameEntry {
  readonly a?: readonly string[];
  readonly aaaa?: readonly string[];
  /** The addresses beside it are those of this name, in the same answer. */
  readonly cname?: string;
  readonly txt?: readonly string[];
  /** Type number to RDATA in hexadecimal. */
  readonly raw?: Readonly<Record<number, readonly string[]>>;
  /** Seconds; default 60. */
  readonly ttl?: number;
  /** Time before the answer leaves. */
  readonly delayMs?: number;
  /** Never answers. */
  readonly silent?: true;
  readonly rcode?: number;
}

export interface AskedQuestion {
  readonly name: string;
  readonly type: number;
  readonly transport: 'udp' | 'tcp';
  readonly source: string;
}

export interface NameServerOptions {
  readonly namespace: string | null;
  readonly addresses: readonly string[];
  readonly port?: number;
  /** Looked up by the whole name, then by `*.parent` for each parent; may be changed while it serves. */
  readonly names: Map<string, NameEntry>;
  /** Answers what the table does not know, as whole messages. */
  readonly relay?: (query: Buffer) => Promise<Buffer>;
}

/** Serves until `close`. */
export class NameServer {
  readonly #options: NameServerOptions;
  readonly #sockets: Socket[] = [];
  readonly #servers: Server[] = [];
  readonly #delays = new Set<NodeJS.Timeout>();
  readonly asked: AskedQuestion[] = [];

  constructor(options: NameServerOptions) {
    this.#options = options;
  }

  /** Opens UDP and TCP on every address. @throws SallyportError */
  async start(): Promise<void> {
    const { namespace, addresses, port = 53 } = this.#options;
    for (const address of addresses) {
      const udp = createSocket(address.includes(':') ? 'udp6' : 'udp4');
      udp.on('message', (query, from) => this.#answerUdp(udp, query, from));
      const fd = bindUdp(namespace, address, port);
      // SO_RCVBUFFORCE: what a test asks in a burst must not be lost while its own process is busy.
      setOption(fd, 1, 33, receiveBytes);
      udp.bind({ fd });
      const tcp = createServer((socket) => this.#serveTcp(socket));
      tcp.listen({ fd: listenTcp(namespace, address, port) });
      this.#sockets.push(udp);
      this.#servers.push(tcp);
      await once(tcp, 'listening');
    }
  }

  close(): void {
    for (const timer of this.#delays) clearTimeout(timer);
    for (const socket of this.#sockets) socket.close();
    for (const server of this.#servers) server.close();
  }

  #answerUdp(socket: Socket, query: Buffer, from: RemoteInfo): void {
    this.#answer(query, 'udp', from.address, (answer) =>
      socket.send(answer, from.port, from.address, () => {}),
    );
  }

  #serveTcp(socket: import('node:net').Socket): void {
    let buffered = Buffer.alloc(0);
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk) => {
      buffered = Buffer.concat([buffered, chunk]);
      while (buffered.length >= 2 && buffered.length >= 2 + buffered.readUInt16BE(0)) {
        const query = buffered.subarray(2, 2 + buffered.readUInt16BE(0));
        buffered = buffered.subarray(2 + query.length);
        this.#answer(query, 'tcp', socket.remoteAddress ?? '', (answer) => {
          if (socket.writable) socket.write(Buffer.concat([u16(answer.length), answer]));
        });
      }
    });
  }

  #answer(query: Buffer, transport: 'udp' | 'tcp', source: string, send: (answer: Buffer) => void): void {
    const question = readQuestion(query);
    if (question === null) return;
    this.asked.push({ name: question.name, type: question.type, transport, source });
    const entry = findEntry(this.#options.names, question.name);
    if (entry === undefined && this.#options.relay) {
      // A relay that fails is a server that does not answer: the client's own time limit is the reply.
      this.#options.relay(query).then(send, () => {});
      return;
    }
    if (entry?.silent) return;
    const answer = writeAnswer(query, question, entry, transport === 'udp');
    if (!entry?.delayMs) return send(answer);
    const timer = setTimeout(() => {
      this.#delays.delete(timer);
      send(answer);
    }, entry.delayMs);
    this.#delays.add(timer);
  }
}

interface Question {
  readonly name: string;
  readonly type: number;
  /** Where the question section ends. */
  readonly end: number;
}

function readQuestion(query: Buffer): Question | null {
  if (query.length < 17 || query.readUInt16BE(4) !== 1) return null;
  const labels: string[] = [];
  let at = 12;
  for (;;) {
    const length = query[at];
    if (length === undefined || length > 63 || at + length + 5 > query.length) return null;
    at += 1;
    if (length === 0) break;
    labels.push(query.toString('latin1', at, at + length).toLowerCase());
    at += length;
  }
  return { name: labels.join('.'), type: query.readUInt16BE(at), end: at + 4 };
}

function findEntry(names: ReadonlyMap<string, NameEntry>, name: string): NameEntry | undefined {
  const own = names.get(name);
  if (own) return own;
  for (let dot = name.indexOf('.'); dot >= 0; dot = name.indexOf('.', dot + 1)) {
    const wild = names.get(`*${name.slice(dot)}`);
    if (wild) return wild;
  }
  return undefined;
}

function u16(value: number): Buffer {
  return Buffer.of(value >> 8, value & 255);
}

function encodeName(name: string): Buffer {
  const labels = name.split('.').filter((label) => label !== '');
  return Buffer.concat([
    ...labels.flatMap((label) => [Buffer.of(label.length), Buffer.from(label, 'latin1')]),
    Buffer.of(0),
  ]);
}

function record(owner: Buffer, type: number, ttl: number, data: Uint8Array): Buffer {
  const head = Buffer.alloc(10);
  head.writeUInt16BE(type, 0);
  head.writeUInt16BE(1, 2);
  head.writeUInt32BE(ttl, 4);
  head.writeUInt16BE(data.length, 8);
  return Buffer.concat([owner, head, data]);
}

function addressRecords(entry: NameEntry, owner: Buffer, type: number): Buffer[] {
  const texts = type === 1 ? entry.a : type === 28 ? entry.aaaa : undefined;
  return (texts ?? []).flatMap((text) => {
    const bytes = parseAddress(text);
    return bytes === null ? [] : [record(owner, type, entry.ttl ?? 60, bytes)];
  });
}

/** Every record that answers the question from this entry. */
function answerRecords(entry: NameEntry, type: number): Buffer[] {
  const owner = Buffer.of(0xc0, 12);
  const ttl = entry.ttl ?? 60;
  if (entry.cname !== undefined) {
    const target = encodeName(entry.cname);
    return [record(owner, 5, ttl, target), ...addressRecords(entry, target, type)];
  }
  if (type === 1 || type === 28) return addressRecords(entry, owner, type);
  if (type === 16) {
    return (entry.txt ?? []).map((text) =>
      record(owner, 16, ttl, Buffer.concat([Buffer.of(text.length), Buffer.from(text)])),
    );
  }
  return (entry.raw?.[type] ?? []).map((data) => record(owner, type, ttl, Buffer.from(data, 'hex')));
}

function writeAnswer(
  query: Buffer,
  question: Question,
  entry: NameEntry | undefined,
  isUdp: boolean,
): Buffer {
  const records = entry ? answerRecords(entry, question.type) : [];
  const head = Buffer.from(query.subarray(0, question.end));
  const rcode = entry?.rcode ?? (entry ? 0 : 3);
  const whole = Buffer.concat([head, ...records]);
  const isCut = isUdp && whole.length > 1232;
  head.writeUInt16BE(0x8400 | (head.readUInt16BE(2) & 0x0100) | (isCut ? 0x0200 : 0) | rcode, 2);
  head.writeUInt16BE(isCut ? 0 : records.length, 6);
  head.writeUInt32BE(0, 8);
  return isCut ? head : Buffer.concat([head, ...records]);
}
