// What the loader says about a text: every problem at once, where it stands, and what would be right.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import { findBlockedHost } from '../../policy/blocklist.ts';
import { loadPolicy, readPolicyBundle, type LoadOptions } from '../../policy/load.ts';
import { findKnownKeys } from '../../policy/match-scope.ts';
import { ask, job, policyOf, problemsOf } from './judge.ts';

const numRuns = Number(process.env['FUZZ_CASES'] ?? 2000);
const head = 'version: 1\nmode: block\n';

/** Problems as `line:column severity: message`, each of which must begin with, or hold, what is expected. */
function check(
  t: Test,
  text: string,
  expected: readonly (readonly [place: string, part: string])[],
  files = {},
  options: LoadOptions = {},
): void {
  const problems = problemsOf(text, files, options);
  t.same(
    problems.map(({ line, column, severity }) => `${line}:${column} ${severity}`),
    expected.map(([place]) => place),
    text,
  );
  for (const [index, [, part]] of expected.entries()) {
    const problem = problems[index];
    t.match(`${problem?.message}; ${problem?.remedy}`, part, text);
  }
}

void t.test('YAML: what makes a policy hard to read is refused, with the remedy', (t) => {
  check(t, '', [['1:1 error', 'the policy is empty; begin with "version: 1"']]);
  check(t, 'just text', [['1:1 error', 'the file is no mapping of keys']]);
  check(t, '- a', [['1:1 error', 'the file is no mapping of keys']]);
  check(t, `${head}http:\n  - host: *.a.example\n`, [
    ['4:11 error', 'an unquoted * begins a YAML alias, and aliases are refused; quote it: "*.a.example"'],
  ]);
  check(t, `${head}http:\n  host: **\n`, [['4:9 error', 'quote it: "**"']]);
  check(t, `${head}http:\n  host: [a.example, *.b.example]\n`, [['4:21 error', 'quote it: "*.b.example"']]);
  check(t, `${head}presets: @acme\n`, [
    ['3:10 error', '"@acme" cannot begin with @ in YAML; quote it: "@acme"'],
  ]);
  check(t, `${head}http: &x\n  host: a.example\n`, [['4:3 error', 'the anchor &x; write the value out']]);
  check(t, `${head}http:\n  host: !!str a.example\n`, [['4:15 error', 'the tag']]);
  check(t, `${head}mode: audit\n`, [['3:1 error', 'the key "mode" stands twice']]);
  check(t, `%YAML 1.1\n---\n${head}`, [['1:1 error', 'a YAML directive']]);
  check(t, `${head}---\nmode: audit\n`, [['3:1 error', 'no valid YAML']]);
  check(t, `${head}http: [\n`, [['4:1 error', 'no valid YAML']]);
  check(t, `${head}http:\n  <<: {host: a.example}\n`, [
    ['4:3 error', 'http lacks "host"'],
    ['4:3 error', 'unknown key "<<"'],
  ]);
  check(t, `${head}__proto__: {mode: audit}\n`, [['3:1 error', 'unknown key "__proto__"']]);
  check(t, `${head}http: ${'['.repeat(40)}${']'.repeat(40)}\n`, [
    ['3:8 error', 'http[0] must be a mapping of keys'],
    ['3:38 error', 'more than 32 levels'],
  ]);
  t.end();
});

