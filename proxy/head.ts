// One pass over the head of an HTTP/1 request: checks every byte, finds the few fields that the relay
// needs, and keeps the rest as the bytes that arrived. It decides nothing.

import { fieldValue, isToken, isValue, listHolds, parseLength, spells, walkFields } from './head-bytes.ts';
import type { FieldTaker } from './head-bytes.ts';

/** A request head; offsets are into the buffer that was parsed. */
export interface RequestHead {
  readonly method: string;
  /** As sent. */
  readonly target: string;
  readonly version: '1.0' | '1.1';
  readonly host: string | null;
  /** Bytes of the body, -1 when it is chunked, 0 when there is none. */
  readonly bodyBytes: number;
  readonly hasBody: boolean;
  /** The client ends the connection after this exchange. */
  readonly isLast: boolean;
  readonly upgrade: string | null;
  readonly expectsContinue: boolean;
  /** Method named by an override header, or null. */
  readonly override: string | null;
  /** Values of Accept and Content-Type that speak of DNS, or null. */
  readonly dnsTypes: string | null;
  /** Hop-by-hop fields are there that must not reach the upstream as they are. */
  readonly mustRewrite: boolean;
  /** Where the request line begins, where it ends (its CR), and where the body begins. */
  readonly start: number;
  readonly lineEnd: number;
  readonly bodyStart: number;
}
export interface HeadProblem {
  readonly problem: 'malformed-request' | 'request-smuggling';
  readonly detail: string;
}

/**
 * Parses the head whose `\r\n\r\n` begins at `end`, in the given buffer. Never throws.
 * RFC 9112 with the lenient readings of §2.2, §5.2 and §6.3 refused.
 */
export function parseRequestHead(bytes: Buffer, end: number): RequestHead | HeadProblem {
  // RFC 9112 §2.2: an empty line before a request line is ignored, once.
  const start = bytes[0] === 13 && bytes[1] === 10 ? 2 : 0;
  if (start > end) return malformed('no request line');
  let at = start;
  while (isToken[bytes[at]!] === 1) at++;
  if (at === start || at - start > 24 || bytes[at] !== 32) return malformed('request method');
  const methodEnd = at++;
  while (bytes[at]! > 32 && bytes[at] !== 127) at++;
  if (at === methodEnd + 1 || bytes[at] !== 32) return malformed('request target');
  const targetEnd = at;
  const version = bytes.toString('latin1', at + 1, at + 9);
  const lineEnd = at + 9;
  if (version !== 'HTTP/1.1' && version !== 'HTTP/1.0') return malformed('HTTP version');
  if (bytes[lineEnd] !== 13 || bytes[lineEnd + 1] !== 10) return malformed('request line');
  const fields = new RequestFields();
  const problem = walkFields(bytes, lineEnd + 2, end + 2, fields);
  if (problem !== null) return fields.isSmuggling ? smuggling(problem) : malformed(problem);
  return assemble(bytes, fields, [start, methodEnd, targetEnd, lineEnd, end + 4]);
}

function assemble(
  bytes: Buffer,
  fields: RequestFields,
  [start, methodEnd, targetEnd, lineEnd, bodyStart]: [number, number, number, number, number],
): RequestHead | HeadProblem {
  const isOld = bytes[lineEnd - 1] === 48;
  if (fields.isChunked && (fields.length >= 0 || isOld))
    return smuggling('Transfer-Encoding with another length');
  if (fields.host === null && !isOld) return malformed('no Host field');
  const connection = fields.connection;
  const isLast =
    connection === null
      ? isOld
      : isOld
        ? !listHolds(connection, 'keep-alive')
        : listHolds(connection, 'close');
  return {
    method: bytes.toString('latin1', start, methodEnd),
    target: bytes.toString('latin1', methodEnd + 1, targetEnd),
    version: isOld ? '1.0' : '1.1',
    host: fields.host,
    bodyBytes: fields.isChunked ? -1 : Math.max(fields.length, 0),
    hasBody: fields.isChunked || fields.length > 0,
    isLast,
    upgrade: fields.upgrade,
    expectsContinue: fields.expectsContinue,
    override: fields.override,
    dnsTypes: fields.dnsTypes,
    mustRewrite: fields.mustRewrite || isOld || fields.upgrade !== null || !isPlainConnection(connection),
    start,
    lineEnd,
    bodyStart,
  };
}

function isPlainConnection(connection: string | null): boolean {
  return connection === null || (connection.length === 10 && connection.toLowerCase() === 'keep-alive');
}

const malformed = (detail: string): HeadProblem => ({ problem: 'malformed-request', detail });
const smuggling = (detail: string): HeadProblem => ({ problem: 'request-smuggling', detail });

const dashedNames = new Set([
  'content-length',
  'transfer-encoding',
  'keep-alive',
  'proxy-connection',
  'proxy-authorization',
  'http2-settings',
  'x-http-method',
  'x-method-override',
  'x-http-method-override',
]);
const dashedLengths = new Set([...dashedNames].map((name) => name.length));
// By these some servers route a request to another path than the one in its first line.
const reroutingNames = ['x-original-url', 'x-rewrite-url'];

