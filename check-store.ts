// What the schema cannot say of `store` in `sallyport.yaml`: keys that belong together, addresses that can be dialled, and
// files that are there. And the store as control opens it.

import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { entriesOf } from './check-dns.ts';
import type { ConfigFile } from './config-schema.ts';
import { classifyAddress, parseAddress } from './flow/address.ts';
import { canonicaliseHost } from './policy/canonicalise-host.ts';
import type { ProblemList, ValuePath } from './policy/problem-list.ts';
import { readSecretLines } from './secret-lines.ts';
import type { RetentionDays } from './store/retention.ts';

type StoreFile = NonNullable<ConfigFile['store']>;
type SinkFile = NonNullable<StoreFile['sinks']>[number];

const urlRemedy = 'write it like postgres://sallyport@db.corp.example/sallyport';

/** Reports a store that could never be opened, and sinks that nothing could reach. */
export function checkStore(file: Partial<ConfigFile>, list: ProblemList, directory: string): void {
  const { store } = file;
  if (store === undefined) return;
  const { kind = 'embedded', folder, postgres } = store;
  if (kind === 'postgres' && postgres === undefined)
    list.error(['store', 'kind'], 'there is no database', 'add "postgres" with its url');
  if (kind === 'embedded' && postgres !== undefined)
    list.error(['store', 'postgres'], 'the store is embedded', 'add kind: postgres, or remove it');
  if (kind === 'postgres' && folder !== undefined)
    list.error(['store', 'folder'], 'PostgreSQL keeps its own files', 'remove it');
  if (postgres !== undefined) checkPostgres(postgres, list, directory);
  checkRetention(store, list);
  for (const [index, sink] of entriesOf(store.sinks))
    checkSink(sink, ['store', 'sinks', index], list, directory);
}

function checkPostgres(
  postgres: NonNullable<StoreFile['postgres']>,
  list: ProblemList,
  directory: string,
): void {
  const at: ValuePath = ['store', 'postgres'];
  const place = readPlace(postgres.url);
  if (place === 'password')
    list.error(
      [...at, 'url'],
      'a password does not belong here',
      'write it into a file, and name it under "passwordFile"',
    );
  else if (place === null) list.error([...at, 'url'], 'this is no URL of a database', urlRemedy);
  else if (postgres.tls === 'off' && !isNear(place.host))
    list.warn([...at, 'tls'], 'records and the password cross the network in the clear', 'set tls: verify');
  checkSecret(postgres.passwordFile, [...at, 'passwordFile'], list, directory);
  checkFile(postgres.authorities, [...at, 'authorities'], list, directory);
}

function checkRetention({ retention }: StoreFile, list: ProblemList): void {
  const kept = completeRetention(retention);
  if (kept.jobs === null) return;
  for (const kind of ['dns', 'connection', 'request', 'packet'] as const) {
    const days = kept[kind];
    if (days !== null && days <= kept.jobs) continue;
    const key = retention?.jobs === undefined ? kind : 'jobs';
    list.error(
      ['store', 'retention', key],
      `jobs would go before their flows (${kind})`,
      'keep jobs at least as long',
    );
    return;
  }
}

/** Keys of each kind; whatever else is there is a mistake. */
const sinkKeys = {
  file: ['path'],
  syslog: ['address', 'transport', 'authorities'],
  otlp: ['url', 'headersFile'],
} as const;

function checkSink(sink: SinkFile, at: ValuePath, list: ProblemList, directory: string): void {
  const own: readonly string[] = sinkKeys[sink.kind];
  for (const key of Object.values(sinkKeys).flat())
    if (sink[key] !== undefined && !own.includes(key))
      list.error([...at, key], `a sink of kind ${sink.kind} has no "${key}"`, 'remove it');
  const needed = own[0] as 'path' | 'address' | 'url'; // the first of each list above
  if (sink[needed] === undefined) return list.error(at, `it does not say where to`, `add "${needed}"`);
  if (sink.address !== undefined && readAddress(sink.address) === null)
    list.error(
      [...at, 'address'],
      `"${sink.address}" is no host and port`,
      'write it like siem.corp.example:6514',
    );
  if (sink.url !== undefined && !isHttpUrl(sink.url))
    list.error(
      [...at, 'url'],
      'this is no http: or https: URL without credentials',
      'write it like https://collector.corp.example:4318/v1/logs',
    );
  if (sink.authorities !== undefined && (sink.transport ?? 'tls') !== 'tls')
    list.error(
      [...at, 'authorities'],
      `nothing is checked over ${sink.transport}`,
      'set transport: tls, or remove it',
    );
  checkFile(sink.authorities, [...at, 'authorities'], list, directory);
  if (sink.headersFile !== undefined && readHeaders(resolve(directory, sink.headersFile)) === null)
    list.error([...at, 'headersFile'], 'it names no file of lines NAME: VALUE', 'write one header a line');
}

function checkFile(path: string | undefined, at: ValuePath, list: ProblemList, directory: string): void {
  if (path === undefined) return;
  try {
    readFileSync(resolve(directory, path));
  } catch {
    list.error(at, `${path} cannot be read`, 'name a PEM file that root and control’s user can read');
  }
}