void t.test('keys and words: the nearest one is suggested, and what comes later is never ignored', (t) => {
  check(t, 'version: 1\nmdoe: block\n', [['2:1 error', 'unknown key "mdoe"; did you mean "mode"?']]);
  check(t, 'version: 2\nmode: block\n', [['1:10 error', 'version cannot be 2; one of: 1']]);
  check(t, 'mode: block\n', [['1:1 error', 'the file lacks "version"; add "version:"']]);
  check(t, 'version: 1\nmode: blok\n', [['2:7 error', 'mode cannot be "blok"; did you mean "block"?']]);
  check(t, `${head}presets: [npm, debain]\n`, [
    ['3:16 error', 'presets[1] cannot be "debain"; did you mean "debian"?'],
  ]);
  check(t, `${head}http:\n  - {hots: a.example}\n  - {host: b.example, pahts: /x}\n`, [
    ['4:5 error', 'http[0] lacks "host"'],
    ['4:6 error', 'unknown key "hots"; did you mean "host"?'],
    ['5:23 error', 'unknown key "pahts"; did you mean "paths"?'],
  ]);
  for (const key of ['lockdown']) {
    check(t, `${head}${key}: {}\n`, [['3:1 error', `"${key}" is not yet supported`]]);
    check(t, `${head}bundles: {b: {${key}: []}}\n`, [['3:15 error', `"${key}" is not yet supported`]]);
    check(t, `${head}scopes: [{id: s, match: {fork: true}, ${key}: []}]\n`, [
      ['3:39 error', `"${key}" is not yet supported`],
    ]);
  }
  check(t, `${head}tls: {onRejectedCa: passThrough}\n`, [
    ['3:21 error', 'tls.onRejectedCa cannot be "passThrough"'],
  ]);
  check(t, `${head}scopes: {id: s, match: {}}\n`, [['3:24 error', 'scopes.match is not acceptable']]);
  check(t, `${head}scopes: {id: s, match: {repos: x}}\n`, [
    ['3:25 error', 'unknown key "repos"; did you mean "repo"?'],
  ]);
  check(t, `${head}scopes: {id: s, match: {fork: "true"}}\n`, [
    ['3:31 error', 'scopes.match.fork must be a boolean'],
  ]);
  check(t, `${head}http: {host: a.example, host2: [1]}\n`, [
    ['3:25 error', 'unknown key "host2"; did you mean "host"?'],
  ]);
  check(t, `${head}http: {host: [a.example, 5]}\n`, [['3:26 error', 'http.host[1] must be a string']]);
  check(t, `${head}http: {host: {a: 1}}\n`, [['3:14 error', 'http.host must be a string']]);
  check(t, `${head}http: {host: []}\n`, [['3:14 error', 'http.host is not acceptable']]);
  check(t, `${head}http: {host: a.example, port: [0, 443, "9-"]}\n`, [
    ['3:32 error', 'port'],
    ['3:40 error', 'port'],
  ]);
  t.end();
});

void t.test('values: hosts, paths, ranges, ports and ids', (t) => {
  const rule = (fields: string) => `${head}http:\n  - {${fields}}\n`;
  check(t, rule('host: "a b"'), [['4:12 error', '"a b" is no host']]);
  check(t, rule('host: "https://a.example"'), [['4:12 error', 'is no host']]);
  check(t, rule('host: "a**.example"'), [['4:12 error', 'is neither a label nor a wildcard']]);
  check(t, rule('host: "*.9.9.9"'), [['4:12 error', 'no host name stands after the wildcard']]);
  check(t, rule('host: a.example, paths: x'), [
    ['4:30 error', '"x" is no path: the target does not begin with a slash'],
  ]);
  check(t, rule('host: a.example, paths: [/ok, "/a/../b"]'), [['4:36 error', 'a dot segment']]);
  check(t, rule('host: a.example, paths: "/a?b"'), [['4:30 error', 'a query is never matched']]);
  check(t, rule('host: a.example, paths: "/a**"'), [['4:30 error', 'glues ** to other text']]);
  check(t, rule('host: a.example, port: "9-8"'), [['4:29 error', 'is no range of ports']]);
  check(t, rule('host: a.example, port: "1-70000"'), [['4:29 error', 'is no range of ports']]);
  check(t, rule('host: a.example, port: "1000-2000"'), [['4:3 error', 'more than 256 ports']]);
  check(t, rule('host: a.example, port: "1000-1253"'), []);
  check(t, rule('host: a.example, port: "1000-1254"'), [['4:3 error', 'more than 256 ports']]);
  check(t, rule('host: a.example, addresses: 10.0.0.1/8'), [
    ['4:34 error', 'the bits behind the prefix must be zero'],
  ]);
  check(t, rule('host: a.example, addresses: ten'), [['4:34 error', '"ten" is no address range']]);
  check(t, rule('host: a.example, audit: true'), [['4:30 error', '"audit" belongs to a block rule']]);
  check(t, rule('host: a.example, maxUpload: 5 parrots'), [['4:34 error', 'maxUpload']]);
  check(t, rule('host: a.example, id: "preset:npm/x"'), [['4:27 error', 'id']]);
  check(t, `${head}http:\n  - {id: x, host: a.example}\n  - {id: x, host: b.example}\n`, [
    ['5:10 error', 'the id "x" stands twice'],
  ]);
  check(
    t,
    `${head}http: {id: x, host: a.example}\nscopes: {id: s, match: {fork: true}, opaque: {id: x, host: b.example}}\n`,
    [['4:51 error', 'the id "x" stands twice']],
  );
  check(t, `${head}scopes: [{id: s, match: {fork: true}}, {id: s, match: {fork: false}}]\n`, [
    ['3:45 error', 'the id "scope s" stands twice'],
  ]);
  t.end();
});

