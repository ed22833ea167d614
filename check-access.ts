// What the schema cannot say of `access` and `listen.operatorTls` in `sallyport.yaml`: names that are plain, proxies that
// are no runners, files that are there and fit together. And both as the rest of the program has them.

import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { plainAddress } from './api/auth/client-address.ts';
import { tokensOnly, type AccessSettings, type GrantRule } from './api/auth/access-settings.ts';
import { isKeptPassword } from './api/auth/password.ts';
import { isPlainName } from './api/auth/trusted-header.ts';
import { entriesOf } from './check-dns.ts';
import type { ConfigFile } from './config-schema.ts';
import { cidrContains, parseAddress, parseCidr } from './flow/address.ts';
import type { ProblemList, ValuePath } from './policy/problem-list.ts';
import { readSecretLines } from './secret-lines.ts';

type AccessFile = NonNullable<ConfigFile['access']>;

const minuteMs = 60_000;
const dayMs = 1_440 * minuteMs;
const unitsMs: Readonly<Record<string, number>> = { m: minuteMs, h: 60 * minuteMs, d: dayMs };
/** Headers that say something else already. */
const taken = new Set(['authorization', 'cookie', 'host', 'origin', 'x-forwarded-for', 'x-reason']);

/** Reports who could never come in, and who could that should not. */
export function checkAccess(file: Partial<ConfigFile>, list: ProblemList, directory: string): void {
  if (file.listen?.operatorTls !== undefined) checkCertificate(file.listen.operatorTls, list, directory);
  const { access } = file;
  if (access === undefined) return;
  checkOrigin(file, access, list);
  checkPeersOf(file, access.proxies, ['access', 'proxies'], list);
  checkTimes(access, list);
  checkUsers(access, list);
  checkOidc(access, list, directory);
  checkTrustedHeader(file, access, list);
}

function checkOrigin(file: Partial<ConfigFile>, access: AccessFile, list: ProblemList): void {
  const { origin, users, oidc, trustedHeader, proxies } = access;
  if (origin === undefined) {
    if (users !== undefined || oidc !== undefined || trustedHeader !== undefined)
      list.error(['access'], 'browsers log in, and nothing says at which address', 'add "origin"');
    return;
  }
  const at = ['access', 'origin'];
  const url = URL.canParse(origin) ? new URL(origin) : null;
  if (url === null || url.origin !== origin || !isSafe(url)) {
    const remedy = 'write it like https://sallyport.corp.example, without a path';
    return list.error(at, `"${origin}" is no origin that browsers keep a login for`, remedy);
  }
  if (url.protocol === 'https:' && file.listen?.operatorTls === undefined && proxies === undefined)
    list.warn(
      at,
      'nothing here speaks TLS at that address',
      'set listen.operatorTls, or name the proxy that does under access.proxies',
    );
}

// Browsers keep Secure cookies of their own machine without TLS.
function isSafe({ protocol, hostname }: URL): boolean {
  if (protocol === 'https:') return true;
  return protocol === 'http:' && ['localhost', '127.0.0.1', '[::1]'].includes(hostname);
}

function checkTimes({ tokens, logins }: AccessFile, list: ProblemList): void {
  const { idle, longest } = logins ?? {};
  const longestMs = readDuration(longest ?? '12h');
  if (readDuration(tokens?.longest ?? '365d') > 366 * dayMs)
    list.error(['access', 'tokens', 'longest'], `"${tokens?.longest}" is longer than a year`, 'at most 366d');
  if (longestMs > 30 * dayMs)
    list.error(['access', 'logins', 'longest'], `"${longest}" is longer than a month`, 'at most 30d');
  if (readDuration(idle ?? '30m') > longestMs)
    list.error(
      ['access', 'logins', idle === undefined ? 'longest' : 'idle'],
      'a login is over by its age before it could be by idling',
      'make idle the shorter of the two',
    );
}

function checkUsers({ users }: AccessFile, list: ProblemList): void {
  const seen = new Set<string>();
  for (const [index, { name, password }] of entriesOf(users)) {
    const at = ['access', 'users', index];
    if (!isPlainName(name))
      list.error([...at, 'name'], 'it is no plain name', 'letters, digits and . _ @ + -, at most 128 in all');
    else if (seen.has(name))
      list.error([...at, 'name'], `"${name}" stands here twice`, 'name each user once');
    // What is no hash may be the password itself.
    if (password !== undefined && !isKeptPassword(password))
      list.error([...at, 'password'], 'this is no hash of a password', `run: sallyport user ${name}`);
    seen.add(name);
  }
}

function checkOidc({ oidc }: AccessFile, list: ProblemList, directory: string): void {
  if (oidc === undefined) return;
  const at = ['access', 'oidc'];
  const url = URL.canParse(oidc.issuer) ? new URL(oidc.issuer) : null;
  if (
    url === null ||
    url.protocol !== 'https:' ||
    url.search !== '' ||
    url.hash !== '' ||
    url.username !== ''
  )
    list.error(
      [...at, 'issuer'],
      'this is no https: URL without a query',
      'write it like https://id.corp.example',
    );
  if (oidc.clientSecretFile === undefined) return;
  const lines = readSecretLines(resolve(directory, oidc.clientSecretFile));
  // What is no file may be the secret itself.
  if (lines?.length !== 1)
    list.error(
      [...at, 'clientSecretFile'],
      lines === null ? 'it names no file that can be read' : 'the file does not hold one line',
      'write the secret as one line into a file, and its name here',
    );
}

