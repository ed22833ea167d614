// sallyport.yaml: every problem of a file at once with its place and remedy, what is odd as a warning, and the
// defaults that depend on other keys.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import t from 'tap';
import { configSchema } from '../../config-schema.ts';
import { readConfig, type Config } from '../../config.ts';
import { listConfigKeys } from '../../docs/write-config-reference.ts';
import { InvalidInputError, type Problem } from '../../flow/errors.ts';
import { serversOf } from '../../flow/platform-server.ts';
import { TestAuthority } from '../../netns/authority.ts';
import { DeclaredJobs } from '../../jobs/declared.ts';
import { loadOptionsOf } from '../../load-options.ts';
import { problemsOf } from '../policy/judge.ts';

const directory = mkdtempSync(join(tmpdir(), 'config-'));
t.teardown(() => rmSync(directory, { recursive: true }));
const head = 'version: 1\npolicy: policy.yaml\n';
const user = `ci:scrypt:${'A'.repeat(22)}==:${'A'.repeat(43)}=`;
const base = `${head}runners: {interfaces: [lo], networks: [10.77.0.0/16]}\n`;

interface Read {
  readonly config: Config | null;
  /** `line:column severity`, then message and remedy. */
  readonly lines: readonly string[];
}

function read(text: string): Read {
  const path = join(directory, 'sallyport.yaml');
  writeFileSync(path, text);
  const problems: Problem[] = [];
  let config: Config | null = null;
  try {
    config = readConfig(path, (problem) => problems.push(problem));
  } catch (error) {
    if (!(error instanceof InvalidInputError)) throw error;
    problems.push(...error.problems);
  }
  const lines = problems.map(
    ({ line, column, severity, message, remedy }) => `${line}:${column} ${severity} ${message}; ${remedy}`,
  );
  return { config, lines };
}

const kept = `scrypt$32768$8$1$${'A'.repeat(22)}$${'A'.repeat(43)}`;
const pair = new TestAuthority('test').issue(['sallyport.test']);
const other = new TestAuthority('test').issue(['sallyport.test']);
for (const [name, text] of Object.entries({
  'op.pem': pair.certificate,
  'op.key': pair.key,
  'other.key': other.key,
  'two.secret': 'a\nb\n',
  'oidc.secret': 's3cret\n',
}))
  writeFileSync(join(directory, name), text);

const accessRows: readonly (readonly [text: string, ...expected: string[]])[] = [
  [`${base}access: {tokens: {longest: 30d}}\n`],
  [`${base}access: {}\n`, '4:9 error access '],
  [
    `${base}access: {tokens: {longest: 400d}, logins: {idle: 13h}}\n`,
    '4:28 error "400d" is longer than a year; at most 366d',
    '4:50 error a login is over by its age before it could be by idling',
  ],
  [
    `${base}access:\n  users:\n    - {name: alice, role: admin, password: s3cret}\n    - {name: "a#b", role: viewer, password: ${kept}}\n    - {name: alice, role: viewer, password: "scrypt$1024$8$1$${kept.slice(17)}"}\n`,
    '5:3 error browsers log in, and nothing says at which address; add "origin"',
    '6:44 error this is no hash of a password; run: sallyport user alice',
    '7:14 error it is no plain name',
    '8:14 error "alice" stands here twice',
    '8:45 error this is no hash of a password',
  ],
  [
    `${base}access: {origin: "https://s.test/x"}\n`,
    '4:18 error "https://s.test/x" is no origin that browsers keep a login for',
  ],
  [`${base}access: {origin: "http://s.test"}\n`, '4:18 error "http://s.test" is no origin'],
  [`${base}access: {origin: "https://s.test"}\n`, '4:18 warning nothing here speaks TLS at that address'],
  [`${base}access: {origin: "http://localhost:9440"}\n`],
  [
    `${base}access:\n  origin: https://s.test\n  proxies: [10.0.0.5, 10.77.0.9, proxy.test]\n  trustedHeader: {name: Cookie, peers: ["::ffff:10.77.0.9"], roles: [{value: "*", role: viewer}]}\n`,
    '6:23 error "10.77.0.9" is a runner’s address; a runner could then speak for anybody',
    '6:34 error "proxy.test" is no address',
    '7:25 error "Cookie" cannot name the user',
    '7:41 error "::ffff:10.77.0.9" is a runner’s address',
  ],
  [
    `${base}listen: {operatorTls: {certFile: op.pem, keyFile: op.key}}\naccess:\n  origin: https://s.test\n  oidc: {issuer: "https://id.test", clientId: s, clientSecretFile: oidc.secret, roles: [{value: a, role: admin}]}\n`,
  ],
  [
    `${base}listen: {operatorTls: {certFile: op.pem, keyFile: other.key}}\naccess:\n  origin: https://s.test\n  oidc: {issuer: "http://id.test", clientId: s, clientSecretFile: two.secret, roles: [{value: a, role: root}]}\n`,
    '4:51 error it is not the key of the certificate',
    '7:18 error this is no https: URL',
    '7:67 error the file does not hold one line',
    '7:104 error access.oidc.roles[0].role cannot be "root"; one of: viewer, operator, admin',
  ],
  [
    `${base}listen: {operatorTls: {certFile: none.pem, keyFile: op.pem}}\n`,
    '4:34 error "none.pem" holds no certificate',
    '4:53 error "op.pem" holds no private key',
  ],
];

