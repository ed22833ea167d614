// What policy says of packages: ages, the malware feed, names of one's own, lists, and what may be published.

import t from 'tap';
import type { Operation, PackageFacts, Touch } from '../../flow/operation.ts';
import type { Attribution } from '../../flow/job.ts';
import type { Policy } from '../../policy/compile.ts';
import { decideRequest } from '../../policy/decide.ts';
import { publishesTo } from '../../policy/publishes-to.ts';
import { effectivePolicy } from '../../policy/scope.ts';
import { job, policyOf, problemsOf, withHead } from './judge.ts';

type PackageTouch = Extract<Touch, { kind: 'package' }>;
const hours = (count: number): PackageFacts => ({
  ageMs: count * 3_600_000,
  atLeastMs: count * 3_600_000,
  timeClass: 'registry-stated',
  malicious: null,
});
const unknown: PackageFacts = { ageMs: null, atLeastMs: null, timeClass: 'unknown', malicious: null };
const bad: PackageFacts = { ...hours(9_999), malicious: 'MAL-2026-1' };

const touch = (purl: string, more: Partial<PackageTouch> = {}): PackageTouch => ({
  kind: 'package',
  access: 'read',
  act: 'install',
  purl,
  version: '1.0.0',
  registry: 'npmjs.com',
  facts: hours(10),
  ...more,
});
const operationOf = (one: PackageTouch, more: Partial<Operation> = {}): Operation => ({
  platform: 'npm',
  server: one.registry,
  name: `npm/${one.act}`,
  access: one.access,
  touches: [one],
  needs: [{}],
  ungrantable: [],
  sureness: 'known',
  widens: false,
  credential: 'none',
  detail: null,
  ...more,
});

/** One below npm's own domain. */
const npmDomain = 'npmjs.org';
const npmHost = `r.${npmDomain}`;

/** `allow RULE`, `block REASON RULE` or `would REASON RULE`, as a request to the npm registry or the given host. */
function ask(policy: Policy, asked: Operation, host = npmHost, who: Attribution = job()): string {
  const { verdict, enforced, rule, reason } = decideRequest(effectivePolicy(policy, who), {
    scheme: 'https',
    host,
    port: 443,
    method: asked.access === 'read' ? 'GET' : 'PUT',
    path: '/x',
    hasBody: asked.access !== 'read',
    upgrade: null,
    evidence: [],
    operation: asked,
    attribution: who,
  });
  const by = rule === null ? '' : ` ${rule}`;
  return verdict === 'allow' ? `allow${by}` : `${enforced ? 'block' : 'would'} ${reason}${by}`;
}
const http = 'http: {id: h, host: ["**.npmjs.org", nexus.corp.example], methods: any}\n';

void t.test('a version is old enough, too young, or of unknown age', (t) => {
  const policy = policyOf(
    `${http}packages: {age: [{id: n, purl: "pkg:npm/*", min: 72h}, {id: x, registry: nexus.corp.example, min: 0h}, {id: s, purl: "pkg:npm/@acme/*", min: 1h}, {id: p, purl: "pkg:pypi/*", min: 7d}]}`,
  );
  const cases: readonly (readonly [string, Partial<PackageTouch>, string])[] = [
    ['pkg:npm/left-pad', { facts: hours(72) }, 'allow h'],
    ['pkg:npm/left-pad', { facts: hours(71.9) }, 'block package-age n'],
    ['pkg:npm/%40other/app', { facts: hours(71.9) }, 'block package-age n'],
    ['pkg:npm/%40acme/app', { facts: hours(2) }, 'allow h'],
    ['pkg:npm/%40ACME/app', { facts: hours(0.5) }, 'block package-age s'],
    ['pkg:npm/left-pad', { facts: hours(0), registry: 'nexus.corp.example' }, 'allow h'],
    ['pkg:npm/left-pad', { facts: hours(0), act: 'metadata' }, 'allow h'],
    ['pkg:npm/left-pad', { facts: unknown }, 'would unknown-age n'],
    ['pkg:npm/left-pad', { facts: { ...unknown, atLeastMs: 80 * 3_600_000 } }, 'allow h'],
    ['pkg:npm/left-pad', { facts: { ...unknown, atLeastMs: 3_600_000 } }, 'would unknown-age n'],
    ['pkg:pypi/requests', { facts: hours(100) }, 'block package-age p'],
    ['pkg:cargo/serde', { facts: unknown }, 'allow h'],
  ];
  for (const [purl, more, expected] of cases)
    t.equal(ask(policy, operationOf(touch(purl, more))), expected, `${purl} ${JSON.stringify(more)}`);
  const strict = policyOf(`${http}packages: {age: {id: n, purl: "pkg:npm/*", min: 72h}, unknownAge: block}`);
  t.equal(ask(strict, operationOf(touch('pkg:npm/a', { facts: unknown }))), 'block unknown-age n');
  const lax = policyOf(`${http}packages: {age: {id: n, purl: "pkg:npm/*", min: 72h}, unknownAge: allow}`);
  t.equal(ask(lax, operationOf(touch('pkg:npm/a', { facts: unknown }))), 'allow h');
  const audit = policyOf(`mode: audit\n${http}packages: {age: {id: n, purl: "pkg:npm/*", min: 72h}}`);
  t.equal(ask(audit, operationOf(touch('pkg:npm/a'))), 'would package-age n');
  t.end();
});