function checkSecret(path: string | undefined, at: ValuePath, list: ProblemList, directory: string): void {
  if (path === undefined) return;
  if (readSecretLines(resolve(directory, path))?.length !== 1)
    list.error(at, 'it names no file with one line', 'write the password into a file, and its name here');
}

/** Where a database is, by its URL; `password` for one that says too much. */
export interface DatabasePlace {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
}

function readPlace(text: string): DatabasePlace | 'password' | null {
  // A URL without a host is none of this scheme: a socket is named besides.
  const url = /^postgres(?:ql)?:\/\//.test(text)
    ? toUrl(text.replace(/^[a-z]+:/, 'http:').replace('@/', '@socket/'))
    : null;
  if (url === null) return null;
  if (url.password !== '') return 'password';
  const socket = url.searchParams.get('host');
  const isOdd = [...url.searchParams.keys()].some((key) => key !== 'host') || url.hash !== '';
  const host = url.hostname === 'socket' ? socket : url.hostname.replace(/^\[|\]$/g, '');
  const database = decodeURIComponent(url.pathname.slice(1));
  if (isOdd || host === null || database === '' || database.includes('/') || url.username === '') return null;
  if (url.hostname === 'socket' && !host.startsWith('/')) return null;
  const port =
    url.port === '' ? (url.protocol === 'http:' && text.includes(':80/') ? 80 : 5432) : Number(url.port);
  return { host, port, user: decodeURIComponent(url.username), database };
}

const toUrl = (text: string): URL | null => (URL.canParse(text) ? new URL(text) : null);

const isNear = (host: string): boolean => {
  const bytes = parseAddress(host);
  return (
    host.startsWith('/') || host === 'localhost' || (bytes !== null && classifyAddress(bytes) === 'loopback')
  );
};

function readAddress(text: string): { host: string; port: number } | null {
  const [, six, name, port] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]/\s]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = canonicaliseHost(six ?? name ?? '');
  if (host.kind === 'ambiguous' || Number(port) > 65_535 || Number(port) === 0) return null;
  return { host: host.kind === 'name' ? host.name : host.address, port: Number(port) };
}

function isHttpUrl(text: string): boolean {
  const url = toUrl(text);
  return url !== null && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '';
}

/** Headers of a file of lines `NAME: VALUE`; null where it is none. */
export function readHeaders(path: string): Readonly<Record<string, string>> | null {
  const lines = readSecretLines(path);
  const pairs = lines?.map(
    (line) => /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e]*)$/.exec(line.trim()) ?? null,
  );
  if (pairs === undefined || pairs.length === 0 || pairs.includes(null)) return null;
  return Object.fromEntries(pairs.map((pair) => [pair![1]!.toLowerCase(), pair![2]!])); // none is null
}

function completeRetention(file: StoreFile['retention']): RetentionDays {
  const days = (value: number | undefined, usual: number): number | null =>
    value === 0 ? null : (value ?? usual);
  return {
    dns: days(file?.dns, 30),
    connection: days(file?.connection, 90),
    request: days(file?.request, 90),
    packet: days(file?.packet, 90),
    jobs: days(file?.jobs, 400),
    sums: days(file?.sums, 400),
    audit: days(file?.audit, 400),
  };
}

/** The store of a file that was checked; secrets are not in it. */
export function completeStore(file: ConfigFile['store'], state: string, directory: string) {
  const postgres = file?.kind === 'postgres' ? (file.postgres ?? null) : null;
  return {
    source:
      postgres === null
        ? {
            kind: 'embedded' as const,
            folder: file?.folder === undefined ? join(state, 'store') : resolve(directory, file.folder),
          }
        : { kind: 'postgres' as const, ...completePostgres(postgres, directory) },
    retention: completeRetention(file?.retention),
    maxBytes: file?.maxBytes ?? (postgres === null ? 20 * 1024 ** 3 : null),
    sinks: (file?.sinks ?? []).map((sink) => completeSink(sink, directory)),
  };
}

function completePostgres(file: NonNullable<StoreFile['postgres']>, directory: string) {
  const place = readPlace(file.url) as DatabasePlace; // anything else was refused
  const toPath = (path: string | undefined): string | null =>
    path === undefined ? null : resolve(directory, path);
  return {
    place,
    tls: file.tls ?? (isNear(place.host) ? ('off' as const) : ('verify' as const)),
    authorities: toPath(file.authorities),
    passwordFile: toPath(file.passwordFile),
  };
}

function completeSink(sink: SinkFile, directory: string) {
  const limits = { records: sink.records ?? 50_000, bytes: 32 * 1_048_576 };
  const toPath = (path: string | undefined): string | null =>
    path === undefined ? null : resolve(directory, path);
  if (sink.kind === 'file') return { kind: sink.kind, limits, path: resolve(directory, sink.path!) }; // was checked
  if (sink.kind === 'otlp')
    return { kind: sink.kind, limits, url: sink.url!, headersFile: toPath(sink.headersFile) };
  const { host, port } = readAddress(sink.address!)!;
  return {
    kind: sink.kind,
    limits,
    host,
    port,
    transport: sink.transport ?? ('tls' as const),
    authorities: toPath(sink.authorities),
  };
}
