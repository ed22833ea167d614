// One end of an HTTP/2 connection whose frames the test says itself, well made or not, and what it got. It shares
// nothing with proxy/h2/.

import { createServer, connect as connectTls } from 'node:tls';
import type { Server, TLSSocket } from 'node:tls';
import type { Field } from './naive-hpack.ts';
import { encodeString, NaiveDecoder } from './naive-hpack.ts';
import type { Authority } from './rig.ts';
import { serverAddress } from './rig.ts';

/** Frame types and flags by RFC 9113 section 6. */
export const type = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  push: 5,
  ping: 6,
  goaway: 7,
  window: 8,
  continuation: 9,
} as const;
export const flag = { end: 1, ack: 1, endHeaders: 4, padded: 8, priority: 32 } as const;

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  readonly payload: Buffer;
}

export const u32 = (value: number) =>
  Buffer.of((value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255);

/** A frame; `length` where its header is to lie about it. */
export function frame(
  kind: number,
  flags: number,
  id: number,
  payload: Buffer = Buffer.alloc(0),
  length = payload.length,
): Buffer {
  return Buffer.concat([u32(length).subarray(1), Buffer.of(kind, flags), u32(id), payload]);
}

/** A header block of literals without indexing. */
export const block = (fields: readonly Field[]): Buffer =>
  Buffer.concat(
    fields.map(([name, value]) => Buffer.of(0, ...encodeString(name, false), ...encodeString(value, false))),
  );

/** The fields of a request to the host of these tests. */
export const requestOf = (path: string, ...more: readonly Field[]): Field[] => [
  [':method', 'GET'],
  [':scheme', 'https'],
  [':authority', 'h2.test'],
  [':path', path],
  ...more,
];
/** A request without a body. */
export const get = (id: number, path = '/', ...more: readonly Field[]): Buffer =>
  frame(type.headers, flag.end | flag.endHeaders, id, block(requestOf(path, ...more)));
/** The head of a request whose body follows. */
export const post = (id: number, path = '/', ...more: readonly Field[]): Buffer =>
  frame(
    type.headers,
    flag.endHeaders,
    id,
    block([[':method', 'POST'], ...requestOf(path, ...more).slice(1)]),
  );
export const setting = (name: number, value: number): Buffer =>
  Buffer.concat([u32(name).subarray(2), u32(value)]);
export const settings = (...pairs: readonly (readonly [number, number])[]): Buffer =>
  frame(type.settings, 0, 0, Buffer.concat(pairs.map(([name, value]) => setting(name, value))));
export const settingsAck = frame(type.settings, flag.ack, 0);
export const reset = (id: number, code = 8): Buffer => frame(type.reset, 0, id, u32(code));
export const window = (id: number, increment: number): Buffer => frame(type.window, 0, id, u32(increment));
export const ping = frame(type.ping, 0, 0, Buffer.from('12345678'));
export const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
/** An answer without a body. */
export const answer = (id: number, ...more: readonly Field[]): Buffer =>
  frame(type.headers, flag.end | flag.endHeaders, id, block([[':status', '200'], ...more]));

/** What one end hears, frame by frame; it acknowledges SETTINGS and PING unless told not to. */
export class Peer {
  readonly socket: TLSSocket;
  readonly frames: Frame[] = [];
  /** Frames that came, by type; `frames` keeps only the last thousand. */
  readonly counts = new Map<number, number>();
  receivedBytes = 0;
  isClosed = false;
  doesAcknowledge = true;
  onFrame: (frame: Frame, peer: Peer) => void = () => {};
  readonly #decoder = new NaiveDecoder();
  readonly #fields = new Map<Frame, Field[]>();
  #open: { head: Frame; parts: Buffer[] } | null = null;
  #bytes: Buffer = Buffer.alloc(0);
  #isPastPreface: boolean;
  #waiting: (() => void)[] = [];

  constructor(socket: TLSSocket, isServer: boolean) {
    this.socket = socket;
    this.#isPastPreface = !isServer;
    socket.on('error', () => {});
    socket.on('data', (bytes: Buffer) => this.#take(bytes));
    socket.on('end', () => socket.end());
    socket.on('close', () => {
      this.isClosed = true;
      this.#wake();
    });
  }

  send(...frames: readonly Buffer[]): void {
    if (!this.socket.destroyed && this.socket.writable) this.socket.write(Buffer.concat(frames));
  }

  /** Whole frames, some at a time, each time with time to arrive; ends early with the connection. */
  async drip(frames: Buffer, pieceBytes: number): Promise<void> {
    let from = 0;
    for (let at = 0; at < frames.length && !this.isClosed && this.goaway === null;) {
      at += 9 + frames.readUIntBE(at, 3);
      if (at - from < pieceBytes && at < frames.length) continue;
      this.send(frames.subarray(from, at));
      from = at;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  of(kind: number, id?: number): Frame[] {
    return this.frames.filter((frame) => frame.type === kind && (id === undefined || frame.id === id));
  }

  /** Fields of the block that this HEADERS frame begins; empty while it is not whole. */
  fields(frame: Frame): Field[] {
    return this.#fields.get(frame) ?? [];
  }

  /** Status of the answer on this stream, or null. */
  status(id: number): string | null {
    const heads = this.of(type.headers, id);
    return heads.length === 0
      ? null
      : (this.fields(heads[0]!).find(([name]) => name === ':status')?.[1] ?? null);
  }

  /** Error code of the GOAWAY that came, or null. */
  get goaway(): number | null {
    const found = this.of(type.goaway).at(-1);
    return found === undefined ? null : found.payload.readUInt32BE(4);
  }

  resetOf(id: number): number | null {
    return this.of(type.reset, id)[0]?.payload.readUInt32BE(0) ?? null;
  }

  /** Waits until it holds or the connection is closed; false when neither came in time. */
  async until(condition: (peer: Peer) => boolean, limitMs = 8_000): Promise<boolean> {
    const end = Date.now() + limitMs;
    while (!this.isClosed && !condition(this)) {
      if (Date.now() > end) return false;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 50);
        this.#waiting.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
    return condition(this) || this.isClosed;
  }

  close(): void {
    this.socket.destroy();
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  #take(chunk: Buffer): void {
    this.receivedBytes += chunk.length;
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    if (!this.#isPastPreface) {
      if (this.#bytes.length < preface.length) return;
      this.#bytes = this.#bytes.subarray(preface.length);
      this.#isPastPreface = true;
    }
    let at = 0;
    while (this.#bytes.length - at >= 9) {
      const end = at + 9 + this.#bytes.readUIntBE(at, 3);
      if (end > this.#bytes.length) break;
      const payload = this.#bytes.subarray(at + 9, end);
      this.#takeFrame({
        type: this.#bytes[at + 3]!,
        flags: this.#bytes[at + 4]!,
        id: this.#bytes.readUInt32BE(at + 5) & 0x7fff_ffff,
        payload,
      });
      at = end;
    }
    this.#bytes = this.#bytes.subarray(at);
    this.#wake();
  }

  #takeFrame(frame: Frame): void {
    this.counts.set(frame.type, (this.counts.get(frame.type) ?? 0) + 1);
    this.frames.push(frame);
    if (this.frames.length > 2_000) this.frames.splice(0, 1_000);
    if (frame.type === type.headers) this.#decode(frame);
    else if (frame.type === type.continuation) this.#continue(frame);
    const isAck = (frame.flags & flag.ack) > 0;
    if (this.doesAcknowledge && !isAck) {
      if (frame.type === type.settings) this.send(settingsAck);
      if (frame.type === type.ping) this.send(pingAck(frame.payload));
    }
    this.onFrame(frame, this);
  }

  #decode(frame: Frame): void {
    const isPadded = (frame.flags & flag.padded) > 0;
    const start = (isPadded ? 1 : 0) + ((frame.flags & flag.priority) > 0 ? 5 : 0);
    const end = frame.payload.length - (isPadded ? frame.payload[0]! : 0);
    this.#open = { head: frame, parts: [frame.payload.subarray(start, end)] };
    if ((frame.flags & flag.endHeaders) > 0) this.#endBlock();
  }

  #continue(frame: Frame): void {
    this.#open?.parts.push(frame.payload);
    if ((frame.flags & flag.endHeaders) > 0) this.#endBlock();
  }

  #endBlock(): void {
    if (this.#open === null) return;
    const { head, parts } = this.#open;
    this.#open = null;
    if (this.#fields.size > 2_000) this.#fields.clear();
    this.#fields.set(head, readBlock(this.#decoder, Buffer.concat(parts)));
  }
}

/** What cannot be read is of no fields: tests send such blocks on purpose. */
function readBlock(decoder: NaiveDecoder, bytes: Buffer): Field[] {
  try {
    return decoder.decode(bytes).fields;
  } catch {
    return [];
  }
}

const pingAck = (payload: Buffer): Buffer => frame(type.ping, flag.ack, 0, payload);

/** A client of the proxy on this port that has sent its preface and these settings. */
export async function openPeer(
  port: number,
  ca: string,
  first: Buffer = settings(),
  servername = 'h2.test',
): Promise<Peer> {
  const socket = connectTls({ port, host: '127.0.0.1', servername, ca, ALPNProtocols: ['h2'] });
  await new Promise<void>((resolve, reject) => {
    socket.once('secureConnect', resolve);
    socket.once('error', reject);
  });
  const peer = new Peer(socket, false);
  peer.send(preface, first);
  // Whatever comes later must not be cut in two by the acknowledgement of the server's SETTINGS.
  await peer.until(({ frames }) => frames.some((frame) => frame.type === type.settings && frame.flags === 0));
  return peer;
}

export interface RawServer {
  readonly server: Server;
  /** Every connection so far. */
  readonly peers: Peer[];
  /** What is done with a frame; answers every request with 200 unless set. */
  onFrame: (frame: Frame, peer: Peer) => void;
  close(): void;
}

/** A server, on port 443 unless told otherwise, that speaks h2 by frames of the test. */
export async function startRawServer(
  authority: Authority,
  first: Buffer = settings([3, 1_000]),
  port = 443,
): Promise<RawServer> {
  const peers: Peer[] = [];
  const raw = {
    peers,
    onFrame: (frame: Frame, peer: Peer) => {
      if (frame.type === type.headers && (frame.flags & flag.end) > 0) peer.send(answer(frame.id));
    },
  };
  const server = createServer({ ALPNProtocols: ['h2'], ...authority.filesFor('h2.test') }, (socket) => {
    const peer = new Peer(socket, true);
    peer.onFrame = (frame) => raw.onFrame(frame, peer);
    peer.send(first);
    peers.push(peer);
  });
  await new Promise<void>((resolve) => server.listen(port, serverAddress, resolve));
  return Object.assign(raw, {
    server,
    close: () => {
      for (const peer of peers) peer.close();
      server.close();
    },
  });
}