void t.test('malware, names of one’s own, and lists', (t) => {
  const policy = policyOf(
    `${http}packages: {internal: {id: own, purl: "pkg:npm/@acme/*", registry: nexus.corp.example}, block: {id: no, purl: ["pkg:npm/event-stream@3.3.6", "pkg:npm/evil"]}, allow: {purl: "pkg:pypi/requests"}}`,
  );
  const cases: readonly (readonly [string, Partial<PackageTouch>, string])[] = [
    ['pkg:npm/left-pad', { facts: bad }, 'block malicious-package MAL-2026-1'],
    ['pkg:npm/left-pad', { facts: bad, act: 'metadata' }, 'block malicious-package MAL-2026-1'],
    ['pkg:npm/%40acme/app', {}, 'block internal-package own'],
    ['pkg:npm/%40Acme/app', { act: 'metadata', version: null }, 'block internal-package own'],
    ['pkg:npm/%40acme/app', { registry: 'nexus.corp.example' }, 'allow h'],
    ['pkg:npm/%40acme2/app', {}, 'allow h'],
    ['pkg:npm/event-stream', { version: '3.3.6' }, 'block package-blocked no'],
    ['pkg:npm/event-stream', { version: '3.3.5' }, 'allow h'],
    ['pkg:npm/evil', {}, 'block package-blocked no'],
    ['pkg:pypi/requests', {}, 'allow h'],
    ['pkg:pypi/reqvests', {}, 'block package-unlisted'],
    ['pkg:pypi/reqvests', { act: 'metadata' }, 'allow h'],
  ];
  for (const [purl, more, expected] of cases)
    t.equal(ask(policy, operationOf(touch(purl, more))), expected, `${purl} ${JSON.stringify(more)}`);
  const both = policyOf(`${http}packages: {malware: detect, age: {id: n, purl: "pkg:npm/*", min: 72h}}`);
  const evil = { ...hours(1), malicious: 'MAL-2026-1' };
  t.equal(
    ask(both, operationOf(touch('pkg:npm/a', { facts: evil }))),
    'block package-age n',
    'what is only recorded hides no block',
  );
  const detect = policyOf(`${http}packages: {malware: detect}`);
  t.equal(ask(detect, operationOf(touch('pkg:npm/a', { facts: bad }))), 'would malicious-package MAL-2026-1');
  const silent = policyOf(http);
  t.equal(
    ask(silent, operationOf(touch('pkg:npm/a', { facts: bad }))),
    'allow h',
    'nothing is asked where nothing is said',
  );
  t.end();
});

void t.test('what is only recorded of a package hides no ceiling', (t) => {
  const policy = policyOf(
    `${http}permissions: {mode: block, ceiling: {contents: read}}\npackages: {age: {id: n, purl: "pkg:npm/*", min: 72h}}`,
  );
  const asked = (more: Partial<Operation>) =>
    operationOf(touch('pkg:npm/a', { facts: unknown }), { platform: 'github', widens: true, ...more });
  const needs = [{ packages: 'read' }] as const;
  t.equal(ask(policy, asked({ needs, credential: 'job' })), 'block permission');
  t.equal(ask(policy, asked({ needs, credential: 'pat' })), 'would unknown-age n');
  t.end();
});

