// The programs that are measured: ours and those beside it, each with its address, port, and the configuration that
// makes it do the same work as ours as far as it can. What each leaves out is said in results.md.

import { execFileSync } from 'node:child_process';
import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { relayFlags } from '../kernel/heap-room.ts';

/** What a program gets: a directory of its own, the lab's certificates, and what ours is measured with. */
export interface Setting {
  readonly directory: string;
  readonly files: string;
  readonly namespace: string;
  readonly workers: number;
  readonly rules: number;
}

/** One program. */
export interface Contender {
  readonly name: string;
  readonly host: string;
  readonly address: string;
  readonly port: number;
  /** Resolves names by /etc/hosts. */
  readonly readsHosts?: boolean;
  /** Starts as root and becomes the user by itself. */
  readonly becomesUser?: boolean;
  /** Nothing stands between. */
  readonly isDirect?: boolean;
  /** Writes its configuration and answers its command. */
  prepare(setting: Setting): readonly string[];
}

const program = (name: string) => join(import.meta.dirname, name);
const node = [process.execPath, '--disable-warning=ExperimentalWarning'];

function prepareOurs({ directory, files, workers, rules }: Setting): string[] {
  cpSync(join(files, 'origin-ca.pem'), join(directory, 'origin-ca.pem'));
  const flags =
    process.env['BENCH_PROFILE'] === undefined
      ? []
      : ['--cpu-prof', '--cpu-prof-dir', process.env['BENCH_PROFILE']];
  return [
    ...node,
    ...relayFlags,
    ...flags,
    program('intercept-worker.ts'),
    directory,
    '8444',
    '10.99.0.1',
    `${rules}`,
    `${workers}`,
  ];
}

function prepareSquid({ directory, files, namespace }: Setting): string[] {
  const config = `https_port 8443 intercept ssl-bump tls-cert=${files}/bump-both.pem generate-host-certificates=on dynamic_cert_mem_cache_size=64MB
http_port 3128
sslcrtd_program /usr/lib/squid/security_file_certgen -s ${directory}/ssl_db -M 16MB
sslcrtd_children 2 startup=1
tls_outgoing_options cafile=${files}/origin-ca.pem
acl step1 at_step SslBump1
ssl_bump peek step1
ssl_bump bump all
http_access allow all
cache deny all
access_log none
cache_log /dev/null
pid_filename none
workers 1
hosts_file /etc/netns/${namespace}/hosts
max_filedescriptors 19000
via off
shutdown_lifetime 0 seconds
`;
  writeFileSync(join(directory, 'squid.conf'), config);
  execFileSync(
    '/usr/lib/squid/security_file_certgen',
    ['-c', '-s', join(directory, 'ssl_db'), '-M', '16MB'],
    { stdio: 'ignore' },
  );
  execFileSync('chown', ['proxy', join(files, 'bump-both.pem')]);
  return ['squid', '-N', '-f', join(directory, 'squid.conf')];
}

/** TLS on both sides, connections to the server pooled: what one C program needs for the same work without policy. */
function prepareHaproxy({ directory, files }: Setting): string[] {
  const server = (alpn: string) =>
    `server s 10.99.0.4:443 ssl verify required ca-file ${files}/origin-ca.pem sni str(haproxy.test) alpn ${alpn}`;
  const config = `global
  nbthread 1
  maxconn 9000
  ssl-default-bind-options ssl-min-ver TLSv1.2
defaults
  mode http
  timeout connect 10s
  timeout client 600s
  timeout server 600s
  http-reuse always
frontend f
  bind :::8445 v4v6 ssl crt ${files}/origin-both.pem alpn h2,http/1.1
  use_backend h2 if { ssl_fc_alpn h2 }
  default_backend h1
backend h1
  ${server('http/1.1')}
backend h2
  ${server('h2')}
`;
  writeFileSync(join(directory, 'haproxy.cfg'), config);
  return ['haproxy', '-db', '-f', join(directory, 'haproxy.cfg')];
}

/** A relay of the bytes between two TLS connections that reads no HTTP. */
function prepareSslsplit({ files }: Setting): string[] {
  return ['sslsplit', '-k', `${files}/bump.key`, '-c', `${files}/bump.pem`, '-P', 'ssl', '0.0.0.0', '8446'];
}

function prepareMitmproxy({ directory, files }: Setting): string[] {
  cpSync(join(files, 'bump-both.pem'), join(directory, 'mitmproxy-ca.pem'));
  const set = (option: string) => ['--set', option];
  const trust = set(`ssl_verify_upstream_trusted_ca=${files}/origin-ca.pem`);
  const own = [...set(`confdir=${directory}`), ...trust, ...set('stream_large_bodies=1m')];
  return ['env', `HOME=${directory}`, 'mitmdump', '-q', '--mode', 'transparent', '-p', '8447', ...own];
}

const nodeProgram =
  (name: string, ...args: string[]) =>
  ({ directory, files }: Setting): string[] => [...node, program(name), directory, files, ...args];

const all: readonly Contender[] = [
  { name: 'ours', host: 'ours.test', address: '10.99.0.1', port: 8444, prepare: prepareOurs },
  {
    name: 'squid',
    host: 'squid.test',
    address: '10.99.0.2',
    port: 8443,
    readsHosts: true,
    becomesUser: true,
    prepare: prepareSquid,
  },
  { name: 'haproxy', host: 'haproxy.test', address: '10.99.0.4', port: 8445, prepare: prepareHaproxy },
  { name: 'sslsplit', host: 'sslsplit.test', address: '10.99.0.5', port: 8446, prepare: prepareSslsplit },
  { name: 'mitmproxy', host: 'mitmproxy.test', address: '10.99.0.6', port: 8447, prepare: prepareMitmproxy },
  {
    name: 'http-mitm-proxy',
    host: 'httpmitm.test',
    address: '10.99.0.7',
    port: 8448,
    readsHosts: true,
    prepare: nodeProgram('http-mitm-peer.ts', 'httpmitm.test', '8448'),
  },
  {
    name: 'node:http2',
    host: 'nodehttp2.test',
    address: '10.99.0.8',
    port: 8449,
    prepare: nodeProgram('node-http2-peer.ts', 'nodehttp2.test', '10.99.0.8', '8449'),
  },
  {
    name: 'no proxy',
    host: 'direct.test',
    address: '10.99.0.9',
    port: 443,
    isDirect: true,
    prepare: () => [],
  },
];

/** By name. */
export const contenders: Readonly<Record<string, Contender>> = Object.fromEntries(
  all.map((contender) => [contender.name, contender]),
);