function checkTrustedHeader(
  file: Partial<ConfigFile>,
  { trustedHeader }: AccessFile,
  list: ProblemList,
): void {
  if (trustedHeader === undefined) return;
  const at = ['access', 'trustedHeader'];
  const { name, peers } = trustedHeader;
  if (!/^[A-Za-z0-9-]{1,64}$/.test(name) || taken.has(name.toLowerCase()))
    list.error([...at, 'name'], `"${name}" cannot name the user`, 'choose a header such as x-forwarded-user');
  checkPeersOf(file, peers, [...at, 'peers'], list);
}

/** Whoever speaks from one of them is believed. */
function checkPeersOf(
  file: Partial<ConfigFile>,
  peers: readonly string[] | undefined,
  at: ValuePath,
  list: ProblemList,
): void {
  const networks = entriesOf(file.runners?.networks).flatMap(([, text]) => parseCidr(text) ?? []);
  for (const [index, text] of entriesOf(peers)) {
    const bytes = parseAddress(text);
    if (bytes === null)
      list.error([...at, index], `"${text}" is no address`, 'name each proxy by its own, like 10.0.0.5');
    else if (networks.some((network) => cidrContains(network, bytes)))
      list.error([...at, index], `"${text}" is a runner’s address`, 'a runner could then speak for anybody');
  }
}

function checkCertificate(
  files: { readonly certFile: string; readonly keyFile: string },
  list: ProblemList,
  directory: string,
): void {
  const at = ['listen', 'operatorTls'];
  const certificate = tryRead(files.certFile, directory, (pem) => new X509Certificate(pem));
  const key = tryRead(files.keyFile, directory, createPrivateKey);
  if (certificate === null)
    list.error([...at, 'certFile'], `"${files.certFile}" holds no certificate`, 'name a readable PEM file');
  if (key === null)
    list.error([...at, 'keyFile'], `"${files.keyFile}" holds no private key`, 'name a readable PEM file');
  if (certificate === null || key === null) return;
  if (!certificate.checkPrivateKey(key))
    list.error([...at, 'keyFile'], 'it is not the key of the certificate', 'name the key that belongs to it');
  if (Date.parse(certificate.validTo) < Date.now())
    list.warn([...at, 'certFile'], `it ended on ${certificate.validTo}`, 'renew it');
}

function tryRead<T>(path: string, directory: string, read: (pem: Buffer) => T): T | null {
  try {
    return read(readFileSync(resolve(directory, path)));
  } catch {
    return null;
  }
}

function readDuration(text: string): number {
  return Number(text.slice(0, -1)) * (unitsMs[text.at(-1)!] ?? 0);
}

/** `listen.operatorTls` of a file that was checked. */
export function completeOperatorTls(listen: ConfigFile['listen'], directory: string) {
  const files = listen?.operatorTls;
  if (files === undefined) return null;
  return { certFile: resolve(directory, files.certFile), keyFile: resolve(directory, files.keyFile) };
}

/** `access` of a file that was checked. */
export function completeAccess(access: ConfigFile['access'], directory: string): AccessSettings {
  if (access === undefined) return tokensOnly;
  const { origin, proxies, tokens, logins, users, oidc, trustedHeader } = access;
  return {
    origin: origin ?? null,
    proxies: addressesOf(proxies),
    longestTokenMs: readDuration(tokens?.longest ?? '365d'),
    logins: {
      idleMs: readDuration(logins?.idle ?? '30m'),
      longestMs: readDuration(logins?.longest ?? '12h'),
    },
    users: (users ?? []).map(({ name, password, role, owners = null }) => ({ name, password, role, owners })),
    oidc: oidc === undefined ? null : completeOidc(oidc, directory),
    trustedHeader:
      trustedHeader === undefined
        ? null
        : {
            name: trustedHeader.name.toLowerCase(),
            peers: addressesOf(trustedHeader.peers),
            roles: rulesOf(trustedHeader.roles),
          },
  };
}

function completeOidc(oidc: NonNullable<AccessFile['oidc']>, directory: string) {
  const { issuer, clientId, clientSecretFile, scopes = ['profile'], nameClaim, roleClaim, roles } = oidc;
  return {
    issuer,
    clientId,
    clientSecretFile: clientSecretFile === undefined ? null : resolve(directory, clientSecretFile),
    scopes: [...new Set(['openid', ...scopes])],
    nameClaim: nameClaim ?? 'sub',
    roleClaim: roleClaim ?? 'groups',
    roles: rulesOf(roles),
  };
}

function rulesOf(rules: NonNullable<AccessFile['oidc']>['roles']): GrantRule[] {
  return rules.map(({ value, role, owners = null }) => ({ value, role, owners }));
}

function addressesOf(texts: readonly string[] | undefined): string[] {
  return (texts ?? []).flatMap((text) => plainAddress(text) ?? []);
}
