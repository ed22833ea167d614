// Reads the field list of a request as one request (RFC 9113 §8.3.1, RFC 8441): its pseudo fields once each and
// first, one authority, one length. What it finds is what judging asks of any request.

import { parseLength } from '../head-bytes.ts';
import type { AskedHead } from '../read-target.ts';
import { isToken } from '../head-bytes.ts';
import { isPseudo, markOf, marks } from './fields.ts';
import type { HpackBlock } from './hpack.ts';

/** A request as its fields say; the names are those of judging (proxy/judge.ts). */
export interface RequestBlock extends AskedHead {
  /** Method on the wire: CONNECT for a WebSocket, which is judged as the GET that it is in HTTP/1. */
  readonly sentMethod: string;
  /** Value of Content-Length, or -1. */
  readonly length: number;
  /** A tunnel to anywhere (RFC 9110 §9.3.6), without `:protocol`. */
  readonly isPlainConnect: boolean;
  readonly accept: string;
  readonly contentType: string;
  readonly userAgent: string;
}

/** Why the fields are no request: the stream is reset with PROTOCOL_ERROR. */
export type BlockProblem = 'malformed-request' | 'request-smuggling';

/** Fields of one block as they are met; one object is used for all. */
class Reading {
  method = '';
  scheme = '';
  authority: string | null = null;
  path = '';
  protocol: string | null = null;
  host: string | null = null;
  length = -1;
  override: string | null = null;
  accept = '';
  contentType = '';
  userAgent = '';
  dnsTypes: string | null = null;
  seen = 0;
  isPastPseudo = false;

  reset(): void {
    this.method = this.scheme = this.path = this.accept = this.contentType = this.userAgent = '';
    this.authority = this.protocol = this.host = this.override = this.dnsTypes = null;
    this.length = -1;
    this.seen = 0;
    this.isPastPseudo = false;
  }

  take(mark: number, value: string): BlockProblem | null {
    if (isPseudo(mark)) {
      const bit = 1 << mark;
      if (this.isPastPseudo || mark === marks.status || (this.seen & bit) !== 0) return 'malformed-request';
      this.seen |= bit;
      this.#takePseudo(mark, value);
      return null;
    }
    this.isPastPseudo = true;
    switch (mark) {
      case marks.ordinary:
      case marks.location:
        return null;
      case marks.malformed:
        return 'malformed-request';
      case marks.misread:
        return 'request-smuggling';
      case marks.userAgent:
        this.userAgent = value;
        return null;
      case marks.accept:
        this.accept = value;
        this.#takeMediaType(value);
        return null;
      case marks.contentType:
        this.contentType = value;
        this.#takeMediaType(value);
        return null;
      default:
        return this.#takeOnce(mark, value);
    }
  }

  #takePseudo(mark: number, value: string): void {
    if (mark === marks.method) this.method = value;
    else if (mark === marks.scheme) this.scheme = value;
    else if (mark === marks.authority) this.authority = value;
    else if (mark === marks.path) this.path = value;
    else this.protocol = value;
  }

  #takeMediaType(value: string): void {
    if (/dns-/i.test(value)) this.dnsTypes = `${this.dnsTypes ?? ''} ${value}`;
  }

  #takeOnce(mark: number, value: string): BlockProblem | null {
    if (mark === marks.override) {
      const method = value.toUpperCase();
      if (!/^[A-Z]{1,24}$/.test(method)) return 'malformed-request';
      if (this.override !== null && this.override !== method) return 'malformed-request';
      this.override = method;
      return null;
    }
    const bit = 1 << mark;
    if ((this.seen & bit) !== 0) return 'request-smuggling';
    this.seen |= bit;
    if (mark === marks.host) {
      this.host = value;
      return null;
    }
    this.length = parseLength(value);
    return this.length < 0 ? 'request-smuggling' : null;
  }
}

const reading = new Reading();

/** Reads a request; `isLast` when no body follows. */
export function readRequest(block: HpackBlock, isLast: boolean): RequestBlock | BlockProblem {
  reading.reset();
  for (let i = 0; i < block.count; i++) {
    const field = block.fields[i]!;
    const problem = reading.take(markOf(field), field.value);
    if (problem !== null) return problem;
  }
  return isWhole(reading, isLast) ? assemble(reading, isLast) : 'malformed-request';
}

function isWhole(read: Reading, isLast: boolean): boolean {
  const { authority, host, length, method } = read;
  if (!isMethod(method)) return false;
  if (authority !== null && host !== null && authority.toLowerCase() !== host.toLowerCase()) return false;
  if (isLast && length > 0) return false;
  if (method === 'CONNECT' && read.protocol === null) {
    return authority !== null && read.path === '' && read.scheme === '';
  }
  if (read.protocol !== null && (method !== 'CONNECT' || read.protocol === '')) return false;
  // Any other scheme would make a server serve a request that it takes for one without TLS.
  return read.scheme === 'https' && read.path !== '' && (authority ?? host ?? '') !== '';
}

function assemble(read: Reading, isLast: boolean): RequestBlock {
  const { method, protocol, length, accept, contentType, userAgent } = read;
  return {
    method: protocol === null ? method : 'GET',
    sentMethod: method,
    target: read.path,
    host: read.authority ?? read.host,
    hasBody: protocol === null && !isLast && length !== 0,
    upgrade: protocol === null ? null : protocol.toLowerCase(),
    override: read.override,
    dnsTypes: read.dnsTypes,
    length: protocol === null ? (isLast ? 0 : length) : -1,
    isPlainConnect: method === 'CONNECT' && protocol === null,
    accept,
    contentType,
    userAgent,
  };
}

function isMethod(method: string): boolean {
  if (method.length === 0 || method.length > 24) return false;
  for (let i = 0; i < method.length; i++) if (isToken[method.charCodeAt(i)] !== 1) return false;
  return true;
}

/** True for fields that may follow a body (RFC 9113 §8.1): none of a request line, of routing or of framing. */
export function areTrailers(block: HpackBlock): boolean {
  for (let i = 0; i < block.count; i++) {
    const mark = markOf(block.fields[i]!);
    if (isPseudo(mark) || mark === marks.malformed || mark === marks.misread) return false;
    if (mark === marks.host || mark === marks.contentLength || mark === marks.override) return false;
  }
  return true;
}

/** Status and Location of an answer; the status is 0 where it is no answer (RFC 9113 §8.3.2). */
export class AnswerBlock {
  status = 0;
  location: string | null = null;

  read(block: HpackBlock): void {
    this.status = 0;
    this.location = null;
    for (let i = 0; i < block.count; i++) {
      const field = block.fields[i]!;
      const mark = markOf(field);
      if (i === 0) {
        this.status = mark === marks.status ? statusFrom(field.value) : 0;
        if (this.status === 0) return;
      } else if (isPseudo(mark) || mark === marks.malformed) {
        this.status = 0;
        return;
      } else if (mark === marks.location) this.location = field.value;
    }
  }
}

function statusFrom(text: string): number {
  return /^[1-9]\d\d$/.test(text) ? Number(text) : 0;
}