t.test('what cannot work is refused at its place, and what works by halves is warned of', async (t) => {
  const rows: readonly (readonly [text: string, ...expected: string[]])[] = [
    [base],
    ['version: 1\n', '1:1 error the file lacks "policy"', '1:1 error the file lacks "runners"'],
    [`${head}runners: 5\n`, '3:10 error runners must be a mapping of keys'],
    [`${head}runners: {networks: [192.0.2.0/24]}\n`, '3:22 error no interface has an address'],
    [`${head}runners: {networks: [127.0.0.0/8, 192.0.2.0/24]}\n`, '3:35 error no interface has an address'],
    ['', '1:1 error the file is no mapping of keys'],
    [
      `${head}runners: {interfaces: [], networks: [10.0.0.0/8]}\n`,
      '3:23 error without an interface no runner',
    ],
    [
      `${head}mode: steer\nrunners: {interfaces: [], networks: [10.0.0.0/8]}\n`,
      '4:23 error without an interface no runner is guarded; name the interface',
    ],
    [`${head}mode: sidecar\nrunners: {interfaces: [], networks: [10.0.0.0/8]}\n`],
    [`${head}runners: {interfaces: [lo], networks: []}\n`, '3:39 error without a network every packet'],
    [
      `${head}runners: {interfaces: [lo, nosuch0], networks: [10.0.0.0/8, 10.1.0.1/8, 5]}\n`,
      '3:28 warning there is no interface "nosuch0" now',
      '3:61 error "10.1.0.1/8" is no network; write it like 10.77.0.0/16',
      '3:73 error runners.networks[2] must be a string',
    ],
    [
      `${head}runners: {interfaces: [a/b], networks: [::/0]}\n`.replace('::/0', '"::/0"'),
      '3:24 error "a/b" cannot be the name of an interface',
      '3:41 warning "::/0" is everybody',
    ],
    [`${base}external: {interface: "x;y"}\n`, '4:23 error "x;y" cannot be the name of an interface'],
    [
      `${base}addresses: [10.77.0.256, 0.0.0.0]\n`,
      '4:13 error "10.77.0.256" is no address',
      '4:26 error "0.0.0.0"',
    ],
    [
      `${base}dns: {forward: [{zone: corp..example, upstreams: [{address: 10.0.0.53}]}]}\n`,
      '4:24 error "corp..example" is no name; write it like corp.example',
    ],
    [
      `${base}dns: {forward: [{zone: a b, upstreams: [{address: 10.0.0.53}]}]}\n`,
      '4:24 error "a b" is no name',
    ],
    [`${base}dns: {forward: [{zone: ., upstreams: [{address: 10.0.0.53}]}]}\n`, '4:24 error "." is no name'],
    [
      `${base}dns: {forward: [{zone: "*.corp.example", upstreams: [{address: 10.0.0.53}]}]}\n`,
      '4:24 error "*.corp.example" is no name; write "corp.example", which covers what is under it',
    ],
    [
      `${base}dns: {forward: [{zone: a.example, upstreams: [{address: ns.example}, {address: 0.0.0.0}]}, {zone: A.example., upstreams: [{address: 10.0.0.53}]}]}\n`,
      '4:57 error "ns.example" is no address; a name cannot stand here',
      '4:80 error "0.0.0.0" is no address of a server',
      '4:99 error the zone "a.example" stands here twice',
    ],
    [
      `${base}dns: {upstreams: [{address: 192.0.2.1, tls: "a b"}], searchDomains: [x..y], gatewayName: 10.0.0.1}\n`,
      '4:45 error "a b" is no name; write the name on its certificate',
      '4:70 error "x..y" is no name',
      '4:90 error "10.0.0.1" is no name',
    ],
    [
      `${base}dns: {upstreams: [{address: 192.0.2.1, https: "a b"}, {address: 192.0.2.1, path: /q}]}\n`,
      '4:47 error "a b" is no name; write the name on its certificate',
      '4:82 error `path` is of use with `https` only; write `https`, or leave it out',
    ],
    [
      `${base}dns: {upstreams: [{address: 192.0.2.1, https: a.example, tls: a.example}]}\n`,
      '4:47 error `tls` and `https` stand here together; write one of them',
    ],
    [
      `${base}steer: {pool: [127.0.0.0/24]}\n`,
      '4:15 error virtual addresses belong to mode steer; set mode: steer, or remove it',
      '4:16 error "127.0.0.0/24" is not a private range',
    ],
    [
      `${base}mode: steer\nkernel: {backend: none}\nsteer: {pool: [10.77.128.0/24]}\n`,
      '6:15 error without kernel rules nothing can be led to them; choose another backend',
      '6:16 warning no interface is in a network with "10.77.128.0/24"; runners need a route to it',
    ],
    [
      `${base}mode: steer\naddresses: [10.77.128.1]\njobs: [{repository: a/b, addresses: [10.77.128.9]}]\nsteer: {pool: [10.77.128.0/24, 10.77.128.128/25, x, 10.76.0.0/15]}\n`,
      '7:16 error "10.77.128.0/24" holds the gateway’s own address 10.77.128.1; choose another range',
      '7:16 error "10.77.128.0/24" holds 10.77.128.9, which is a runner of jobs; choose another range',
      '7:16 warning',
      '7:32 error "10.77.128.128/25" overlaps another range of the pool; name each once',
      '7:32 warning',
      '7:50 error "x" is no network; write it like 10.77.128.0/24',
      '7:53 error "10.76.0.0/15" overlaps another range of the pool',
      '7:53 error "10.76.0.0/15" holds the gateway’s own address 10.77.128.1',
      '7:53 error "10.76.0.0/15" leaves no address of 10.77.0.0/16 to runners; choose a part of it',
      '7:53 error "10.76.0.0/15" holds 10.77.128.9, which is a runner of jobs',
      '7:53 warning',
    ],
    [
      `${base}jobs: [{repository: a/b, addresses: [10.77.1.9]}]\nlisten: {proxyProtocolPeers: [x, 10.77.1.0/24, 10.77.1.9/32, 10.77.1.250/32, 10.78.0.0/24]}\n`,
      '5:31 error "x" is no network; write it like 10.77.0.250/32',
      '5:34 error "10.77.1.0/24" holds addresses of runners, which could then speak for each other',
      '5:34 error "10.77.1.0/24" holds 10.77.1.9, which is a runner of jobs; name others',
      '5:48 error "10.77.1.9/32" holds 10.77.1.9, which is a runner of jobs; name others',
    ],
    [`${base}listen: {operator: 999.1.1.1:9440}\n`, '4:20 error "999.1.1.1:9440" is no address and port'],
    [`${base}listen: {operator: 127.0.0.1:99999}\n`, '4:20 error "127.0.0.1:99999" is no address and port'],
    [`${base}listen: {operator: localhost:9440}\n`, '4:20 error "localhost:9440" is no address and port'],
    [`${base}listen: {operator: 0.0.0.0:9440}\n`, '4:20 warning "0.0.0.0:9440" listens on every interface'],
    [`${base}listen: {operator: "[::]:9440"}\n`, '4:20 warning "[::]:9440" listens on every interface'],
    [`${base}listen: {operator: "[::1]:9440"}\n`],
    [`${base}listen: {worker: 65530}\nworkers: 8\n`, '4:18 error 8 workers need the ports 65530 to 65537'],
    [`${base}listen: {worker: 9440}\nworkers: 4\n`, '4:9 error port 9441 is that of listen.worker too'],
    [`${base}listen: {explicit: 9441}\n`, '4:20 error port 9441 is that of listen.runner too'],
    [
      `${base}limits: {connections: 100, connectionsPerRunner: 101}\n`,
      '4:50 error one runner may not have more than the 100 connections in all; at most 100',
    ],
    [
      `${base}limits: {drainSeconds: 3000000}\n`,
      '4:24 error limits.drainSeconds is not acceptable: must be <= 604800',
    ],
    [`${base}limits: {connections: 2000000000}\n`, '4:23 warning 2000000000 connections need more than the'],
    [
      `${base}workers: 3\nrecords: {maxTotalBytes: 1048576, maxSegmentBytes: 262145}\n`,
      '5:26 error 4 processes have an open segment each: 1048580 bytes in all; raise maxTotalBytes',
    ],
    [
      `${base}workers: 31\nrecords: {maxTotalBytes: 1048576}\n`,
      '5:26 error 32 processes have an open segment each: 2097152 bytes in all',
    ],
    [`${base}workers: 3\nrecords: {maxTotalBytes: 1048576, maxSegmentBytes: 262144}\n`],
    [`${base}kernel: {table: "a; flush ruleset"}\n`, '4:17 error "a; flush ruleset" cannot name the table'],
    [
      `${base}kernel: {backend: iptables, table: sallyport_runner}\n`,
      '4:36 error "sallyport_runner" cannot name',
    ],
    [`${base}kernel: {guardMark: 4294967296}\n`, '4:21 error kernel.guardMark is not acceptable'],
    [`${base}users: {control: 7, worker: 7}\n`, '4:8 error control and workers are both user 7'],
    [`${base}listen: {explicit: 3128}\nexplicit: {users: ["${user}"]}\n`],
    [`${base}explicit: {users: ["${user}"]}\n`, '4:11 error there is no explicit proxy to use'],
    [
      `${base}listen: {explicit: 3128}\nexplicit: {users: ["ci:secret"], usersFile: nosuch}\n`,
      '5:20 error this is no user with a hashed secret',
      '5:45 error "nosuch" cannot be read',
    ],
    [
      `${base}listen: {explicit: 3128}\nexplicit: {usersFile: sallyport.yaml}\n`,
      '5:23 error "sallyport.yaml" holds other lines than users',
    ],
    [`${base}upstreamProxy: {address: "[2001:db8::1]:3128", noProxy: [a.example, .b.example, 10.0.0.0/8]}\n`],
    [
      `${base}listen: {explicit: 3128}\nexplicit: {users: []}\n`,
      '5:19 error a list of nobody would let every',
    ],
    [`${base}listen: {explicit: 443}\n`, '4:20 error port 443 of the gateway is led to workers'],
    [`${base}listen: {http: 8080}\n`, '4:16 warning it is of use with `kernel.backend: none` only'],
    [
      `${base}upstreamProxy: {address: "u:s3cret@a:1"}\n`,
      '4:26 error credentials do not belong here; write it',
    ],
    [
      `${base}upstreamProxy: {address: "a:1", credentials: "u:s3cret"}\n`,
      '4:46 error no file is named here; write',
    ],
    [`${base}upstreamProxy: {address: proxy.example}\n`, '4:26 error "proxy.example" is no host and port'],
    [
      `${base}upstreamProxy: {address: "a:1", noProxy: ["*.b.example", 10.0.0.1/8], credentials: sallyport.yaml}\n`,
      '4:43 error "*.b.example" is no host, suffix or range',
      '4:58 error "10.0.0.1/8" is no host, suffix or range',
      '4:84 error "sallyport.yaml" does not hold one line user:secret',
    ],
    [
      `${base}tls: {extraAuthorities: [nosuch.pem, sallyport.yaml]}\n`,
      '4:26 error "nosuch.pem" cannot be read',
      '4:38 error "sallyport.yaml" holds no certificate',
    ],
    [
      `${base}tls: {upstreams: [{host: "a b.example", authorities: [nosuch.pem]}, {host: "**.corp.example", authorities: []}]}\n`,
      '4:26 error "a b.example" is no host',
      '4:55 error "nosuch.pem" cannot be read',
    ],
    [
      `${base}jobs: [{addresses: [10.77.0.2, 10.99.0.2, x]}, {addresses: [10.77.0.2/32, 10.77.1.0/24]}, {fork: true}]\n`,
      '4:32 warning "10.99.0.2" is in none of runners.networks',
      '4:43 error "x" is no address or network',
      '4:61 error "10.77.0.2/32" belongs to jobs[0] too',
      '4:91 error jobs[2] lacks "addresses"',
    ],
    [
      `${base}registries:\n  - {ecosystem: npm, hosts: ["*.example.com/npm/*", "*.example", nexus.example/a?b, "x*.a.example"]}\n  - {ecosystem: npm, hosts: ["*.example.com/npm/*", "a.example/a/../b"]}\n`,
      '5:53 error "*.example" is no host with a path; write it like nexus.corp.example/repository/npm',
      '5:66 error "nexus.example/a?b" is no host',
      '5:85 error "x*.a.example" is no host',
      '6:30 error "*.example.com/npm/*" stands here twice',
      '6:53 error "a.example/a/../b" is no host',
    ],
    [
      `${base}servers:\n  - {platform: github, server: "https://x"}\n  - {platform: gitlab, server: github.com}\n  - {platform: github, server: ghes.example, hosts: ["*", api.github.com, a.ghes.example]}\n  - {platform: gitlab, server: GHES.example}\n  - {platform: github, server: api.github.com}\n`,
      '5:32 error "https://x" is no host; write it like ghes.corp.example',
      '6:16 error github.com is one of github; write github',
      '7:54 error "*" is no host',
      '7:59 error "api.github.com" is a host of github.com; a host belongs to one server',
      '8:32 error ghes.example is servers[2] too; name it once',
      '9:32 error api.github.com is a host of github.com; write github.com',
    ],
    [
      `${base}servers: [{platform: gitlab, server: scm.example}]\njobs: [{addresses: [10.77.0.9], server: scm.example}]\n`,
      '5:41 error scm.example is one of gitlab; write platform: gitlab',
    ],
    [
      `${base}kubernetes: {namespaces: ["*", ci], server: "http://10.0.0.1:6443/x", caFile: policy.yaml, tokenFile: none}\n`,
      '4:13 warning there is no policy.yaml now; no pod is known until "caFile" is there',
      '4:13 warning there is no none now; no pod is known until "tokenFile" is there',
      '4:26 error "*" is every namespace already; write it alone, or name them',
      '4:45 error "http://10.0.0.1:6443/x" is no https: URL of a server alone',
    ],
    [
      `${base}servers: [{platform: gitlab, server: scm.example}]\nclaims: {trust: never}\nconfirm: [{server: SCM.example, tokenFile: s3cret}, {server: scm.example, tokenFile: s3cret}, {server: other.example, tokenFile: s3cret}]\n`,
      '6:10 warning with `claims.trust: never` nothing is confirmed; remove one of them',
      '6:44 warning it names no file that is there; no claim is confirmed until it is',
      '6:62 error "scm.example" stands here twice; name it once',
      '6:86 warning it names no file that is there; no claim is confirmed until it is',
      '6:104 error "other.example" is none of the known servers; name it under `servers` too',
      '6:130 warning it names no file that is there; no claim is confirmed until it is',
    ],
    [`${base}registries: [{ecosystem: perl, hosts: [a.example]}]\n`, '4:26 error registries[0].ecosystem'],
    [
      `${base}malware: {files: [/nowhere/feed.ndjson]}\n`,
      '4:19 warning there is no /nowhere/feed.ndjson now; every package',
    ],
    [`${base}store: {kind: postgres}\n`, '4:15 error there is no database; add "postgres" with its url'],
    [
      `${base}store:\n  kind: postgres\n  folder: a\n  postgres: {url: "postgres://u:s3cret@db/x", passwordFile: two.secret}\n`,
      '6:11 error PostgreSQL keeps its own files; remove it',
      '7:19 error a password does not belong here; write it into a file',
      '7:61 error it names no file with one line',
    ],
    [
      `${base}store: {kind: postgres, postgres: {url: "postgres://u@db.example/x", tls: off}}\n`,
      '4:75 warning records and the password cross the network in the clear; set tls: verify',
    ],
    [
      `${base}store: {postgres: {url: "mysql://u@db/x"}, retention: {request: 90, jobs: 30}}\n`,
      '4:19 error the store is embedded; add kind: postgres, or remove it',
      '4:25 error this is no URL of a database; write it like postgres://',
      '4:75 error jobs would go before their flows (connection); keep jobs at least as long',
    ],
    [
      `${base}store:\n  sinks:\n  - {kind: file}\n  - {kind: syslog, address: siem, url: "https://a"}\n  - {kind: otlp, url: "https://u:s3cret@a/v1/logs"}\n`,
      '6:5 error it does not say where to; add "path"',
      '7:29 error "siem" is no host and port; write it like siem.corp.example:6514',
      '7:40 error a sink of kind syslog has no "url"; remove it',
      '8:23 error this is no http: or https: URL without credentials; write it like',
    ],
    ...accessRows,
    [`${base}kernell: {}\n`, '4:1 error unknown key "kernell"; did you mean "kernel"?'],
  ];
  for (const [text, ...expected] of rows) {
    const { config, lines } = read(text);
    t.equal(lines.length, expected.length, `${text}\n${lines.join('\n')}`);
    t.notMatch(lines.join('\n'), /s3cret/);
    expected.forEach((start, index) =>
      t.ok(lines[index]?.startsWith(start), `${text}${start}\n${lines[index]}`),
    );
    t.equal(
      config === null,
      expected.some((line) => line.includes(' error ')),
      text,
    );
  }
});