void t.test('network rules: what could not take effect is refused', (t) => {
  const rule = (fields: string) => `${head}network:\n  - {${fields}}\n`;
  check(t, rule('port: 22'), [['4:5 error', 'needs either "to" (ranges) or "host"']]);
  check(t, rule('to: 9.9.9.9, host: a.example, port: 22'), [['4:5 error', 'needs either']]);
  check(t, rule('to: 9.9.9.9, port: 443'), [['4:5 error', 'port 80 or 443']]);
  check(t, rule('to: 9.9.9.9'), [['4:5 error', 'port 80 or 443']]);
  check(t, rule('to: 9.9.9.9, port: 443, inspect: false'), []);
  check(t, rule('to: 9.9.9.9, port: 443, direct: true'), []);
  check(t, rule('to: 9.9.9.9, port: 443, protocol: udp'), []);
  check(t, rule('to: 9.9.9.9, action: block'), []);
  check(t, rule('host: a.example'), [['4:5 error', 'needs ports']]);
  check(t, rule('host: a.example, port: 443'), [['4:29 error', 'ports 80 and 443 of a host are inspected']]);
  check(t, rule('host: a.example, port: "1000-3000"'), [['4:29 error', 'more than 1024 ports by host']]);
  check(t, rule('host: a.example, port: 22, inspect: false'), [['4:42 error', '"inspect" goes with "to"']]);
  check(t, rule('host: a.example, port: 22, direct: true'), [['4:41 error', '"direct" goes with "to"']]);
  check(t, rule('host: a.example, port: 22, protocol: icmp'), [
    ['4:29 error', 'icmp has no ports'],
    ['4:43 error', 'icmp is opened by "to" only'],
  ]);
  check(t, rule('to: 9.9.9.9, protocol: icmp, port: 5'), [['4:41 error', 'icmp has no ports']]);
  check(t, rule('to: 9.9.9.0/24, port: 22, addresses: 10.0.0.0/8'), [
    ['4:43 error', '"addresses" goes with "host"'],
  ]);
  check(t, rule('to: 9.9.9.0/24, port: 22, except: 8.8.8.8'), [['4:40 warning', 'lies outside of "to"']]);
  check(t, rule('to: 9.9.9.0/24, port: 22, except: [9.9.9.9, 8.8.8.8]'), [
    ['4:50 warning', '"8.8.8.8" lies outside of "to"'],
  ]);
  check(t, rule('to: [9.9.9.0/24, 8.8.8.0/24], port: 22, except: [8.8.8.8, 9.9.9.0/24]'), []);
  check(t, rule('host: a.example, port: "1000-2023"'), []);
  check(t, rule('host: a.example, port: "1000-2024"'), [['4:29 error', 'more than 1024 ports by host']]);
  t.equal(policyOf('http: {host: a.example}').ruleCount, 1);
  check(t, rule('to: 9.9.9.9, port: 22, audit: true'), [['4:36 error', '"audit" belongs to a block rule']]);
  check(t, rule('to: 0.0.0.0/0, inspect: false'), [['4:10 warning', 'opens everything']]);
  check(t, rule('host: github.com, port: 22'), [['4:5 warning', 'opens SSH to github.com']]);
  check(t, rule('host: scm.corp.example, port: 22'), []);
  check(t, rule('host: github.com, port: 2222'), []);
  const named = (block: string, allow: string) =>
    `${head}network:\n  - {id: b, action: block, ${block}}\n  - {id: a, ${allow}}\n`;
  const warned = [
    ['4:5 warning', 'b blocks a name, and packets carry none: addresses that a opens'],
  ] as const;
  check(t, named('host: s.example, port: 22', 'to: 9.9.9.0/24, port: "20-22"'), warned);
  check(t, named('host: s.example', 'to: 9.9.9.0/24, port: 22'), warned);
  check(t, named('host: s.example, port: 22', 'to: 9.9.9.0/24, inspect: false'), warned);
  check(t, named('host: s.example, port: 22', 'to: 9.9.9.0/24, port: "20-21"'), []);
  check(t, named('host: s.example, port: 22', 'to: 9.9.9.0/24, port: "23-24"'), []);
  check(t, named('host: s.example, port: 22, protocol: tcp', 'to: 9.9.9.0/24, port: 22, protocol: udp'), []);
  check(t, named('to: 9.9.9.9, port: 22', 'to: 9.9.9.0/24, port: 22'), []);
  check(t, named('host: s.example, port: 22', 'host: t.example, port: 22'), []);
  t.end();
});

