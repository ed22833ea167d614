// One pass over the head of an HTTP/1 response (RFC 9112 §4, §6.3): how its body ends, whether the
// connection can be used again, and the Location of a redirect. The bytes go on as they came.

import { fieldValue, listHolds, parseLength, spells, walkFields } from './head-bytes.ts';
import type { FieldTaker } from './head-bytes.ts';

export type ResponseFraming = 'none' | 'length' | 'chunked' | 'until-close';

export interface ResponseHead {
  readonly status: number;
  readonly framing: ResponseFraming;
  /** Bytes of the body when the framing is `length`. */
  readonly length: number;
  /** The upstream closes after this answer. */
  readonly isLast: boolean;
  readonly location: string | null;
  readonly bodyStart: number;
}

/** Parses the head whose `\r\n\r\n` begins at `end`; the text is what the upstream did wrong. Never throws. */
export function parseResponseHead(bytes: Buffer, end: number, method: string): ResponseHead | string {
  if (bytes.toString('latin1', 0, 7) !== 'HTTP/1.' || bytes[8] !== 32) return 'status line';
  const minor = bytes[7]! - 48;
  if (minor !== 0 && minor !== 1) return 'HTTP version';
  const status = statusAt(bytes);
  if (status < 0) return 'status code';
  const lineEnd = bytes.indexOf(13, 12);
  if (lineEnd > end || bytes[lineEnd + 1] !== 10 || (lineEnd > 12 && bytes[12] !== 32)) return 'status line';
  const fields = new ResponseFields();
  const problem = walkFields(bytes, lineEnd + 2, end + 2, fields);
  if (problem !== null) return problem;
  if (fields.isChunked && fields.length >= 0) return 'Transfer-Encoding with Content-Length';
  const framing = frameOf(status, method, fields);
  const connection = fields.connection;
  const isKept = minor === 1 ? !listHolds(connection, 'close') : listHolds(connection, 'keep-alive');
  return {
    status,
    framing,
    length: framing === 'length' ? fields.length : 0,
    isLast: !isKept || framing === 'until-close',
    location: fields.location,
    bodyStart: end + 4,
  };
}

function statusAt(bytes: Buffer): number {
  let status = 0;
  for (let i = 9; i < 12; i++) {
    const digit = bytes[i]! - 48;
    if (digit < 0 || digit > 9) return -1;
    status = status * 10 + digit;
  }
  return status >= 100 ? status : -1;
}

function frameOf(status: number, method: string, fields: ResponseFields): ResponseFraming {
  if (method === 'HEAD' || status < 200 || status === 204 || status === 304) return 'none';
  if (fields.isChunked) return 'chunked';
  if (fields.length === 0) return 'none';
  return fields.length > 0 ? 'length' : 'until-close';
}

class ResponseFields implements FieldTaker {
  length = -1;
  isChunked = false;
  connection = '';
  location: string | null = null;

  take(bytes: Buffer, start: number, nameEnd: number, valueEnd: number): string | null {
    switch (nameEnd - start) {
      case 8:
        if (spells(bytes, start, 'location')) this.location = fieldValue(bytes, nameEnd, valueEnd);
        return null;
      case 10:
        if (spells(bytes, start, 'connection')) this.#takeConnection(fieldValue(bytes, nameEnd, valueEnd));
        return null;
      case 14:
        return spells(bytes, start, 'content-length')
          ? this.#takeLength(fieldValue(bytes, nameEnd, valueEnd))
          : null;
      case 17:
        return spells(bytes, start, 'transfer-encoding')
          ? this.#takeCoding(fieldValue(bytes, nameEnd, valueEnd))
          : null;
      default:
        return null;
    }
  }

  #takeConnection(text: string): void {
    this.connection = this.connection === '' ? text : `${this.connection}, ${text}`;
  }

  #takeLength(text: string): string | null {
    const length = parseLength(text);
    // Equal repeats are what RFC 9112 §6.3 lets a recipient accept; they are met in the wild on answers.
    if (length < 0 || (this.length >= 0 && this.length !== length)) return 'Content-Length';
    this.length = length;
    return null;
  }

  #takeCoding(text: string): string | null {
    if (this.isChunked || text.toLowerCase() !== 'chunked') return 'Transfer-Encoding';
    this.isChunked = true;
    return null;
  }
}