t.test('the interface of the runners is found by its address, never the one that leads everywhere', (t) => {
  const { interfaces } = read(`${head}runners: {networks: [127.0.0.0/8]}\n`).config!.runners;
  t.strictSame(interfaces, ['lo']);
  const { stdout } = spawnSync('ip', ['-4', 'route', 'get', '203.0.113.1'], { encoding: 'utf8' });
  const source = / src (\S+)/.exec(stdout)?.[1];
  if (source !== undefined)
    t.match(read(`${head}runners: {networks: [${source}/32]}\n`).lines, [/no interface has an address in/]);
  t.end();
});

t.test('a default follows the keys that it depends on', async (t) => {
  const config = (text: string): Config => read(base + text).config!;
  t.match(config('limits: {connections: 1000}\n').limits, { connections: 1000, connectionsPerRunner: 800 });
  t.match(config('limits: {connections: 1}\n').limits, { connectionsPerRunner: 1 });
  t.match(config('limits: {connections: 100, connectionsPerRunner: 100}\n').limits, {
    connectionsPerRunner: 100,
  });
  t.match(config('workers: 3\n').records, { maxSegmentBytes: 67_108_864, maxTotalBytes: 4_294_967_296 });
  t.match(config('workers: 3\nrecords: {maxTotalBytes: 1048576}\n').records, { maxSegmentBytes: 131_072 });
  t.match(config('workers: 15\nrecords: {maxTotalBytes: 1048576}\n').records, { maxSegmentBytes: 65_536 });
  t.same(config('addresses: ["::ffff:10.77.0.1", "FD77:0::1"]\n').addresses, {
    v4: ['10.77.0.1'],
    v6: ['fd77::1'],
  });
  const { dns } = config(
    'dns: {forward: [{zone: CORP.Example., upstreams: [{address: 10.0.0.53, tls: ns.corp.example}]}]}\n',
  );
  t.same(dns.forward, [
    {
      zone: 'corp.example',
      upstreams: [{ address: '10.0.0.53', port: 853, tls: 'ns.corp.example', https: null }],
    },
  ]);
});

