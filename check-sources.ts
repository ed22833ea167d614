// What the schema cannot say of `kubernetes`, `claims` and `confirm` in `sallyport.yaml`: servers that can be asked, and
// files that are there.

import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { entriesOf } from './check-dns.ts';
import { completeServers } from './check-servers.ts';
import type { ConfigFile } from './config-schema.ts';
import type { Platform } from './flow/job.ts';
import { serversOf } from './flow/platform-server.ts';
import { canonicaliseHost } from './policy/canonicalise-host.ts';
import type { ProblemList, ValuePath } from './policy/problem-list.ts';

const inPod = '/var/run/secrets/kubernetes.io/serviceaccount';

/** Reports a cluster that cannot be asked. */
export function checkKubernetes(
  { kubernetes }: Partial<ConfigFile>,
  list: ProblemList,
  directory: string,
): void {
  if (kubernetes === undefined) return;
  const { namespaces, server, caFile, tokenFile } = kubernetes;
  const at: ValuePath = ['kubernetes', 'namespaces'];
  if (namespaces.includes('*') && namespaces.length > 1)
    list.error(at, '"*" is every namespace already', 'write it alone, or name them');
  else if (namespaces.includes('*'))
    list.warn(
      at,
      'whoever may make pods in any namespace can speak for a job',
      'name the runners’ namespaces',
    );
  if (server !== undefined && readServer(server) === null)
    list.error(
      ['kubernetes', 'server'],
      `"${server}" is no https: URL of a server alone`,
      'write it like https://192.0.2.20:6443',
    );
  for (const [key, file] of Object.entries({
    caFile: caFile ?? `${inPod}/ca.crt`,
    tokenFile: tokenFile ?? `${inPod}/token`,
  }))
    if (!existsSync(resolve(directory, file)))
      list.warn(['kubernetes'], `there is no ${file} now`, `no pod is known until "${key}" is there`);
}

function readServer(text: string): { host: string; port: number } | null {
  if (!URL.canParse(text)) return null;
  const { protocol, hostname, port, pathname, search, username, password } = new URL(text);
  const isBare = pathname === '/' && search === '' && username === '' && password === '';
  const host = canonicaliseHost(hostname.replace(/^\[|\]$/g, ''));
  if (protocol !== 'https:' || !isBare || host.kind === 'ambiguous') return null;
  return {
    host: host.kind === 'name' ? host.name : host.address,
    port: port === '' ? 443 : Number(port),
  };
}

/** Reports forges that nobody knows, and tokens that are not there. */
export function checkConfirm(file: Partial<ConfigFile>, list: ProblemList, directory: string): void {
  const known = serversOf([], completeServers(file.servers)).map(({ server }) => server);
  const seen = new Set<string>();
  for (const [index, { server, tokenFile }] of entriesOf(file.confirm)) {
    const at: ValuePath = ['confirm', index];
    const host = server.toLowerCase();
    if (!known.includes(host))
      list.error(
        [...at, 'server'],
        `"${server}" is none of the known servers`,
        'name it under `servers` too',
      );
    if (seen.has(host)) list.error([...at, 'server'], `"${server}" stands here twice`, 'name it once');
    seen.add(host);
    // What is no file may be the token itself.
    if (!existsSync(resolve(directory, tokenFile)))
      list.warn([...at, 'tokenFile'], 'it names no file that is there', 'no claim is confirmed until it is');
  }
  if (file.claims?.trust === 'never' && seen.size > 0)
    list.warn(['confirm'], 'with `claims.trust: never` nothing is confirmed', 'remove one of them');
}

/** A cluster as it is watched. */
export function completeKubernetes(file: ConfigFile['kubernetes'], directory: string) {
  if (file === undefined) return null;
  const { namespaces, labelSelector = null, caFile, tokenFile, ephemeralRunners = true } = file;
  // A URL that is none was refused.
  const server = readServer(file.server ?? 'https://kubernetes.default.svc') ?? { host: '', port: 443 };
  return {
    ...server,
    namespaces: namespaces.includes('*') ? null : namespaces,
    labelSelector,
    caFile: resolve(directory, caFile ?? `${inPod}/ca.crt`),
    tokenFile: resolve(directory, tokenFile ?? `${inPod}/token`),
    ephemeralRunners,
  };
}

/** A forge that is asked about claims. */
export interface ConfirmServer {
  readonly server: string;
  readonly platform: Platform;
  readonly tokenFile: string;
}

/** The forges of a file that was checked. */
export function completeConfirm(
  file: Pick<ConfigFile, 'confirm' | 'servers'>,
  directory: string,
): readonly ConfirmServer[] {
  const known = serversOf([], completeServers(file.servers));
  return (file.confirm ?? []).flatMap(({ server, tokenFile }) => {
    const found = known.find((one) => one.server === server.toLowerCase());
    if (found === undefined) return [];
    return [{ server: found.server, platform: found.platform, tokenFile: resolve(directory, tokenFile) }];
  });
}
