// One canonical form of a request target's path, so that a rule cannot be dodged by another spelling.
// What two servers could read as different resources is refused; `%2F` inside a segment stays data.

export type CanonicalPath =
  | { readonly kind: 'path'; readonly path: string; readonly query: string }
  | { readonly kind: 'ambiguous'; readonly detail: string };

const plain = /^[A-Za-z0-9\-._~!$&'()*+,=:@/]*$/;
const dotSegment = /\/\.{1,2}(?:\/|$)/;
const utf8 = new TextDecoder('utf-8', { fatal: true });
const maxTargetLength = 65_536;
/** Each pattern looks at each segment: their number bounds the time of a decision. */
const maxSegments = 256;

/** Reads an origin-form target (`/path?query`, RFC 9112 3.2.1); linear in its length, never throws. */
export function canonicalisePath(target: string, slashes: 'refuse' | 'join' = 'refuse'): CanonicalPath {
  if (target.length > maxTargetLength) return ambiguous('the target is too long');
  if (!target.startsWith('/')) return ambiguous('the target does not begin with a slash');
  const mark = target.indexOf('?');
  const given = mark < 0 ? target : target.slice(0, mark);
  const raw = slashes === 'join' ? given.replaceAll(/\/{2,}/g, '/') : given;
  const query = mark < 0 ? '' : target.slice(mark + 1);
  if (!isVisibleAscii(query)) return ambiguous('a character in the query that must be percent-encoded');
  if (query.includes('#')) return ambiguous('a fragment in the target');
  if (raw.includes('//')) return ambiguous('an empty segment');
  if (hasMoreSlashes(raw, maxSegments)) return ambiguous(`more than ${maxSegments} segments`);
  if (plain.test(raw)) {
    return dotSegment.test(raw) ? ambiguous('a dot segment') : { kind: 'path', path: raw, query };
  }
  return decodeSegments(raw, query);
}

const runnerService = /^[a-z0-9-]+\.actions\.(?:githubusercontent\.com|[a-z0-9-]+\.ghe\.com)$/;

/** Doubled slashes are joined where the platform's own runner writes them: in the URL of identity tokens. */
export function slashesOn(host: string): 'refuse' | 'join' {
  return runnerService.test(host) ? 'join' : 'refuse';
}

function hasMoreSlashes(text: string, max: number): boolean {
  let count = 0;
  for (let at = text.indexOf('/'); at >= 0; at = text.indexOf('/', at + 1)) if (++count > max) return true;
  return false;
}

function ambiguous(detail: string): CanonicalPath {
  return { kind: 'ambiguous', detail };
}

function isVisibleAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code <= 32 || code >= 127) return false;
  }
  return true;
}

function decodeSegments(raw: string, query: string): CanonicalPath {
  if (!isVisibleAscii(raw)) return ambiguous('a character in the path that must be percent-encoded');
  const segments: string[] = [];
  for (const segment of raw.slice(1).split('/')) {
    const result = decodeSegment(segment);
    if ('detail' in result) return ambiguous(result.detail);
    segments.push(result.text);
  }
  return { kind: 'path', path: `/${segments.join('/')}`, query };
}

type Decoded = { readonly text: string } | { readonly detail: string };

/** Percent-encoding as in RFC 3986 6.2.2: what need not be encoded is decoded, the rest is upper-case hex. */
function decodeSegment(segment: string): Decoded {
  let text = '';
  const bytes: number[] = [];
  for (let i = 0; i < segment.length; i++) {
    const character = segment[i]!;
    if (character !== '%') {
      if (character === '\\') return { detail: 'a backslash' };
      if (character === ';') return { detail: 'a path parameter' };
      if (character === '#') return { detail: 'a fragment in the target' };
      text += plain.test(character) ? character : encodeByte(character.charCodeAt(0));
      bytes.push(character.charCodeAt(0));
      continue;
    }
    const byte = readHexByte(segment, i + 1);
    const problem = judgeByte(byte);
    if (problem !== null) return { detail: problem };
    text += decodeByte(byte);
    bytes.push(byte);
    i += 2;
  }
  const problem = judgeSegment(bytes);
  return problem === null ? { text } : { detail: problem };
}

function judgeByte(byte: number): string | null {
  if (byte < 0) return 'a percent sign without two hexadecimal digits';
  if (byte < 32 || byte === 127) return 'an encoded control character';
  if (byte === 92) return 'an encoded backslash';
  return null;
}

function judgeSegment(bytes: readonly number[]): string | null {
  let decoded: string;
  try {
    decoded = utf8.decode(Uint8Array.from(bytes));
  } catch {
    return 'bytes that are no UTF-8';
  }
  // A server that decodes before it splits, or that maps fullwidth forms to ASCII, must not see other segments.
  const folded = decoded.normalize('NFKC');
  if (folded.includes('\\') || folded.split('/').length !== decoded.split('/').length) {
    return 'a character that stands for a slash';
  }
  // A server that decodes twice; however the inner percent sign and digits are spelt.
  if (/%[\da-f]{2}/i.test(folded)) return 'percent-encoding inside percent-encoding';
  if (decoded === '') return null;
  for (const part of folded.split('/')) {
    if (part === '') return 'an empty segment behind an encoded slash';
    // A server that decodes before it takes path parameters away sees the rest alone (RFC 3986 3.3).
    const bare = part.split(';', 1)[0];
    if (bare === '') return 'an empty segment before a path parameter';
    if (bare === '.' || bare === '..') return 'a dot segment';
  }
  return null;
}

function readHexByte(text: string, at: number): number {
  const high = hexValue(text.charCodeAt(at));
  const low = hexValue(text.charCodeAt(at + 1));
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

function hexValue(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  const lower = code | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}

// An encoded asterisk stays encoded, so that a pattern can name it.
function decodeByte(byte: number): string {
  const character = String.fromCharCode(byte);
  return byte < 127 && byte !== 47 && byte !== 42 && plain.test(character) ? character : encodeByte(byte);
}

function encodeByte(byte: number): string {
  return `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
}