t.test('a server of one’s own has its hosts, and is believed unless it is said not to be', async (t) => {
  const { servers } = read(
    `${base}servers:\n  - {platform: gitlab, server: SCM.Corp.example, hosts: [kas.corp.example]}\n  - {platform: gitlab, server: gitlab.com, jobs: false}\n`,
  ).config!;
  t.same(servers, [
    {
      platform: 'gitlab',
      server: 'scm.corp.example',
      hosts: [
        { host: 'scm.corp.example', role: 'web' },
        { host: 'registry.scm.corp.example', role: 'container' },
        { host: 'kas.corp.example', role: 'service' },
      ],
    },
    {
      platform: 'gitlab',
      server: 'gitlab.com',
      hosts: [
        { host: 'gitlab.com', role: 'web' },
        { host: 'registry.gitlab.com', role: 'container' },
      ],
      believed: false,
    },
  ]);
  t.same(
    serversOf([], servers).map(({ server }) => server),
    ['github.com', 'gitlab.com', 'scm.corp.example'],
  );
});

t.test('a scope may match by what some source of jobs supplies, and by nothing else', async (t) => {
  const scopes =
    'version: 1\nmode: block\nscopes: [{id: a, mode: audit, match: {project: a/b}}, {id: b, mode: audit, match: {runnerGroup: g}}]\n';
  const noGitlab = 'servers: [{platform: gitlab, server: gitlab.com, jobs: false}]\n';
  const job = (address: string) => `jobs: [{addresses: [${address}], platform: gitlab, repository: a/b}]\n`;
  const project = '3:39 error no configured source of jobs supplies "project"';
  const group = '3:97 warning no job of the configuration says its "runnerGroup"';
  const rows: readonly (readonly [title: string, text: string, ...expected: string[]])[] = [
    ['both platforms are believed', ''],
    ['GitLab is not', noGitlab, project],
    ['a declared job says it', `${noGitlab}${job('10.77.0.9')}`],
    ['every runner is declared, and so never asked', job('10.77.0.0/16'), group],
  ];
  for (const [title, text, ...expected] of rows) {
    const config = read(`${base}${text}`).config!;
    const found = problemsOf(scopes, {}, loadOptionsOf(config, new DeclaredJobs(config.jobs)));
    const lines = found.map(
      ({ line, column, severity, message }) => `${line}:${column} ${severity} ${message}`,
    );
    t.equal(lines.length, expected.length, `${title}: ${lines.join('; ')}`);
    expected.forEach((start, index) => t.ok(lines[index]?.startsWith(start), `${title}: ${lines[index]}`));
  }
});

