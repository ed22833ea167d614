// DNS over HTTPS on a host that policy allows: told by media type, by path and by query, so that an allowed host
// is no resolver (RFC 8484, the JSON form of public resolvers, RFC 9230). A rule that names the very path opens it.

const mediaType = /\bapplication\/(?:oblivious-)?dns-(?:message|json)\b/i;
/** A host name with at least one dot: what a resolver is asked for, and a package rarely is. */
const dottedName = /^(?:[\w-]{1,63}\.)+[\w-]{1,63}\.?$/;

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
  for (const [name, value] of new URLSearchParams(query)) {
    if (name === 'dns' && isQuery(value)) return 'a DNS message in the query';
    if (name === 'name' && last === 'resolve' && dottedName.test(value)) return 'a DNS question in the query';
  }
  return null;
}

/** A DNS message with one question and no answer (RFC 1035 4.1.1), in base64url. */
function isQuery(value: string): boolean {
  if (!/^[\w-]{23,}=*$/.test(value)) return false;
  const head = Buffer.from(value.slice(0, 16), 'base64url');
  return head[2]! >> 7 === 0 && head.readUInt32BE(4) === 0x1_0000;
}
