// `malware` of `sallyport.yaml`: where a feed comes from. Whatever stands in its URL may be a secret: it is in no message,
// and goes to control alone.

import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { entriesOf } from './check-dns.ts';
import type { Config } from './config.ts';
import type { ConfigFile } from './config-schema.ts';
import { redactPath } from './flow/redact.ts';
import { canonicaliseHost } from './policy/canonicalise-host.ts';
import type { ProblemList } from './policy/problem-list.ts';
import { readSecretLines } from './secret-lines.ts';

/** A feed that is fetched, as everybody may know it. */
export interface FetchedFeed {
  /** Twelve hexadecimal digits for host and path: names its files in the state directory. */
  readonly id: string;
  /** Scheme, host and path for people, without what may be a secret. */
  readonly shown: string;
  /** Null to workers. */
  readonly url: string | null;
  /** File of the credentials. */
  readonly credentials: string | null;
  readonly refreshMs: number;
  readonly maxBytes: number;
}

const unitsMs: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };
const longestMs = 30 * 86_400_000;

/** Reports feeds that could never be read, or are not there. */
export function checkMalware(file: Partial<ConfigFile>, list: ProblemList, directory: string): void {
  const { malware } = file;
  if (malware === undefined) return;
  for (const [index, path] of entriesOf(malware.files)) {
    if (existsSync(resolve(directory, path))) continue;
    const effect =
      malware.untilLoaded === 'allow'
        ? 'no package counts as malicious'
        : 'every package counts as malicious';
    list.warn(['malware', 'files', index], `there is no ${path} now`, `${effect} until it is there`);
  }
  if (malware.files === undefined && malware.url === undefined)
    list.error(['malware'], 'it names no feed', 'add "files" or "url"');
  for (const key of ['credentials', 'refresh', 'maxBytes'] as const)
    if (malware[key] !== undefined && malware.url === undefined)
      list.error(['malware', key], `"${key}" is about a URL, and there is none`, 'add "url", or remove it');
  if (malware.url !== undefined) checkUrl(malware.url, list);
  if (malware.credentials !== undefined) checkCredentials(malware.credentials, list, directory);
  const refreshMs = readDuration(malware.refresh);
  if (refreshMs > longestMs)
    list.error(['malware', 'refresh'], 'a feed this old warns of nothing', 'at most 30d');
}

function checkUrl(text: string, list: ProblemList): void {
  const at = ['malware', 'url'];
  const remedy = 'write it like https://osv.corp.example/npm/all.zip';
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'file:'))
    return list.error(at, 'this is no https: or file: URL', remedy);
  if (url.username !== '' || url.password !== '')
    return list.error(
      at,
      'credentials do not belong here',
      'write them into a file, and name it under "credentials"',
    );
  const isFile = url.protocol === 'file:';
  const host = isFile ? null : canonicaliseHost(url.hostname.replace(/^\[|\]$/g, ''));
  if (host?.kind === 'ambiguous' || (isFile && (url.host !== '' || url.search !== '')))
    list.error(at, 'its host cannot be read in one way', remedy);
}

function checkCredentials(path: string, list: ProblemList, directory: string): void {
  const at = ['malware', 'credentials'];
  const remedy = 'write one line user:secret, or Bearer and a token, into a file, and its name here';
  const lines = readSecretLines(resolve(directory, path));
  // What is no file may be the secret itself.
  if (lines === null) list.error(at, 'it names no file that can be read', remedy);
  else if (lines.length !== 1 || readAuthorization(lines[0]!) === null)
    list.error(at, 'the file does not hold one line of credentials', remedy);
}

/** The Authorization field of a line of credentials (RFC 7617, RFC 6750); null when it is none. */
export function readAuthorization(line: string): string | null {
  const text = line.trim();
  if (/^Bearer [\x21-\x7e]+$/.test(text)) return text;
  return /^[^:\s]+:\S/.test(text) ? `Basic ${Buffer.from(text, 'utf8').toString('base64')}` : null;
}

function readDuration(text = '6h'): number {
  return Number(text.slice(0, -1)) * (unitsMs[text.at(-1)!] ?? 0);
}

/** A configuration as workers have it: they fetch nothing. */
export function withoutFeedUrl(config: Config): Config {
  const { fetched } = config.malware;
  if (fetched === null) return config;
  return { ...config, malware: { ...config.malware, fetched: { ...fetched, url: null } } };
}

/** The feeds of a file that was checked. */
export function completeMalware(file: ConfigFile['malware'], directory: string) {
  return {
    files: (file?.files ?? []).map((path) => resolve(directory, path)),
    fetched: file?.url === undefined ? null : completeFetched(file.url, file, directory),
    untilLoaded: file?.untilLoaded ?? ('block' as const),
  };
}

function completeFetched(
  text: string,
  file: NonNullable<ConfigFile['malware']>,
  directory: string,
): FetchedFeed {
  const url = new URL(text);
  const place = `${url.protocol}//${url.host}${url.pathname}`;
  return {
    // A token in the query may change without the feed being another.
    id: createHash('sha256').update(place).digest('hex').slice(0, 12),
    shown: `${url.protocol}//${url.host}${redactPath(url.pathname)}`,
    url: url.href,
    credentials: file.credentials === undefined ? null : resolve(directory, file.credentials),
    refreshMs: readDuration(file.refresh),
    maxBytes: file.maxBytes ?? 536_870_912,
  };
}
