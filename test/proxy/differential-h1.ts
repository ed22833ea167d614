// The differential suite over h1, byte by byte: a server and a client of raw sockets that know nothing of HTTP but where
// a message ends, so that whatever stands between them shows.

import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { connect as connectTls, createServer } from 'node:tls';
import type { TLSSocket } from 'node:tls';
import type { Body, Case, Field } from './differential-cases.ts';

/** What both ends saw of one case; null where nothing came in time. */
export interface Seen {
  readonly server: string | null;
  readonly client: string | null;
}

/** Opens a TLS connection to the server, somehow. */
export type Dial = () => Promise<TLSSocket>;

const lines = (first: string, fields: readonly Field[]): Buffer =>
  Buffer.from(`${first}\r\n${fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`, 'latin1');

function withFraming(fields: readonly Field[], { framing, parts }: Body): Field[] {
  const length = String(parts.reduce((sum, part) => sum + part.length, 0));
  if (framing === 'length') return [...fields, ['Content-Length', length]];
  return framing === 'chunks' ? [...fields, ['Transfer-Encoding', 'chunked']] : [...fields];
}

function bodyBytes({ framing, parts, trailers }: Body): Buffer {
  if (framing !== 'chunks') return Buffer.concat(parts);
  const chunks = parts.map((part) =>
    Buffer.concat([Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n')]),
  );
  return Buffer.concat([...chunks, lines('0', trailers)]);
}

function requestBytes({ method, path, fields, body }: Case): Buffer {
  const head = lines(`${method} ${path} HTTP/1.1`, withFraming([['Host', 'origin.test'], ...fields], body));
  return Buffer.concat([head, bodyBytes(body)]);
}

function answerBytes({ method, answer }: Case): Buffer {
  const { interim, status, phrase, fields, body } = answer;
  const hasBody = method !== 'HEAD';
  const head = lines(`HTTP/1.1 ${status}${phrase}`, withFraming(fields, body));
  const before = interim.map((one) => lines(`HTTP/1.1 ${one.status} Early`, one.fields));
  return Buffer.concat([...before, head, ...(hasBody ? [bodyBytes(body)] : [])]);
}

/** Where the message that starts at `start` ends, or -1 while it has not; by its own head, which may be any proxy's. */
function messageEnd(bytes: Buffer, start: number, isBodiless: (status: number) => boolean): number {
  const end = bytes.indexOf('\r\n\r\n', start);
  if (end < 0) return -1;
  const head = bytes.toString('latin1', start, end + 2);
  const status = Number(/^HTTP\/1.1 (\d+)/.exec(head)?.[1] ?? 0);
  if (status >= 100 && status < 200) return messageEnd(bytes, end + 4, isBodiless);
  if (isBodiless(status)) return end + 4;
  if (/\r\ntransfer-encoding: *chunked/i.test(head)) return chunksEnd(bytes, end + 4);
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  // An answer without either ends with its connection.
  if (length === undefined) return status === 0 ? end + 4 : -1;
  return bytes.length >= end + 4 + Number(length) ? end + 4 + Number(length) : -1;
}

function chunksEnd(bytes: Buffer, start: number): number {
  for (let at = start; ;) {
    const line = bytes.indexOf('\r\n', at);
    if (line < 0) return -1;
    const size = Number.parseInt(bytes.toString('latin1', at, line), 16);
    if (size === 0) {
      // Trailers end with an empty line, which follows the last chunk at once where there are none.
      const end = bytes.indexOf('\r\n\r\n', line);
      return end < 0 ? -1 : end + 4;
    }
    at = line + 2 + size + 2;
  }
}

/** Calls back with each whole message as text, and with what there is when the other side ends. */
function readMessages(
  socket: Socket,
  isBodiless: (status: number) => boolean,
  take: (text: string) => void,
): void {
  let bytes: Buffer = Buffer.alloc(0);
  const finish = (): void => {
    if (bytes.length > 0) take(bytes.toString('latin1'));
    bytes = Buffer.alloc(0);
  };
  socket.on('data', (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk]);
    if (messageEnd(bytes, 0, isBodiless) >= 0) finish();
  });
  socket.on('end', finish);
}

/** The first of these that comes, null after the time. */
function within(limitMs: number, start: (take: (text: string) => void) => void): Promise<string | null> {
  return new Promise((done) => {
    const timer = setTimeout(done, limitMs, null);
    start((text) => {
      clearTimeout(timer);
      done(text);
    });
  });
}

/** The server: what arrives is told to the case that is tried, and the answer is that case's. */
export class RawServer {
  readonly #server;
  #current: Case | null = null;
  #take: (text: string) => void = () => {};

  constructor(files: { readonly key: string; readonly cert: string }) {
    this.#server = createServer({ ...files, ALPNProtocols: ['http/1.1'], noDelay: true }, (socket) => {
      socket.on('error', () => socket.destroy());
      readMessages(
        socket,
        () => false,
        (text) => this.#answer(socket, text),
      );
    });
  }

  /** The next message is this case's. */
  expect(one: Case, take: (text: string) => void): void {
    this.#current = one;
    this.#take = take;
  }

  #answer(socket: TLSSocket, text: string): void {
    this.#take(text);
    if (this.#current === null) return;
    const bytes = answerBytes(this.#current);
    if (this.#current.answer.body.framing === 'close') socket.end(bytes);
    else socket.write(bytes);
  }

  async listen(address: string, port: number): Promise<void> {
    await new Promise<void>((done) => this.#server.listen(port, address, done));
  }

  close(): void {
    this.#server.close();
  }
}

/** Sends one case over a connection of its own and answers what both ends saw. */
export async function tryCase(one: Case, server: RawServer, dial: Dial, limitMs: number): Promise<Seen> {
  const socket = await dial();
  const isBodiless = (status: number): boolean => one.method === 'HEAD' || status === 204 || status === 304;
  const arrived = within(limitMs, (take) => server.expect(one, take));
  const client = await within(limitMs, (take) => {
    readMessages(socket, isBodiless, take);
    socket.write(requestBytes(one));
  });
  socket.destroy();
  return { server: client === null ? null : await arrived, client };
}

/** A TLS connection that offers h1 alone: straight to a port, or through `CONNECT` when `through` is given. */
export async function dialHttp1(
  port: number,
  address: string,
  ca: string | null,
  through: number | null,
): Promise<TLSSocket> {
  const socket = connect({
    port: through ?? port,
    host: through === null ? address : '127.0.0.1',
    noDelay: true,
  });
  socket.on('error', () => socket.destroy());
  if (through !== null) {
    socket.write(`CONNECT origin.test:${port} HTTP/1.1\r\nHost: origin.test:${port}\r\n\r\n`);
    await new Promise<void>((done) => socket.once('data', () => done()));
  }
  const trust = ca === null ? { rejectUnauthorized: false } : { ca };
  const secure = connectTls({ socket, servername: 'origin.test', ALPNProtocols: ['http/1.1'], ...trust });
  secure.on('error', () => secure.destroy());
  await new Promise<void>((done) => {
    secure.once('secureConnect', done);
    secure.once('close', () => done());
  });
  return secure;
}