/** The name that a server would take the field for which we must not let pass unread (`_` is `-` to CGI and WSGI), or null. */
function findMisread(bytes: Buffer, start: number, nameEnd: number): string | null {
  const length = nameEnd - start;
  const isX = (bytes[start]! | 32) === 120;
  if (isX && (length === 13 || length === 14) && reroutingNames.includes(plainName(bytes, start, nameEnd)))
    return 'another path';
  if (!dashedLengths.has(length)) return null;
  let at = start;
  while (at < nameEnd && bytes[at] !== 95) at++;
  if (at === nameEnd) return null;
  const name = plainName(bytes, start, nameEnd);
  return dashedNames.has(name) ? name : null;
}

const plainName = (bytes: Buffer, start: number, end: number) =>
  bytes.toString('latin1', start, end).toLowerCase().replaceAll('_', '-');

class RequestFields implements FieldTaker {
  host: string | null = null;
  length = -1;
  isChunked = false;
  connection: string | null = null;
  upgrade: string | null = null;
  override: string | null = null;
  dnsTypes: string | null = null;
  expectsContinue = false;
  mustRewrite = false;
  isSmuggling = false;

  take(bytes: Buffer, start: number, nameEnd: number, valueEnd: number): string | null {
    const misread = findMisread(bytes, start, nameEnd);
    if (misread !== null) return this.#smuggle(`a field that some servers read as ${misread}`);
    switch (nameEnd - start) {
      case 4:
        return spells(bytes, start, 'host') ? this.#takeHost(fieldValue(bytes, nameEnd, valueEnd)) : null;
      case 6:
        if (spells(bytes, start, 'accept')) this.#takeMediaType(bytes, nameEnd, valueEnd);
        return spells(bytes, start, 'expect') ? this.#takeExpect(fieldValue(bytes, nameEnd, valueEnd)) : null;
      case 7:
        if (spells(bytes, start, 'upgrade')) this.#takeUpgrade(fieldValue(bytes, nameEnd, valueEnd));
        return null;
      case 10:
        if (spells(bytes, start, 'connection')) this.#takeConnection(fieldValue(bytes, nameEnd, valueEnd));
        else if (spells(bytes, start, 'keep-alive')) this.mustRewrite = true;
        return null;
      case 12:
        if (spells(bytes, start, 'content-type')) this.#takeMediaType(bytes, nameEnd, valueEnd);
        return null;
      case 13:
      case 17:
      case 22:
        return this.#takeLong(bytes, start, nameEnd, valueEnd);
      case 14:
        if (spells(bytes, start, 'http2-settings')) this.mustRewrite = true;
        if (!spells(bytes, start, 'content-length')) return null;
        return this.#takeLength(fieldValue(bytes, nameEnd, valueEnd));
      case 16:
        if (spells(bytes, start, 'proxy-connection')) this.mustRewrite = true;
        return null;
      case 19:
        if (spells(bytes, start, 'proxy-authorization')) this.mustRewrite = true;
        return null;
      default:
        return null;
    }
  }

  #takeLong(bytes: Buffer, start: number, nameEnd: number, valueEnd: number): string | null {
    if (nameEnd - start === 17 && spells(bytes, start, 'transfer-encoding')) {
      return this.#takeCoding(fieldValue(bytes, nameEnd, valueEnd));
    }
    const names = ['x-http-method', 'x-method-override', 'x-http-method-override'];
    const name = names.find((name) => name.length === nameEnd - start)!;
    if (!spells(bytes, start, name)) return null;
    const method = fieldValue(bytes, nameEnd, valueEnd).toUpperCase();
    if (!/^[A-Z]{1,24}$/.test(method)) return 'a method override that names no method';
    if (this.override !== null && this.override !== method) return 'two method overrides';
    this.override = method;
    return null;
  }

  #takeHost(host: string): string | null {
    if (this.host !== null) return this.#smuggle('two Host fields');
    this.host = host;
    return host === '' ? 'an empty Host field' : null;
  }

  #takeLength(text: string): string | null {
    if (this.length >= 0) return this.#smuggle('two Content-Length fields');
    this.length = parseLength(text);
    return this.length < 0 ? this.#smuggle('a Content-Length that is no plain number') : null;
  }

  #takeCoding(text: string): string | null {
    if (this.isChunked || text.toLowerCase() !== 'chunked') {
      return this.#smuggle('a Transfer-Encoding other than one chunked');
    }
    this.isChunked = true;
    return null;
  }

  #takeExpect(text: string): string | null {
    this.expectsContinue = text.toLowerCase() === '100-continue';
    return this.expectsContinue ? null : 'an unknown expectation';
  }

  // Nearly every request has these fields: only one that speaks of DNS becomes a text.
  #takeMediaType(bytes: Buffer, nameEnd: number, valueEnd: number): void {
    for (let at = nameEnd + 1; at + 4 <= valueEnd; at++) {
      if (!spells(bytes, at, 'dns-')) continue;
      this.dnsTypes = `${this.dnsTypes ?? ''} ${fieldValue(bytes, nameEnd, valueEnd)}`;
      return;
    }
  }

  #takeUpgrade(text: string): void {
    this.upgrade = this.upgrade === null ? text.toLowerCase() : `${this.upgrade}, ${text.toLowerCase()}`;
  }

  #takeConnection(text: string): void {
    this.connection = this.connection === null ? text : `${this.connection}, ${text}`;
  }

  #smuggle(detail: string): string {
    this.isSmuggling = true;
    return detail;
  }
}

export const isHeadProblem = (head: RequestHead | HeadProblem): head is HeadProblem => 'problem' in head;

/** True when every byte of the text may stand in a field value. */
export function isFieldText(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (isValue[text.charCodeAt(i)] !== 1) return false;
  return true;
}
