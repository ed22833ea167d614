// Byte classes and the line walker that request and response heads share (RFC 9110 §5, RFC 9112 §2-5).
// Strict on purpose: what two parsers could read differently is refused, so that the very bytes may be forwarded.

const token = new Uint8Array(256);
for (const char of "!#$%&'*+-.^_`|~0123456789") token[char.charCodeAt(0)] = 1;
for (let code = 65; code <= 90; code++) token[code] = token[code + 32] = 1;
const value = new Uint8Array(256);
for (let code = 32; code < 256; code++) value[code] = code === 127 ? 0 : 1;
value[9] = 1;

/** 1 for a byte that a token may hold (RFC 9110 §5.6.2). */
export const isToken: Readonly<Uint8Array> = token;
/** 1 for a byte that a field value may hold: no control byte but the tab. */
export const isValue: Readonly<Uint8Array> = value;

/** Takes the fields of a head one by one; answers a problem or null. `name` is looked at by position only. */
export interface FieldTaker {
  take(bytes: Buffer, nameStart: number, nameEnd: number, valueEnd: number): string | null;
}

/**
 * Walks the field lines from `start` up to the blank line whose CRLF begins at `blank`.
 * Answers null, or what is wrong: obsolete folding, a space before the colon, control bytes, bare CR or LF.
 */
export function walkFields(bytes: Buffer, start: number, blank: number, taker: FieldTaker): string | null {
  let at = start;
  while (at < blank) {
    const nameStart = at;
    while (token[bytes[at]!] === 1) at++;
    if (bytes[at] !== 58 || at === nameStart) return fieldProblem(bytes[at]!, at === nameStart);
    const nameEnd = at++;
    while (value[bytes[at]!] === 1) at++;
    if (bytes[at] !== 13 || bytes[at + 1] !== 10) return 'a control byte, bare CR or bare LF in a field';
    const problem = taker.take(bytes, nameStart, nameEnd, at);
    if (problem !== null) return problem;
    at += 2;
  }
  return null;
}

function fieldProblem(byte: number, isFirst: boolean): string {
  if (isFirst && (byte === 32 || byte === 9)) return 'obsolete line folding';
  return isFirst ? 'an empty field name' : 'a field name with a space or another forbidden byte';
}

/** True when the bytes spell the lower-case `name`, in any case; the lengths are equal already. */
export function spells(bytes: Buffer, start: number, name: string): boolean {
  for (let i = 0; i < name.length; i++) if ((bytes[start + i]! | 32) !== name.charCodeAt(i)) return false;
  return true;
}

/** The value without the blanks around it, as latin1. `colon` is where the name ended. */
export function fieldValue(bytes: Buffer, colon: number, valueEnd: number): string {
  let start = colon + 1;
  let end = valueEnd;
  while (start < end && (bytes[start] === 32 || bytes[start] === 9)) start++;
  while (end > start && (bytes[end - 1] === 32 || bytes[end - 1] === 9)) end--;
  return bytes.toString('latin1', start, end);
}

/** A Content-Length of 1 to 15 digits and nothing else; -1 otherwise. */
export function parseLength(text: string): number {
  return /^\d{1,15}$/.test(text) ? Number(text) : -1;
}

/** True when the comma-separated list holds the lower-case word. */
export function listHolds(list: string, word: string): boolean {
  return list.split(',').some((item) => item.trim().toLowerCase() === word);
}

/**
 * Where the blank line's first CRLF ends the head (index of `\r\n\r\n`), searched from `from`;
 * -1 while it has not arrived; -2 when the new bytes can no longer become a head (NUL, bare LF).
 */
export function findHeadEnd(bytes: Buffer, from: number): number {
  const start = from > 3 ? from - 3 : 0;
  const end = bytes.indexOf('\r\n\r\n', start, 'latin1');
  if (end >= 0) return end;
  for (let i = from; i < bytes.length; i++) {
    const byte = bytes[i]!;
    if (byte === 0 || (byte === 10 && (i === 0 || bytes[i - 1] !== 13))) return -2;
  }
  return -1;
}

/** First value of the field in a head that was already walked, or null; for answers, off the hot path. */
export function findField(head: Buffer, name: string): string | null {
  for (const line of head.toString('latin1', 0, head.length).split('\r\n')) {
    if (line.length > name.length && line[name.length] === ':' && line.toLowerCase().startsWith(name)) {
      return line.slice(name.length + 1).trim();
    }
  }
  return null;
}