void t.test('what a policy says and can hardly mean', (t) => {
  const http = (fields: string) => `${head}http: {${fields}}\n`;
  check(t, http('host: "*.s3.amazonaws.com", methods: [GET, PUT]'), [
    ['3:7 warning', 'allows writes to *.s3.amazonaws.com'],
  ]);
  check(t, http('host: slack.com, methods: write'), [['3:7 warning', 'slack.com']]);
  check(t, http('host: "**.blob.core.windows.net", methods: any'), [['3:7 warning', 'rent']]);
  check(t, http('host: s3.eu-west-1.amazonaws.com, methods: PUT'), [['3:7 warning', 'rent']]);
  check(t, http('host: acme.s3.amazonaws.com, methods: PUT'), []);
  check(t, http('host: "*.s3.amazonaws.com"'), []);
  check(t, http('host: storage.googleapis.com, methods: PUT, paths: "/acme/**"'), []);
  check(t, `${head}opaque: {id: o, host: "*.a.example"}\nhttp: {host: x.a.example, paths: /x}\n`, [
    ['4:7 error', 'passes through unread'],
  ]);
  check(
    t,
    `${head}opaque: {id: o, host: a.example}\nhttp: {host: a.example, methods: [POST], action: block}\n`,
    [['4:7 error', 'passes through unread']],
  );
  check(t, `${head}opaque: {id: o, host: "*.a.example"}\nhttp: {host: "*.a.example", methods: POST}\n`, [
    ['4:7 error', 'passes through unread'],
  ]);
  check(
    t,
    `${head}opaque: {id: o, host: a.example}\nhttp: [{host: b.example, paths: /x}, {host: a.example}]\n`,
    [],
  );
  check(t, `${head}tls: {intercept: none}\nhttp: {host: a.example}\n`, [
    ['4:7 warning', 'whose TLS is not opened'],
  ]);
  check(
    t,
    `${head}tls: {intercept: a.example}\nhttp: [{host: a.example}, {host: b.example, scheme: http}]\n`,
    [],
  );
  check(t, `${head}tls: {intercept: all}\n`, []);
  check(t, `${head}tls: {intercept: hosts}\n`, [['3:18 error', '"hosts" is no host']]);
  check(t, `${head}scopes: {id: s, match: {fork: true}, use: bulid}\nbundles: {build: {}}\n`, [
    ['3:43 error', 'no bundle is called "bulid"; did you mean "build"?'],
  ]);
  check(t, `${head}scopes: {id: s, match: {fork: true}, use: wholly-else}\nbundles: {build: {}}\n`, [
    ['3:43 error', 'known: build'],
  ]);
  check(t, `${head}scopes: {id: s, match: {fork: true}, mode: block}\n`, [
    ['3:44 warning', 'the mode of scope "s" can have no effect'],
  ]);
  check(
    t,
    `${head}scopes: [{id: s, match: {fork: true}, mode: block}, {id: r, match: {owner: x}, mode: audit}]\n`,
    [],
  );
  check(t, `version: 1\nmode: audit\nscopes: {id: s, match: {fork: true}, mode: audit}\n`, [
    ['3:44 warning', 'can have no effect'],
  ]);
  const jobs = [job({ environment: 'dev' }), job({ fork: false })].flatMap(({ job }) => job ?? []);
  const known = { knownKeys: findKnownKeys(jobs) };
  check(t, `${head}scopes: {id: s, match: {fork: true, environment: x, not: {repo: a/b}}}\n`, [], {}, known);
  check(
    t,
    `${head}scopes: {id: s, match: {protected: true, not: {project: a/b}}}\n`,
    [
      ['3:36 warning', 'no job of the configuration says its "protected"'],
      ['3:57 warning', 'no job of the configuration says its "project"'],
    ],
    {},
    known,
  );
  const steered = `${head}network:
  - {id: db, host: db.example.com, port: 5432}
  - {id: time, host: time.example.com, port: 123, protocol: udp}
  - {id: lan, to: 10.0.0.0/8, port: 25}
`;
  const [udp, ranges] = [
    ['5:61 warning', 'time opens UDP to a host'],
    ['6:19 warning', 'lan opens ranges, which runners in mode steer have no route to'],
  ] as const;
  check(
    t,
    steered,
    [['4:20 warning', 'db opens TCP ports of a host, for which mode steer needs'], udp, ranges],
    {},
    { steer: 'no-pool' },
  );
  check(t, steered, [udp, ranges], {}, { steer: 'pool' });
  check(t, steered, []);
  check(t, `${head}scopes: {id: s, match: {ref: main}}\n`, [
    ['3:30 error', '"main" is no full ref; write "refs/heads/main"'],
  ]);
  check(t, `${head}scopes: {id: s, match: {repo: acme}}\n`, [['3:31 error', 'names no repository']]);
  check(t, `${head}scopes: {id: s, match: {repo: "{job.repo}"}}\n`, [
    ['3:31 error', 'placeholder'],
    ['3:31 error', 'names no repository'],
  ]);
  check(t, `${head}scopes: {id: s, match: {ref: "refs/heads/a**"}}\n`, [
    ['3:30 error', 'glues ** to other text'],
  ]);
  const options = { suppliedKeys: new Set(['repo', 'ref'] as const) };
  const unsupplied = problemsOf(
    `${head}scopes: {id: s, match: {repo: a/b, not: {environment: prod}}}\n`,
    {},
    options,
  );
  t.equal(unsupplied.length, 1);
  t.match(unsupplied[0]?.message, 'no configured source of jobs supplies "environment"');
  t.end();
});

