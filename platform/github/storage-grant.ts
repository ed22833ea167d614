// Signed storage that an answer hands out: the URL's host, path and expiry as a grant for that job alone. What is not
// https, not canonical or on the platform's own hosts gives none.

import type { AnswerHead, StorageGrant } from '../../flow/asked-request.ts';
import type { GithubServer } from './github-server.ts';

const defaultLifetimeMs = 600_000;
const maxLifetimeMs = 86_400_000;
const maxUrlLength = 16_384;
const form =
  /^https:\/\/([a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z][a-z0-9-]*)(?::(\d{1,5}))?(\/[^?#]*)(?:\?([^#]*))?$/i;

/** A grant for one URL, or null. `expiresMs` is what the answer says beside the URL; the URL's own end counts too. */
export function storageGrant(
  server: GithubServer,
  url: unknown,
  methods: readonly string[],
  expiresMs: number | null = null,
): StorageGrant | null {
  if (typeof url !== 'string' || url.length > maxUrlLength) return null;
  const match = form.exec(url);
  if (match === null) return null;
  const host = match[1]!.toLowerCase();
  const port = match[2] === undefined ? 443 : Number(match[2]);
  const pathPrefix = canonicalPath(match[3]!);
  if (pathPrefix === null || pathPrefix === '/' || port < 1 || port > 65_535 || server.isOwnHost(host))
    return null;
  const now = Date.now();
  const ends = [expiresMs, signedUntil(match[4] ?? '')].filter((end) => end !== null);
  const end = ends.length === 0 ? now + defaultLifetimeMs : Math.min(...ends);
  return end <= now
    ? null
    : { host, port, methods, pathPrefix, expiresMs: Math.min(end, now + maxLifetimeMs) };
}

/** The grant of an answer that redirects to storage, or none. */
export function redirectGrants(server: GithubServer, head: AnswerHead): StorageGrant[] {
  if (![301, 302, 303, 307, 308].includes(head.status)) return [];
  const grant = storageGrant(server, head.header('location'), ['GET', 'HEAD']);
  return grant === null ? [] : [grant];
}

/** When a signature in a query ends: Azure's `se`, date and lifetime of Amazon or Google, `Expires`; null: not told. */
function signedUntil(query: string): number | null {
  const values = new URLSearchParams(query);
  const azure = Date.parse(values.get('se') ?? '');
  if (Number.isFinite(azure)) return azure;
  const cloud = values.has('X-Goog-Date') ? 'Goog' : 'Amz';
  const date = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(values.get(`X-${cloud}-Date`) ?? '');
  const seconds = Number(values.get(`X-${cloud}-Expires`) ?? Number.NaN);
  if (date !== null && Number.isFinite(seconds)) {
    const [year, month, day, hour, minute, second] = date.slice(1).map(Number) as [
      number,
      number,
      number,
      number,
      number,
      number,
    ]; // six groups of digits
    return Date.UTC(year, month - 1, day, hour, minute, second) + seconds * 1000;
  }
  const unix = Number(values.get('Expires') ?? Number.NaN);
  return Number.isFinite(unix) && unix > 0 ? unix * 1000 : null;
}

const plain = /^[A-Za-z0-9\-._~!$&'()+,=:@]$/;
const encoded = /%([0-9a-f]{2})/gi;

/** The path as requests are compared (RFC 3986 §6.2.2), or null where two servers could read it differently. */
function canonicalPath(path: string): string | null {
  if (!/^(?:[A-Za-z0-9\-._~!$&'()*+,=:@/]|%[0-9a-f]{2})*$/i.test(path)) return null;
  let isClean = true;
  const canonical = path.replace(encoded, (whole: string, hex: string) => {
    const code = Number.parseInt(hex, 16);
    const character = String.fromCharCode(code);
    if (code < 32 || code === 127 || character === '\\' || character === '%') isClean = false;
    return plain.test(character) ? character : whole.toUpperCase();
  });
  if (!isClean || canonical.includes('//') || /\/\.{1,2}(?:\/|$)/.test(canonical)) return null;
  return canonical;
}
