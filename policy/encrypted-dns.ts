// DNS over HTTPS on a host that policy allows: told by media type, by path and by query, so that an allowed host
// is no resolver (RFC 8484, the JSON form of public resolvers, RFC 9230). A rule that names the very path opens it.

const mediaType = /\bapplication\/(?:oblivious-)?dns-(?:message|json)\b/i;
/** A host name with at least one dot: what a resolver is asked for, and a package rarely is. */
const dottedName = /^(?:[\w-]{1,63}\.)+[\w-]{1,63}\.?$/;

// Letters may be percent-encoded; the longest name of 253 bytes makes a message of 362 characters.
const dnsParameter = /(?:^|[&;])(?:d|%64)(?:n|%6e)(?:s|%73)=([^&;]{0,2048})/gi;
const nameParameter = /(?:^|[&;])(?:n|%6e)(?:a|%61)(?:m|%6d)(?:e|%65)=([^&;]{0,2048})/gi;

export interface RequestShape {
  /** Canonical, without the query. */
  readonly path: string;
  /** As sent, without its `?`. */
  readonly query: string;
  /** Values of Accept and Content-Type, or null. */
  readonly mediaTypes: string | null;
}

/** What makes the request a DNS query, for people; null when it is none. Never throws, linear in its input. */
export function findEncryptedDns({ path, query, mediaTypes }: RequestShape): string | null {
  if (mediaTypes !== null && mediaType.test(mediaTypes)) return 'a media type of DNS over HTTPS';
  const end = path.endsWith('/') ? path.length - 1 : path.length;
  const last = path.slice(path.lastIndexOf('/', end - 1) + 1, end).toLowerCase();
  if (last === 'dns-query') return 'the path of DNS over HTTPS';
  if (query === '') return null;
  if (valuesOf(query, dnsParameter).some(isQuery)) return 'a DNS message in the query';
  if (last === 'resolve' && valuesOf(query, nameParameter).some((value) => dottedName.test(value)))
    return 'a DNS question in the query';
  return null;
}

// The whole query, however long: what a server reads of it is not known.
function valuesOf(query: string, parameter: RegExp): string[] {
  return Array.from(query.matchAll(parameter), ([, value = '']) => decode(value));
}

function decode(value: string): string {
  if (!value.includes('%')) return value;
  try {
    return decodeURIComponent(value);
  } catch {
    // Not percent-encoding: the text counts as it stands.
    return value;
  }
}

/** A DNS message with one question and no answer (RFC 1035 4.1.1), in base64url. */
function isQuery(value: string): boolean {
  if (!/^[\w-]{23,}=*$/.test(value)) return false;
  const head = Buffer.from(value.slice(0, 16), 'base64url');
  return head[2]! >> 7 === 0 && head.readUInt32BE(4) === 0x1_0000;
}