void t.test('blocklists: files, exceptions, and the runner’s own service', (t) => {
  const list = (fields: string) => `${head}blocklist: {${fields}}\n`;
  check(t, list('files: "lists/*.yaml"'), [['3:20 error', 'no file matches "lists/*.yaml"']]);
  check(t, list('hosts: githubusercontent.com'), [
    ['3:20 error', 'would cut runners off from their service'],
  ]);
  check(t, list('hosts: githubusercontent.com, force: true'), []);
  for (const text of ['hosts:\n  - github.com\n', 'hosts: [github.com]\n']) {
    check(t, list('files: f.yaml, force: true'), [], { 'f.yaml': text });
    check(t, list('files: f.yaml'), [[text.includes('[') ? '1:9 error' : '2:1 error', 'would cut']], {
      'f.yaml': text,
    });
  }
  check(t, list('hosts: raw.githubusercontent.com'), []);
  check(t, list('hosts: "a b"'), [['3:20 error', '"a b" is no host']]);
  check(t, list('addresses: 9.9.9.9/8'), [['3:24 error', 'no address range']]);
  check(t, list('hosts: a.example, except: {host: b.a.example, until: "2001-01-01", reason: x}'), [
    ['3:66 warning', 'the exception ended on 2001-01-01'],
  ]);
  check(t, list('hosts: a.example, except: {host: b.a.example, until: "2030-13-01", reason: x}'), [
    ['3:66 error', 'is no date'],
  ]);
  check(t, list('hosts: a.example, except: {host: b.a.example, until: soon, reason: x}'), [
    ['3:66 error', 'until'],
  ]);
  for (const text of [
    'hosts:\n  - a.example\nhosts:\n  - b.example\n',
    'mode: audit\nhosts:\n  - a.example\nmode: audit\n',
  ])
    check(t, list('files: f.yaml'), [[text.startsWith('h') ? '3:1 error' : '4:1 error', 'stands twice']], {
      'f.yaml': text,
    });
  const excepted = list('hosts: a.example, except: {host: b.a.example, until: "2030-01-31", reason: x}');
  const midnight = Date.parse('2030-02-01T00:00:00Z');
  check(t, excepted, [], {}, { nowMs: midnight - 1 });
  check(t, excepted, [['3:66 warning', 'the exception ended']], {}, { nowMs: midnight });
  const { blocklist } = policyOf(excepted);
  t.equal(findBlockedHost(blocklist, 'b.a.example', midnight - 1), null, 'the last moment of the day');
  t.ok(findBlockedHost(blocklist, 'b.a.example', midnight));
  const files = {
    'l/a.yaml': 'hosts:\n  - a.example\n  - api.github.com\n',
    'l/b.txt': 'fine.example\nno host\n9.9.9.9/8\n',
    'l/c.yaml': 'hosts: [x.example]\nhost: 3\n',
    'l/d.yaml': 'hosts:\n  - 123\n',
    'l/e.yaml': 'force: true\nhosts:\n  - github.com\n',
    'l/g.yaml': 'force: true\nhosts: [github.com]\n',
  };
  const found = problemsOf(list('files: "l/*"'), files).map(
    ({ file, line, column, message }) => `${file}:${line}:${column} ${message}`,
  );
  t.same(found.toSorted(), [
    'l/a.yaml:3:1 "api.github.com" would cut runners off from their service (api.github.com)',
    'l/b.txt:2:1 "no host" is no host',
    'l/b.txt:3:1 "9.9.9.9/8" is no address range',
    'l/c.yaml:2:1 unknown key "host"',
    'l/d.yaml:2:5 hosts[0] must be a string',
  ]);
  t.end();
});

