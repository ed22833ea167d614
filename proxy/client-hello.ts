// Reads a TLS ClientHello (RFC 8446 §4.1.2, RFC 6066 §3, RFC 7301) out of the first bytes of a connection,
// joined over records and packets. It decides nothing; OpenSSL reads the same bytes again afterwards.

import { Gather } from './gather.ts';

/** What the path needs of a ClientHello. `serverName` is as sent: canonicalised elsewhere. */
export interface ClientHello {
  readonly kind: 'hello';
  readonly serverName: string | null;
  readonly alpn: readonly string[];
  /** An encrypted_client_hello extension is there, real or grease. */
  readonly hasEch: boolean;
  /** Versions offered, as on the wire: 0x0304 is TLS 1.3. */
  readonly versions: readonly number[];
}
export type HelloResult =
  ClientHello | { readonly kind: 'incomplete' } | { readonly kind: 'malformed'; readonly detail: string };

const incomplete = { kind: 'incomplete' } as const;
const malformed = (detail: string) => ({ kind: 'malformed', detail }) as const;
const maxRecordBytes = 16_384;
const minHelloBytes = 2 + 32 + 1 + 4 + 2;

/** Reads the hello at the start of `bytes`; never throws. The caller bounds how many bytes it gathers. */
export function parseClientHello(bytes: Uint8Array): HelloResult {
  return new HelloReader().read(bytes);
}

/** Reads a hello whose bytes come in pieces; each record is looked at once, so that tiny ones cost no more than linear work. */
export class HelloReader {
  /** Where the next record begins. */
  #at = 0;
  /** The handshake message so far, over its records. */
  readonly #message = new Gather();

  /** `bytes` is everything that has come, from the first byte on; never throws. */
  read(bytes: Uint8Array): HelloResult {
    while (this.#at < bytes.length) {
      const at = this.#at;
      if (bytes[at] !== 22) return malformed('not a handshake record');
      if (at + 1 < bytes.length && bytes[at + 1] !== 3) return malformed('record version');
      if (at + 5 > bytes.length) return incomplete;
      const size = (bytes[at + 3]! << 8) | bytes[at + 4]!;
      if (size === 0 || size > maxRecordBytes) return malformed('record length');
      const end = at + 5 + size;
      if (end > bytes.length) return incomplete;
      this.#at = end;
      const result = this.#take(Buffer.from(bytes.buffer, bytes.byteOffset + at + 5, size));
      if (result !== incomplete) return result;
    }
    return incomplete;
  }

  #take(piece: Buffer): HelloResult {
    const message = this.#message.push(piece);
    if (message[0] !== 1) return malformed('not a ClientHello');
    if (message.length < 4) return incomplete;
    const length = message.readUIntBE(1, 3);
    if (length < minHelloBytes) return malformed('ClientHello length');
    return message.length < length + 4 ? incomplete : parseMessage(message.subarray(4, length + 4));
  }
}

function parseMessage(body: Uint8Array): HelloResult {
  let at = 34;
  const sessionId = body[at]!;
  at += 1 + sessionId;
  if (sessionId > 32 || at + 2 > body.length) return malformed('session id');
  const suites = (body[at]! << 8) | body[at + 1]!;
  at += 2 + suites;
  if (suites < 2 || suites % 2 !== 0 || at >= body.length) return malformed('cipher suites');
  const compressions = body[at]!;
  at += 1 + compressions;
  if (compressions < 1 || at > body.length) return malformed('compression methods');
  const legacy = (body[0]! << 8) | body[1]!;
  const found: Found = { serverName: null, alpn: [], hasEch: false, versions: [legacy] };
  if (at === body.length) return { kind: 'hello', ...found };
  if (at + 2 > body.length || at + 2 + ((body[at]! << 8) | body[at + 1]!) !== body.length) {
    return malformed('extensions length');
  }
  const problem = readExtensions(body, at + 2, found);
  return problem === null ? { kind: 'hello', ...found } : malformed(problem);
}

interface Found {
  serverName: string | null;
  alpn: string[];
  hasEch: boolean;
  versions: number[];
}

function readExtensions(body: Uint8Array, start: number, found: Found): string | null {
  const seen = new Set<number>();
  let at = start;
  while (at < body.length) {
    if (at + 4 > body.length) return 'extension header';
    const type = (body[at]! << 8) | body[at + 1]!;
    const size = (body[at + 2]! << 8) | body[at + 3]!;
    at += 4;
    if (at + size > body.length) return 'extension length';
    // RFC 8446 §4.2: no type twice; two server names could be read differently by two parsers.
    if (seen.has(type)) return 'extension twice';
    seen.add(type);
    const problem = readExtension(type, body.subarray(at, at + size), found);
    if (problem !== null) return problem;
    at += size;
  }
  return null;
}

function readExtension(type: number, data: Uint8Array, found: Found): string | null {
  if (type === 0) return readServerName(data, found);
  if (type === 16) return readAlpn(data, found);
  if (type === 43) return readVersions(data, found);
  if (type === 0xfe0d) found.hasEch = true;
  return null;
}

function readServerName(data: Uint8Array, found: Found): string | null {
  if (data.length < 5 || ((data[0]! << 8) | data[1]!) !== data.length - 2) return 'server name list';
  const size = (data[3]! << 8) | data[4]!;
  // One name of type host_name: RFC 6066 allows no second of a type, and no other type was ever defined.
  if (data[2] !== 0 || size === 0 || 5 + size !== data.length) return 'server name';
  for (let i = 5; i < data.length; i++) if (data[i]! <= 32 || data[i]! >= 127) return 'server name bytes';
  found.serverName = text(data, 5, data.length);
  return null;
}

function readAlpn(data: Uint8Array, found: Found): string | null {
  if (data.length < 4 || ((data[0]! << 8) | data[1]!) !== data.length - 2) return 'ALPN list';
  for (let at = 2; at < data.length;) {
    const size = data[at]!;
    if (size === 0 || at + 1 + size > data.length) return 'ALPN name';
    found.alpn.push(text(data, at + 1, at + 1 + size));
    at += 1 + size;
  }
  return null;
}

function readVersions(data: Uint8Array, found: Found): string | null {
  if (data.length < 3 || data.length % 2 === 0 || data[0] !== data.length - 1) return 'supported versions';
  found.versions = [];
  for (let at = 1; at < data.length; at += 2) found.versions.push((data[at]! << 8) | data[at + 1]!);
  return null;
}

function text(data: Uint8Array, start: number, end: number): string {
  return String.fromCharCode(...data.subarray(start, end));
}