void t.test('what nobody could place at a registry may be a file there', (t) => {
  const policy = policyOf(
    `${http}packages: {unknownAge: block, age: [{id: n, purl: "pkg:npm/*", min: 72h}, {registry: nexus.corp.example, min: 0h}], allow: {purl: "pkg:pypi/requests"}}`,
  );
  const hidden = (one: Partial<PackageTouch>, more: Partial<Operation> = {}) =>
    operationOf(touch('pkg:npm/a', { act: 'metadata', facts: unknown, ...one }), {
      sureness: 'unknown',
      ...more,
    });
  const nameless = { purl: null, version: null };
  const cases: readonly (readonly [Operation, string])[] = [
    [hidden({}, { sureness: 'known' }), 'allow h'],
    [hidden({}), 'block unknown-age n'],
    [hidden({}, { byShape: true }), 'allow h'],
    [hidden(nameless), 'block unknown-age n'],
    [hidden(nameless, { sureness: 'known' }), 'allow h'],
    [hidden(nameless, { byShape: true }), 'allow h'],
    [hidden(nameless, { platform: 'cargo' }), 'allow h'],
    [hidden({ ...nameless, registry: 'nexus.corp.example' }), 'allow h'],
    [hidden(nameless, { platform: 'pypi' }), 'block package-unlisted'],
  ];
  for (const [asked, expected] of cases) t.equal(ask(policy, asked), expected, JSON.stringify(asked));
  const detect = policyOf(`${http}packages: {age: {id: n, purl: "pkg:npm/*", min: 72h}}`);
  t.equal(ask(detect, hidden(nameless)), 'would unknown-age n');
  t.end();
});

void t.test('a pattern means a package and version in whichever spelling its registry takes', (t) => {
  const cases: readonly (readonly [pattern: string, purl: string, version: string, isMeant: boolean])[] = [
    ['pkg:pypi/Foo_Bar', 'pkg:pypi/foo-bar', '1', true],
    ['pkg:pypi/foo.*', 'pkg:pypi/foo-bar', '1', true],
    ['pkg:pypi/foo@1.0', 'pkg:pypi/foo', '1.0.0', true],
    ['pkg:pypi/foo@1.0.0-RC.1', 'pkg:pypi/foo', '1.0rc1', true],
    ['pkg:pypi/foo@1.0', 'pkg:pypi/foo', '1.0.1', false],
    ['pkg:pypi/foo@1.10', 'pkg:pypi/foo', '1.1', false],
    ['pkg:cargo/a_b', 'pkg:cargo/a-b', '1.0.0', true],
    ['pkg:cargo/a-b', 'pkg:cargo/A_b', '1.0.0', true],
    ['pkg:nuget/Acme.Lib@1.0.0.0', 'pkg:nuget/acme.lib', '1.0.0', true],
    ['pkg:nuget/acme.lib@1.0-Beta', 'pkg:nuget/acme.lib', '1.0.0-beta', true],
    ['pkg:npm/app@v1.0.0', 'pkg:npm/app', '1.0.0', true],
    ['pkg:npm/app@1.0.0', 'pkg:npm/app', '1.0.00', false],
    ['pkg:maven/org.acme/app@1.0', 'pkg:maven/org.acme/app', '1.0.0', false],
    ['pkg:golang/github.com/evil/mod@1.0.0', 'pkg:golang/github.com/evil/mod', 'v1.0.0', true],
    ['pkg:golang/github.com/evil/*', 'pkg:golang/github.com/evil/mod/v2', 'v2.0.0', true],
    ['pkg:golang/github.com/evil/mod', 'pkg:golang/github.com/evil/mod/v2', 'v2.0.0', false],
    ['pkg:golang/github.com/evil/*', 'pkg:golang/github.com/evil/mod/sub', 'v2.0.0', false],
    ['pkg:*/foo', 'pkg:gem/foo', '1', true],
  ];
  for (const [pattern, purl, version, isMeant] of cases) {
    const policy = policyOf(`${http}packages: {block: {id: no, purl: "${pattern}"}}`);
    const expected = isMeant ? 'block package-blocked no' : 'allow h';
    t.equal(ask(policy, operationOf(touch(purl, { version }))), expected, `${pattern} ${purl}@${version}`);
  }
  t.end();
});

void t.test('an exception has an end', (t) => {
  const young = operationOf(touch('pkg:npm/hotfix', { facts: hours(1) }));
  const with_ = (except: string) =>
    policyOf(
      `${http}packages: {age: {id: n, purl: "pkg:npm/*", min: 72h}, except: {purl: pkg:npm/hotfix, reason: urgent, ${except}}}`,
    );
  t.equal(ask(with_('until: 2999-01-01'), young), 'allow h');
  t.equal(ask(with_('until: 2020-01-01'), young), 'block package-age n');
  const evil = operationOf(touch('pkg:npm/hotfix', { facts: bad }));
  t.equal(ask(with_('until: 2999-01-01'), evil), 'block malicious-package MAL-2026-1');
  t.equal(ask(with_('until: 2999-01-01, malware: true'), evil), 'allow h');
  t.end();
});