void t.test('a bundle holds the policy and exactly the files that it names', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'policy-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, 'lists/deep'), { recursive: true });
  writeFileSync(join(folder, 'p.yaml'), `${head}blocklist:\n  - files: ["lists/**", other.txt]\n`);
  writeFileSync(join(folder, 'lists/a.yaml'), 'hosts: [a.example]\n');
  writeFileSync(join(folder, 'lists/deep/b.txt'), 'b.example\n');
  writeFileSync(join(folder, 'other.txt'), 'c.example\n');
  writeFileSync(join(folder, 'unrelated.yaml'), 'x\n');
  const bundle = readPolicyBundle(join(folder, 'p.yaml'));
  t.equal(bundle.entry, 'p.yaml');
  t.same(Object.keys(bundle.files).toSorted(), ['lists/a.yaml', 'lists/deep/b.txt', 'other.txt', 'p.yaml']);
  const { policy } = loadPolicy(bundle);
  t.equal(ask(policy, job(), 'GET https://x.b.example/'), 'block blocklist lists/deep/b.txt');
  t.match(policy.revision, /^[0-9a-f]{12}$/);
  writeFileSync(join(folder, 'other.txt'), 'd.example\n');
  t.not(loadPolicy(readPolicyBundle(join(folder, 'p.yaml'))).policy.revision, policy.revision);
  t.throws(() => readPolicyBundle(join(folder, 'none.yaml')), { code: 'policy-invalid' });
  t.end();
});