t.test('registries of one’s own are named by their host, or by what stands there', async (t) => {
  const { registries, malware } = read(
    `${base}registries:\n  - {ecosystem: npm, hosts: [Nexus.Corp.example/repository/npm/]}\n  - {ecosystem: oci, hosts: ["*-docker.corp.example"], name: docker.io, public: true}\nmalware: {files: [a.ndjson]}\n`,
  ).config!;
  t.same(registries, [
    {
      ecosystem: 'npm',
      registry: null,
      isPublic: false,
      hosts: [{ host: 'nexus.corp.example', pathPrefix: '/repository/npm' }],
    },
    {
      ecosystem: 'oci',
      registry: 'docker.io',
      isPublic: true,
      hosts: [{ host: '*-docker.corp.example', pathPrefix: '' }],
    },
  ]);
  t.same(malware.files, [join(directory, 'a.ndjson')]);
});

t.test('every key is documented with its meaning, its default and an example that is right', async (t) => {
  const keys = listConfigKeys(configSchema);
  t.ok(keys.length > 60);
  const ajv = new Ajv({ strict: true });
  for (const { path, form, meaning, isRequired, default: byDefault, example, schema } of keys) {
    t.match(meaning, /^[A-Zo].*\.$/, path);
    t.not(form, '', path);
    // Of a job what is left out is not known.
    t.equal(byDefault === null, isRequired || (path.startsWith('jobs[]') && byDefault === null), path);
    t.equal(ajv.validate(schema, example), true, `${path}: ${JSON.stringify(example)}`);
  }
  const whole = readConfig(join(import.meta.dirname, '../../deploy/sallyport.example.yaml'));
  t.equal(whole.gateway, 'gw-1');
});