void t.test('nothing is published but what a rule names, whatever an http rule says', (t) => {
  const publish = (purl: string, more: Partial<PackageTouch> = {}, operation: Partial<Operation> = {}) =>
    operationOf(touch(purl, { act: 'publish', access: 'write', ...more }), operation);
  t.equal(ask(policyOf(http), publish('pkg:npm/a')), 'block publish');
  const rule = 'packages: {publish: {id: p, purl: "pkg:npm/@acme/*", registry: npmjs.com}}';
  const policy = policyOf(`${http}scopes: {id: rel, match: {ref: refs/heads/main}, ${rule}}`);
  t.equal(ask(policy, publish('pkg:npm/%40acme/app')), 'allow h', 'both rules fit: the first one is named');
  t.equal(
    ask(policy, publish('pkg:npm/%40acme/app'), undefined, job({ ref: 'refs/heads/x' })),
    'block publish',
  );
  t.equal(
    ask(policy, publish('pkg:npm/%40acme/app'), undefined, job({ event: 'pull_request_target' })),
    'block publish',
  );
  t.equal(ask(policy, publish('pkg:npm/other')), 'block publish');
  t.equal(ask(policy, publish('pkg:npm/%40acme/app', { registry: 'nexus.corp.example' })), 'block publish');
  const alone = policyOf(`scopes: {id: rel, match: {ref: refs/heads/main}, ${rule}}`);
  t.equal(ask(alone, publish('pkg:npm/%40acme/app')), 'allow p', 'it opens its registry by itself');
  t.equal(
    ask(alone, operationOf(touch('pkg:npm/%40acme/app'))),
    'block repository',
    'and nothing else there',
  );
  const shaped = publish('pkg:npm/a', { registry: 'nexus.corp.example' }, { byShape: true });
  t.equal(ask(policyOf(http), shaped, 'nexus.corp.example'), 'allow h');
  t.equal(ask(policyOf(`${http}packages: {malware: block}`), shaped, 'nexus.corp.example'), 'block publish');
  t.match(problemsOf(withHead(rule)), [{ severity: 'error', message: /p grants a write/, line: 3 }]);
  const crates = policyOf(
    'bundles: {b: {packages: {publish: {purl: "pkg:cargo/acme-*", registry: crates.io}}}}\nscopes: {id: s, match: {ref: refs/heads/main}, use: b}',
  );
  t.ok(publishesTo(crates, 'crates.io'));
  t.ok(publishesTo(crates, 'static.crates.io'));
  t.notOk(publishesTo(crates, 'pypi.org'));
  t.notOk(publishesTo(policyOf(http), 'crates.io'));
  t.end();
});

void t.test('what cannot be meant is said at load', (t) => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['age: {min: 1h}', /names no package and no registry/],
    ['age: {purl: "npm/*", min: 1h}', /not acceptable/],
    ['age: {purl: "pkg:npm/*", min: 1w}', /not acceptable/],
    ['age: {purl: "pkg:npm//x", min: 1h}', /is no segment/],
    ['unknownAge: warn', /cannot be "warn"/],
    ['except: {purl: "pkg:npm/*", until: 2027-01-01}', /lacks "reason"/],
    ['publish: {purl: "pkg:npm/*"}', /lacks "registry"/],
    ['age: {registry: "https://nexus.corp.example/", min: 1h}', /is no registry/],
    ['age: {registry: "nexus.corp.example:8443", min: 1h}', /is no registry/],
    ['age: {registry: npmjs.org, min: 1h}', /is the name of no registry/],
    ['except: {purl: "pkg:npm/*", until: "2027-02-30", reason: x}', /"2027-02-30" is no date/],
    ['age: {purl: "pkg:go/*", min: 1h}', /its name is golang/],
    ['age: {purl: "pkg:conda/*", min: 1h}', /"conda" is no type; known are npm, pypi/],
    ['internal: {purl: "pkg:npm/@acme", registry: x.example}', /all of a scope is pkg:npm\/@acme\/\*/],
    ['internal: {purl: "pkg:npm/acme/app", registry: x.example}', /a scope begins with @/],
    ['block: {purl: pkg:maven/org.acme}', /all of a group is pkg:maven\/org.acme\/\*/],
    ['block: {purl: pkg:pypi/acme/app}', /has no so long name/],
    ['block: {purl: "pkg:npm/app@1.0.0?arch=x"}', /qualifiers and subpaths/],
  ];
  for (const [text, message] of cases)
    t.match(problemsOf(withHead(`packages: {${text}}`)), [{ severity: 'error', message }], text);
  t.match(problemsOf(withHead('bundles: {b: {packages: {age: []}}}')), [{ message: /unknown key "age"/ }]);
  t.end();
});