void t.test('rules without an id are named by their place', (t) => {
  const policy = policyOf(
    'http: [{host: a.example}, {host: b.example}]\nopaque: {host: c.example}\nbundles: {x: {http: {host: d.example}}}\nscopes: {id: s, match: {owner: acme}, use: x, http: [{host: e.example}]}',
  );
  const answers = ['b', 'c', 'd', 'e'].map((name) => ask(policy, job(), `GET https://${name}.example/`));
  t.same(answers, ['allow http[1]', 'allow opaque[0]', 'allow s:bundle:x/http[0]', 'allow s:s/http[0]']);
  t.end();
});

void t.test('any bytes: a policy or a list of problems, never another failure', (t) => {
  const seed = `${head}presets: [npm]\ndns: {allow: "*.i.example"}\nnetwork: [{id: n, to: 9.9.9.0/24, port: "1-5"}]\nhttp:\n  - {id: a, host: "*.a.example", paths: "/a/**", methods: [GET, POST], except: /a/b}\nscopes: [{id: s, match: {ref: "refs/tags/*", not: {fork: true}}, use: b}]\nbundles: {b: {opaque: {host: o.example}}}\nblocklist: [{hosts: e.example, except: [{host: f.e.example, until: "2999-01-01", reason: r}]}]\n`;
  const piece = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 6 }),
    fc.constantFrom(
      '*',
      '&a',
      '!!x',
      '{',
      ']',
      ': ',
      '\n  - ',
      '**',
      '\u0000',
      '- -',
      '"',
      '? ',
      '<<: ',
      '|',
      '@',
    ),
  );
  const mutation = fc.tuple(fc.nat(seed.length), fc.nat(8), piece);
  fc.assert(
    fc.property(fc.array(mutation, { minLength: 1, maxLength: 3 }), (mutations) => {
      let text = seed;
      for (const [at, cut, insert] of mutations) text = text.slice(0, at) + insert + text.slice(at + cut);
      for (const problem of problemsOf(text))
        if (problem.line < 1 || problem.column < 1 || problem.message === '') return false;
      return true;
    }),
    { numRuns: Math.ceil(numRuns / 10) },
  );
  t.end();
});

void t.test(
  'an exclusive scope opens the runner’s service by the preset, or is told that nobody can ask for jobs',
  (t) => {
    const scope = 'presets: github-runner\nscopes: {id: forks, match: {fork: true}, exclusive: true';
    const wanted = 'the exclusive scope "forks" does not open what the preset github-runner does, so that no';
    check(t, `${head}${scope}}`, [['4:9 warning', wanted]]);
    check(t, `${head}${scope}, presets: [github-runner]}`, []);
    check(t, `${head}${scope}, use: base}\nbundles: {base: {presets: [github-runner, npm]}}`, []);
    check(t, `${head}scopes: {id: forks, match: {fork: true}, exclusive: true}`, []);
    check(t, `${head}scopes: {id: s, match: {fork: true}, presets: nonsense}`, [['3:47 error', 'nonsense']]);
    t.end();
  },
);
