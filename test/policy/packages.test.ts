// What policy says of packages: ages, the malware feed, names of one's own, lists, and what may be published.

import t from 'tap';
import type { Operation, PackageFacts, Touch } from '../../flow/operation.ts';
import type { Attribution } from '../../flow/job.ts';
import type { Policy } from '../../policy/compile.ts';
import { decideRequest } from '../../policy/decide.ts';
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

/** `allow RULE`, `block REASON RULE` or `would REASON RULE`, as a request to the npm registry or the given host. */
function ask(
  policy: Policy,
  asked: Operation,
  host = 'r.npmjs.org',
  who: Attribution = job(),
): string {
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
  ];
  for (const [text, message] of cases)
    t.match(problemsOf(withHead(`packages: {${text}}`)), [{ severity: 'error', message }], text);
  t.match(problemsOf(withHead('bundles: {b: {packages: {age: []}}}')), [{ message: /unknown key "age"/ }]);
  t.end();
});
