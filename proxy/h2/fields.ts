// What each header field of a block means to the relay, found out once for a field: those of the tables come again
// as the same object and carry their mark. Strict like the HTTP/1 heads (RFC 9113 §8.2, §8.3).

import { isToken, isValue } from '../head-bytes.ts';
import type { HpackField } from './hpack-static.ts';

/** Marks of fields; a mark depends on nothing but name and value. */
export const marks = {
  ordinary: 1,
  malformed: 2,
  method: 3,
  scheme: 4,
  authority: 5,
  path: 6,
  protocol: 7,
  status: 8,
  host: 9,
  contentLength: 10,
  override: 11,
  accept: 12,
  contentType: 13,
  userAgent: 14,
  location: 15,
  /** A field by which some servers read another request than ours. */
  misread: 16,
} as const;
const firstPseudo = marks.method;
const lastPseudo = marks.status;

const markByName = new Map<string, number>([
  [':method', marks.method],
  [':scheme', marks.scheme],
  [':authority', marks.authority],
  [':path', marks.path],
  [':protocol', marks.protocol],
  [':status', marks.status],
  ['host', marks.host],
  ['content-length', marks.contentLength],
  ['x-http-method', marks.override],
  ['x-method-override', marks.override],
  ['x-http-method-override', marks.override],
  ['accept', marks.accept],
  ['content-type', marks.contentType],
  ['user-agent', marks.userAgent],
  ['location', marks.location],
  // Fields of one connection only (RFC 9113 §8.2.2), and those of a proxy.
  ['connection', marks.malformed],
  ['keep-alive', marks.malformed],
  ['proxy-connection', marks.malformed],
  ['transfer-encoding', marks.malformed],
  ['upgrade', marks.malformed],
  ['http2-settings', marks.malformed],
  ['x-original-url', marks.misread],
  ['x-rewrite-url', marks.misread],
]);

export const isPseudo = (mark: number) => mark >= firstPseudo && mark <= lastPseudo;

/** The mark of this field. */
export function markOf(field: HpackField): number {
  if (field.mark === 0) field.mark = findMark(field.name, field.value);
  return field.mark;
}

function findMark(name: string, value: string): number {
  const known = markByName.get(name);
  if (!isFieldValue(value)) return marks.malformed;
  if (known !== undefined) return known;
  if (!isFieldName(name)) return marks.malformed;
  if (name === 'te') return value.toLowerCase() === 'trailers' ? marks.ordinary : marks.malformed;
  if (name === 'expect') return value.toLowerCase() === '100-continue' ? marks.ordinary : marks.malformed;
  // `_` is `-` to CGI and WSGI.
  const plain = name.includes('_') ? markByName.get(name.replaceAll('_', '-')) : undefined;
  const isMisread =
    plain === marks.contentLength ||
    plain === marks.override ||
    plain === marks.misread ||
    plain === marks.malformed;
  return isMisread ? marks.misread : marks.ordinary;
}

function isFieldName(name: string): boolean {
  if (name.length === 0) return false;
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i);
    if (isToken[code] !== 1 || (code >= 65 && code <= 90)) return false;
  }
  return true;
}

function isFieldValue(value: string): boolean {
  const last = value.length - 1;
  if (last < 0) return true;
  if (isBlank(value.charCodeAt(0)) || isBlank(value.charCodeAt(last))) return false;
  for (let i = 0; i <= last; i++) if (isValue[value.charCodeAt(i)] !== 1) return false;
  return true;
}

const isBlank = (code: number) => code === 32 || code === 9;
