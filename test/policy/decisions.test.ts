// What decisions carry besides their verdict, and the properties that hold for every policy.

import fc from 'fast-check';
import t from 'tap';
import { formatCidr, type Cidr } from '../../flow/address.ts';
import { isOpen } from '../../flow/decision.ts';
import { unattributed, type Attribution } from '../../flow/job.ts';
import { alwaysEnforced, isAlwaysEnforced } from '../../policy/always-enforced.ts';
import type { Policy } from '../../policy/compile.ts';
import { checkDial, decideHost, decideName, decideNetwork, decideRequest } from '../../policy/decide.ts';
import { explainQuestion, type Question } from '../../policy/explain.ts';
import { findHostView } from '../../policy/host-view.ts';
import { networkPlan } from '../../policy/network-plan.ts';
import { selectByPath } from '../../policy/path-index.ts';
import { effectivePolicy } from '../../policy/scope.ts';
import { ask, conflicted, job, jobFields, nobody, policyOf } from './judge.ts';

const J = job();
const pull = job({ event: 'pull_request' });
const texts = (cidrs: readonly Cidr[]) => cidrs.map(formatCidr);
const forJob = (text: string, who: Attribution = J) => effectivePolicy(policyOf(text), who);
const request = (host: string, path: string, method = 'GET') =>
  ({ scheme: 'https', host, port: 443, method, path, hasBody: false, upgrade: null, evidence: [] }) as const;
const tls = (host: string, port = 443) => ({ host, address: null, port, protocol: 'tls' }) as const;

void t.test('a name: what is answered, what it may lead to, and which ports are bound', (t) => {
  const effective = forJob(
    [
      'dns: {allow: in.example}',
      'network: [{id: n, host: scm.example, port: [22, "9418-9420"], protocol: [tcp, udp], addresses: 10.1.0.0/16}, {id: nb, host: scm.example, port: 9419, protocol: udp, action: block}, {id: r, to: [10.9.0.0/16, 9.9.9.9], port: 5432}]',
      'http: [{id: h, host: h.example, addresses: 10.2.0.0/16}, {id: b, host: b.example, action: block}, {id: part, host: p.example, methods: POST, action: block}, {id: o, host: p.example}]',
      'blocklist: {hosts: evil.example}',
    ].join('\n'),
  );
  const name = (text: string) => decideName(effective, { name: text });
  t.match(name('h.example'), { verdict: 'allow', rule: 'h', answer: 'forward', bind: [] });
  t.same(texts(name('h.example').addresses), ['10.2.0.0/16']);
  t.match(name('scm.example'), { verdict: 'allow', rule: 'n', answer: 'forward' });
  t.same(texts(name('scm.example').addresses), ['10.1.0.0/16']);
  t.same(
    name('scm.example').bind.map(({ protocol, port }) => `${protocol} ${port}`),
    ['tcp 22', 'tcp 9418', 'tcp 9419', 'tcp 9420', 'udp 22', 'udp 9418', 'udp 9420'],
  );
  t.match(name('in.example'), { verdict: 'allow', rule: 'dns', answer: 'forward', bind: [] });
  t.same(texts(name('in.example').addresses), ['10.9.0.0/16', '9.9.9.9/32']);
  t.match(name('other.example'), { verdict: 'block', enforced: true, reason: 'no-rule', answer: 'explain' });
  t.match(name('b.example'), { verdict: 'block', reason: 'block-rule', rule: 'b', answer: 'explain' });
  t.match(name('p.example'), { verdict: 'allow', rule: 'o' });
  t.match(name('x.evil.example'), { verdict: 'block', reason: 'blocklist', answer: 'nxdomain' });
  t.match(name('single'), { verdict: 'block', reason: 'no-rule', answer: 'nxdomain' });
  const audit = forJob(
    'mode: audit\nhttp: {id: b, host: b.example, action: block}\nblocklist: {hosts: evil.example}',
  );
  t.match(decideName(audit, { name: 'other.example' }), {
    verdict: 'block',
    enforced: false,
    answer: 'forward',
  });
  t.match(decideName(audit, { name: 'b.example' }), { verdict: 'block', enforced: false, answer: 'forward' });
  t.match(decideName(audit, { name: 'evil.example' }), { enforced: true, answer: 'nxdomain', bind: [] });
  t.end();
});

void t.test('a name tells the narrowest wildcard that opens it, and none where a rule writes it out', (t) => {
  const effective = forJob(
    'dns: {allow: "**.a.example"}\nhttp: [{id: h, host: ["*.s3.a.example", "b*.s3.a.example", x.s3.a.example]}, {id: e, host: "*.e.a.example", except: n.e.a.example}, {id: all, host: "**", methods: POST, action: block}]',
  );
  const wildcards = {
    'y.s3.a.example': '*.s3.a.example',
    'bucket.s3.a.example': 'b*.s3.a.example',
    'x.s3.a.example': null,
    'x.y.s3.a.example': '**.a.example',
    'm.e.a.example': '*.e.a.example',
    'n.e.a.example': '**.a.example',
    'other.example': undefined,
  };
  for (const [name, wildcard] of Object.entries(wildcards))
    t.equal(decideName(effective, { name }).wildcard, wildcard, name);
  t.end();
});

void t.test('a name with rules of several kinds keeps what each gives', (t) => {
  const effective = forJob(
    'dns: {allow: a.example}\nhttp: {id: h, host: a.example, addresses: 10.7.0.0/16}\nnetwork: [{id: n, host: a.example, port: 22}, {id: m, host: a.example, port: 23}, {id: r, to: 10.9.0.0/16, port: 5432}, {id: b, to: 10.8.0.0/16, action: block}]',
  );
  const { bind, addresses } = decideName(effective, { name: 'a.example' });
  t.same(
    bind.map(({ port }) => port),
    [22, 23],
  );
  t.same(texts(addresses), ['10.7.0.0/16', '10.9.0.0/16']);
  t.end();
});

void t.test('ports are bound only where every exclusive scope opens them', (t) => {
  const text =
    'scopes: [{id: a, match: {event: pull_request}, exclusive: true, network: {id: n, host: s.example, port: [22, 23]}}, {id: b, match: {repo: acme/app}, exclusive: true, network: {id: m, host: s.example, port: [23, 24]}}]';
  const { bind, verdict } = decideName(forJob(text, pull), { name: 's.example' });
  t.same([verdict, bind], ['allow', [{ protocol: 'tcp', port: 23 }]]);
  t.same(decideName(forJob(`onUnattributed: block\n${text}`, nobody), { name: 's.example' }).bind, []);
  t.end();
});

void t.test('a host: intercepted or passed through, open as a whole or by request', (t) => {
  const effective = forJob(
    'opaque: [{id: o, host: o.example}, {id: p, host: p.example}]\nhttp: [{id: h, host: h.example}, {id: w, host: w.example, methods: any, websocket: true}, {id: m, host: m.example, methods: any, websocket: true, maxUpload: 1MB}]\nnetwork: [{id: n, host: n.example, port: 8443}, {id: d, to: 9.9.9.9, port: 443, direct: true}]',
  );
  const host = (name: string, port = 443) => {
    const { verdict, reason, treatment } = decideHost(effective, tls(name, port));
    return `${verdict} ${reason} ${treatment}`;
  };
  t.equal(host('o.example'), 'allow rule pass-through');
  t.equal(host('h.example'), 'allow host-open intercept');
  t.equal(host('w.example'), 'allow rule intercept');
  t.equal(host('m.example'), 'allow host-open intercept');
  t.equal(host('z.example'), 'block no-rule intercept');
  t.equal(host('n.example', 8443), 'allow rule pass-through');
  t.equal(host('n.example'), 'block no-rule intercept');
  const direct = { host: null, address: '9.9.9.9', port: 443 } as const;
  t.match(decideHost(effective, { ...direct, protocol: 'tls' }), {
    verdict: 'allow',
    rule: 'd',
    treatment: 'pass-through',
  });
  t.match(decideHost(effective, { ...direct, protocol: 'unknown' }), {
    verdict: 'allow',
    treatment: 'pass-through',
  });
  // A name is never decided by the address that the client chose.
  t.match(decideHost(effective, { ...direct, host: 'z.example', protocol: 'tls' }), {
    verdict: 'block',
    reason: 'no-rule',
  });
  t.end();
});

void t.test('a host is unread, or open as a whole, when one rule of every group says so', (t) => {
  const mixed = forJob(
    'opaque: [{id: o, host: "*.example"}]\nhttp: [{id: h, host: a.example}, {id: w, host: w.other, methods: any, websocket: true}, {id: p, host: w.other, paths: /x}, {id: soft, host: b.example, action: block, audit: true}]\nnetwork: {id: n, host: c.example, port: 22, action: block}',
  );
  t.match(decideHost(mixed, tls('a.example')), {
    verdict: 'allow',
    reason: 'rule',
    treatment: 'pass-through',
  });
  t.match(decideHost(mixed, tls('b.example')), {
    verdict: 'block',
    enforced: false,
    treatment: 'pass-through',
  });
  t.match(decideHost(mixed, tls('c.example')), { verdict: 'allow', treatment: 'pass-through' });
  t.match(decideHost(mixed, tls('w.other')), { verdict: 'allow', reason: 'rule', treatment: 'intercept' });
  const scopes = forJob(
    'scopes: [{id: a, match: {event: pull_request}, exclusive: true, opaque: {id: o, host: a.example}}, {id: b, match: {repo: acme/app}, exclusive: true, http: {id: m, host: a.example}}]',
    pull,
  );
  t.match(decideHost(scopes, tls('a.example')), {
    verdict: 'allow',
    reason: 'host-open',
    treatment: 'intercept',
  });
  const closed = forJob(
    'tls: {intercept: none}\nhttp: {id: y, host: y.example, methods: any, websocket: true}',
  );
  t.match(decideHost(closed, tls('y.example')), { verdict: 'allow', treatment: 'pass-through' });
  const audit = forJob('mode: audit');
  t.match(decideHost(audit, { host: 'z.example', address: null, port: 443, protocol: 'unknown' }), {
    enforced: false,
    treatment: 'pass-through',
  });
  t.end();
});

void t.test('the address that the client chose opens nothing, and no address at all is blocked', (t) => {
  const effective = forJob('http: {id: h, host: h.example}');
  const chosen = decideHost(effective, {
    host: 'h.example',
    address: '10.0.0.1',
    port: 443,
    protocol: 'tls',
  });
  t.same([chosen.verdict, chosen.addresses], ['allow', []]);
  const literal = decideHost(effective, { host: null, address: '10.0.0.1', port: 443, protocol: 'tls' });
  t.same([literal.verdict, literal.reason, literal.addresses], ['block', 'no-server-name', []]);
  t.match(decideHost(effective, { host: null, address: null, port: 443, protocol: 'tls' }), {
    verdict: 'block',
    reason: 'no-server-name',
  });
  const lists = forJob(
    'http: {host: h.example}\nblocklist: [{id: hard, hosts: h.example}, {id: soft, addresses: 9.9.9.9, mode: audit}]',
  );
  t.match(decideHost(lists, { host: 'h.example', address: '9.9.9.9', port: 443, protocol: 'tls' }), {
    enforced: true,
    rule: 'hard',
  });
  t.end();
});

void t.test('an opaque host with a block of some requests is read after all', (t) => {
  const policy =
    'opaque: {id: o, host: "*.example"}\nscopes: {id: s, match: {repo: acme/app}, http: {id: b, host: "x*.example", paths: /secret, action: block}}';
  const effective = forJob(policy);
  t.match(decideHost(effective, tls('x1.example')), { verdict: 'allow', treatment: 'intercept' });
  t.match(decideHost(effective, tls('y.example')), { verdict: 'allow', treatment: 'pass-through' });
  t.match(decideRequest(effective, request('x1.example', '/secret')), {
    verdict: 'block',
    rule: 'b',
    scope: 's',
  });
  t.match(decideRequest(effective, request('x1.example', '/open', 'PUT')), { verdict: 'allow', rule: 'o' });
  t.end();
});

void t.test('what is not opened passes in audit, unread', (t) => {
  const effective = forJob('mode: audit\ntls: {intercept: [opened.example]}\nhttp: {id: h, host: h.example}');
  t.match(decideHost(effective, tls('h.example')), {
    verdict: 'block',
    enforced: false,
    treatment: 'pass-through',
  });
  t.match(decideHost(effective, tls('opened.example')), {
    verdict: 'block',
    enforced: false,
    treatment: 'intercept',
  });
  t.end();
});

void t.test('what rules give unites, and intersects over exclusive scopes', (t) => {
  const rules =
    '{host: a.example, paths: /x, maxUpload: 10B, follow: true}, {host: a.example, maxUpload: 20B, addresses: 10.0.0.0/8}, {host: b.example, websocket: true}, {host: b.example, maxUpload: 5}';
  const effective = forJob(`http: [${rules}]`);
  t.match(decideRequest(effective, request('a.example', '/x')), {
    maxUploadBytes: 20,
    follow: true,
    websocket: false,
  });
  t.match(decideRequest(effective, request('a.example', '/y')), { maxUploadBytes: 20, follow: false });
  t.match(decideRequest(effective, request('b.example', '/y')), {
    maxUploadBytes: null,
    websocket: true,
    follow: false,
  });
  t.same(texts(decideRequest(effective, request('a.example', '/x')).addresses), ['10.0.0.0/8']);
  const scopes = forJob(
    'scopes: [{id: a, match: {event: pull_request}, exclusive: true, http: [{id: v, host: v.example, websocket: true}, {id: n, host: a.example, follow: true, websocket: true, addresses: [10.0.0.0/8, 172.16.0.0/12]}]}, {id: b, match: {repo: acme/app}, exclusive: true, http: [{id: u, host: v.example}, {id: m, host: a.example, maxUpload: 64KiB, websocket: true, addresses: 10.1.0.0/16}]}]',
    pull,
  );
  t.match(decideRequest(scopes, request('a.example', '/')), {
    verdict: 'allow',
    maxUploadBytes: 65_536,
    follow: false,
    websocket: true,
  });
  t.same(texts(decideRequest(scopes, request('a.example', '/')).addresses), ['10.1.0.0/16']);
  t.same(texts(decideHost(scopes, tls('a.example')).addresses), ['10.1.0.0/16']);
  t.match(decideRequest(scopes, request('v.example', '/')), { verdict: 'allow', websocket: false });
  t.same(texts(decideHost(scopes, tls('z.example')).addresses), []);
  t.end();
});

void t.test('sizes are read with their units', (t) => {
  const sizes = ['7', '7B', '1kB', '2MB', '1GB', '64KiB', '1MiB', '1GiB'];
  const bytes = sizes.map(
    (size) =>
      decideRequest(forJob(`http: {host: a.example, maxUpload: ${size}}`), request('a.example', '/'))
        .maxUploadBytes,
  );
  t.same(bytes, [7, 7, 1000, 2_000_000, 1_000_000_000, 65_536, 1_048_576, 1_073_741_824]);
  t.end();
});

void t.test('an address named by a rule opens itself, and the dial checks ranges and the blocklist', (t) => {
  const effective = forJob(
    'http: {id: h, host: 10.1.2.3}\nblocklist: [{addresses: 9.9.9.0/24}, {addresses: 8.8.8.8, mode: audit}]',
  );
  const decision = decideHost(effective, { host: null, address: '10.1.2.3', port: 443, protocol: 'tls' });
  t.same([decision.verdict, texts(decision.addresses)], ['allow', ['10.1.2.3/32']]);
  t.same(texts(decideRequest(effective, request('10.1.2.3', '/')).addresses), ['10.1.2.3/32']);
  t.equal(checkDial(effective, '10.1.2.3', 443, decision.addresses), null);
  t.equal(checkDial(effective, '10.1.2.4', 443, decision.addresses), 'private-address');
  t.equal(checkDial(effective, '9.9.9.9', 443, []), 'blocklist');
  t.equal(checkDial(effective, '::ffff:9.9.9.9', 443, []), 'blocklist');
  for (const form of ['64:ff9b::909:909', '64:ff9b:1::909:909', '::909:909', '2002:909:909::1'])
    t.equal(checkDial(effective, form, 443, []), 'blocklist', form);
  t.equal(checkDial(effective, '8.8.8.8', 443, []), null);
  t.equal(checkDial(effective, '127.0.0.1', 443, []), 'never-address');
  t.end();
});

void t.test('an address that a name led to is not dialled where a network rule blocks its range', (t) => {
  const text =
    'network: [{id: r, to: 20.0.0.0/8, action: block}, {id: p, to: 21.0.0.0/8, port: [80, 443], action: block}, {id: u, to: 22.0.0.0/8, protocol: udp, action: block}, {id: a, to: 23.0.0.0/8, action: block, audit: true}, {id: g, to: 24.0.0.0/8, port: 22}]';
  const dial = (address: string, port: number) => checkDial(forJob(text), address, port, []);
  t.equal(dial('20.1.1.1', 443), 'block-rule');
  t.equal(dial('21.1.1.1', 443), 'block-rule');
  t.equal(dial('21.1.1.1', 8443), null);
  for (const address of ['22.1.1.1', '23.1.1.1', '24.1.1.1']) t.equal(dial(address, 443), null, address);
  t.equal(checkDial(forJob(`mode: audit\n${text}`), '20.1.1.1', 443, []), null, 'audit');
  t.end();
});

void t.test('a request on a connection of another host is held by the network rules of its own', (t) => {
  const effective = forJob(
    'http: {id: a, host: ["**.a.example", 9.9.9.9]}\nnetwork: [{id: b, host: p.a.example, action: block}, {id: c, to: 9.9.9.0/24, action: block}]',
  );
  t.match(decideRequest(effective, request('ok.a.example', '/')), { verdict: 'allow', rule: 'a' });
  t.match(decideRequest(effective, request('p.a.example', '/')), { reason: 'block-rule', rule: 'b' });
  t.match(decideRequest(effective, request('9.9.9.9', '/')), { reason: 'block-rule', rule: 'c' });
  t.match(decideRequest(effective, { ...request('ok.a.example', '/'), port: 853 }), {
    reason: 'encrypted-dns',
  });
  t.end();
});

void t.test('packets without a name, with one, and of other protocols', (t) => {
  const effective = forJob(
    'network: [{id: n, to: 9.9.9.0/24, port: 22}, {id: h, host: s.example, port: 22}]',
  );
  const packet = { host: null, address: '9.9.9.9', port: 22, protocol: 'tcp' } as const;
  t.match(decideNetwork(effective, packet), { verdict: 'allow', rule: 'n' });
  t.match(decideNetwork(effective, { ...packet, host: 's.example', address: '7.7.7.7' }), {
    verdict: 'allow',
    rule: 'h',
  });
  t.match(decideNetwork(effective, { ...packet, address: '7.7.7.7' }), {
    verdict: 'block',
    reason: 'no-rule',
  });
  t.match(decideNetwork(effective, { ...packet, protocol: 'other', port: null }), {
    verdict: 'block',
    reason: 'no-rule',
  });
  t.match(decideNetwork(effective, { ...packet, address: 'nonsense' }), {
    verdict: 'block',
    reason: 'never-address',
  });
  t.match(decideNetwork(effective, { ...packet, protocol: 'udp', port: 443 }), {
    reason: 'quic',
    enforced: true,
  });
  t.match(decideNetwork(effective, { ...packet, port: null }), { verdict: 'block', reason: 'no-rule' });
  const every = forJob('network: {id: e, to: 9.9.9.9, protocol: udp}');
  t.match(decideNetwork(every, { ...packet, protocol: 'udp', port: null }), { verdict: 'allow', rule: 'e' });
  t.match(decideNetwork(effective, { ...packet, protocol: 'icmp', port: 853 }), { reason: 'no-rule' });
  t.end();
});

void t.test('jobs to which the same scopes apply share one object, and no other job gets it', (t) => {
  const policy = policyOf('scopes: {id: s, match: {repo: acme/app}, http: {host: a.example}}');
  t.equal(effectivePolicy(policy, J), effectivePolicy(policy, J));
  t.equal(effectivePolicy(policy, J), effectivePolicy(policy, job({ ref: 'refs/x', actor: 'other' })));
  t.not(effectivePolicy(policy, J), effectivePolicy(policy, job({ repository: 'acme/lib' })));
  t.not(effectivePolicy(policy, J), effectivePolicy(policy, unattributed));
  t.not(effectivePolicy(policy, conflicted), effectivePolicy(policy, J));
  t.not(effectivePolicy(policy, { ...J, source: 'process' }), effectivePolicy(policy, J));
  for (let i = 0; i < 5000; i++) effectivePolicy(policy, job({ job: `j${i}` }));
  t.match(decideHost(effectivePolicy(policy, job()), tls('a.example')), { verdict: 'allow' });
  t.end();
});

void t.test('a job that differs in any one value from one seen before is judged by its own', (t) => {
  const full = {
    ...jobFields,
    called_workflow: 'acme/ci/.github/workflows/w.yml',
    environment: 'prod',
    runner_group: 'big',
    fork: true,
    protected: true,
  };
  const rows = [
    ['server: github.com', { server: 'ghes.example' }],
    ['owner: acme', { repository: 'other/app' }],
    ['repo: acme/app', { repository: 'acme/lib' }],
    ['workflow: .github/workflows/ci.yml', { workflow: 'x' }],
    ['calledWorkflow: acme/ci/.github/workflows/w.yml', { called_workflow: 'x' }],
    ['ref: refs/heads/main', { ref: 'refs/heads/x' }],
    ['event: push', { event: 'schedule' }],
    ['environment: prod', { environment: 'dev' }],
    ['job: build', { job: 'test' }],
    ['actor: octocat', { actor: 'mallory' }],
    ['runnerGroup: big', { runner_group: 'small' }],
    ['fork: true', { fork: false }],
    ['protected: true', { protected: false }],
  ] as const;
  for (const [match, change] of rows) {
    const policy = policyOf(`scopes: {id: s, match: {${match}}, http: {id: a, host: a.example}}`);
    t.equal(ask(policy, job(full), 'GET https://a.example/'), 'allow s:a', match);
    t.equal(ask(policy, job({ ...full, ...change }), 'GET https://a.example/'), 'block no-rule', match);
  }
  const gitlab = policyOf('scopes: {id: s, match: {project: acme/app}, http: {id: a, host: a.example}}');
  t.equal(
    ask(gitlab, job({ project: 'acme/app', server: 'gitlab.com' }), 'GET https://a.example/'),
    'allow s:a',
  );
  t.equal(
    ask(gitlab, job(), 'GET https://a.example/'),
    'block no-rule',
    'the same path on the other platform',
  );
  t.end();
});

void t.test('a source that a program on the runner could forge never widens the top level', (t) => {
  const policy = policyOf(
    'http: {id: t, host: t.example}\nscopes: {id: s, match: {repo: acme/app}, http: {id: a, host: a.example}}',
  );
  const judge = (source: Attribution['source'], host: string) =>
    decideHost(effectivePolicy(policy, { ...J, source }), tls(host)).verdict;
  t.same(
    ['declared', 'job-message', 'confirmed-claim'].map((source) =>
      judge(source as Attribution['source'], 'a.example'),
    ),
    ['allow', 'allow', 'allow'],
  );
  t.same([judge('hook-claim', 'a.example'), judge('process', 'a.example')], ['block', 'block']);
  t.same([judge('hook-claim', 't.example'), judge('process', 't.example')], ['allow', 'allow']);
  t.end();
});

void t.test('a claim opens nothing that a flow of nobody may not do, whatever it names', (t) => {
  const claim = (fields: Parameters<typeof job>[0] = {}): Attribution => ({
    ...job(fields),
    source: 'hook-claim',
    certainty: 'likely',
  });
  const confirmed = (): Attribution => ({ ...job(), source: 'confirmed-claim', certainty: 'certain' });
  const rows: readonly (readonly [what: string, policy: string, who: Attribution, verdict: string])[] = [
    ['a scope', 'scopes: {id: s, match: {repo: acme/app}, http: {host: a.example}}', claim(), 'block'],
    ['a scope', 'scopes: {id: s, match: {repo: acme/app}, http: {host: a.example}}', confirmed(), 'allow'],
    ['a milder mode', 'mode: block\nscopes: {id: s, match: {repo: acme/app}, mode: audit}', claim(), 'block'],
    [
      'not being in an exclusive scope',
      'http: {host: a.example}\nscopes: {id: f, exclusive: true, match: {fork: true}, http: {host: f.example}}',
      claim({ fork: false }),
      'block',
    ],
    ['being somebody at all', 'onUnattributed: block\nhttp: {host: a.example}', claim(), 'block'],
    [
      'with `fleet` a block of the claimed job holds',
      'onUnattributed: fleet\nhttp: {host: a.example}\nscopes: {id: s, match: {repo: acme/app}, http: {host: a.example, action: block}}',
      claim(),
      'block',
    ],
    [
      'and an exclusive scope of it narrows',
      'onUnattributed: fleet\nhttp: {host: a.example}\nscopes: {id: s, exclusive: true, match: {repo: acme/app}, http: {host: s.example}}',
      claim(),
      'block',
    ],
    ['the fleet', 'onUnattributed: fleet\nhttp: {host: a.example}', claim(), 'allow'],
  ];
  for (const [what, text, who, verdict] of rows) {
    const decision = decideHost(effectivePolicy(policyOf(text), who), tls('a.example'));
    t.equal(decision.verdict === 'allow' || !decision.enforced ? 'allow' : 'block', verdict, what);
  }
  t.end();
});

void t.test('the network plan: ranges and ports for the fleet and for each runner', (t) => {
  const policy = policyOf(
    [
      'network: [{id: named, host: s.example, port: 2222}, {id: t, to: [9.9.0.0/16, "2620::/16"], port: [22, "8000-8010"]}, {id: ping, to: 9.9.9.9, protocol: icmp}, {id: raw, to: 9.9.1.0/24, port: 443, inspect: false}, {id: b, to: 9.9.9.0/24, action: block, port: 25, protocol: tcp}, {id: soft, to: 9.8.0.0/16, action: block, audit: true}]',
      'http: {host: a.example, port: 8443}',
      'opaque: {id: o, host: o.example, port: 9443}',
      'scopes: [{id: x, match: {event: pull_request}, exclusive: true, mode: audit, network: {id: n, to: 9.9.9.0/24, port: "20-30"}}, {id: y, match: {repo: acme/app}, exclusive: true, network: {id: m, to: 9.9.0.0/16, port: "25-8005", inspect: false}}]',
      'blocklist: [{addresses: [7.7.7.7, 6.6.0.0/16]}, {addresses: 5.5.5.5, mode: audit}]',
    ].join('\n'),
  );
  const plan = networkPlan(
    policy,
    new Map([
      ['192.0.2.1', pull],
      ['192.0.2.2', job({ repository: 'x/y' })],
    ]),
  );
  t.same(plan.interceptedPorts, [80, 443, 8443, 9443]);
  t.same(plan.blocklist, ['7.7.7.7/32', '6.6.0.0/16']);
  t.equal(plan.revision, policy.revision);
  t.same(plan.runners['192.0.2.1'], {
    mode: 'audit',
    allow: [{ to: '9.9.9.0/24', protocol: 'tcp', ports: [25, 30], rule: 'n', inspect: true }],
    block: [{ to: '9.9.9.0/24', protocol: 'tcp', ports: [25, 25], rule: 'b', inspect: true }],
  });
  t.same(plan.runners['192.0.2.2']?.allow, [
    { to: '9.9.0.0/16', protocol: 'tcp', ports: [22, 22], rule: 't', inspect: true },
    { to: '9.9.0.0/16', protocol: 'tcp', ports: [8000, 8010], rule: 't', inspect: true },
    { to: '2620::/16', protocol: 'tcp', ports: [22, 22], rule: 't', inspect: true },
    { to: '2620::/16', protocol: 'tcp', ports: [8000, 8010], rule: 't', inspect: true },
    { to: '9.9.9.9/32', protocol: 'icmp', ports: null, rule: 'ping', inspect: true },
    { to: '9.9.1.0/24', protocol: 'tcp', ports: [443, 443], rule: 'raw', inspect: false },
  ]);
  t.equal(plan.fleet.mode, 'block');
  t.same(plan.fleet.allow, []);
  const touching = policyOf(
    'scopes: [{id: x, match: {event: push}, exclusive: true, network: {id: n, to: 9.9.9.0/24, port: "20-22"}}, {id: y, match: {repo: acme/app}, exclusive: true, network: {id: m, to: 9.9.9.0/24, port: ["22-30", "15-19"]}}]',
  );
  t.same(
    networkPlan(touching, new Map([['192.0.2.1', job()]])).runners['192.0.2.1']?.allow,
    [{ to: '9.9.9.0/24', protocol: 'tcp', ports: [22, 22], rule: 'n', inspect: true }],
    'ranges that share one port',
  );
  t.same(
    networkPlan(policyOf('onUnattributed: block\nnetwork: {to: 9.9.9.9, port: 22}'), new Map()).fleet.allow,
    [],
  );
  const fleet = policyOf(
    'onUnattributed: fleet\nnetwork: {id: n, to: 9.9.9.9, port: 22}\nscopes: {id: pr, match: {event: pull_request}, exclusive: true, network: {id: m, to: 9.9.9.8, port: 22}}',
  );
  const { runners, fleet: side } = networkPlan(
    fleet,
    new Map(),
    new Map([
      ['192.0.2.1', job()],
      ['192.0.2.2', job({ event: 'pull_request' })],
      ['192.0.2.3', conflicted],
    ]),
  );
  t.equal(side.allow.length, 1);
  t.same(
    Object.entries(runners).map(([address, { allow }]) => [address, ...allow.map(({ rule }) => rule)]),
    [['192.0.2.2', 'm'], ['192.0.2.3']],
    'live jobs of the fleet’s side are left out; one in conflict has less than nobody',
  );
  t.end();
});

void t.test('the number of rules that a decision looks at does not grow with the policy', (t) => {
  const sizeOf = (count: number) => {
    const rules = Array.from({ length: count }, (_, i) =>
      i % 3 === 0
        ? `{host: h${i}.example}`
        : i % 3 === 1
          ? `{host: "*.w${i}.example"}`
          : `{host: api.example, paths: "/v1/p${i}/**"}`,
    );
    const effective = forJob(`http: [${rules.join(', ')}]`);
    const api = selectByPath(findHostView(effective, 'api.example').paths.groups[0]!, '/v1/p5/x').length;
    const views = ['h3.example', 'x.w4.example', 'none.example'].map(
      (host) => findHostView(effective, host).groups[0]!.length,
    );
    return [...views, Math.min(api, 2)];
  };
  t.same(sizeOf(1000), [1, 1, 0, 1]);
  t.same(sizeOf(100), [1, 1, 0, 1]);
  t.end();
});

void t.test('a host with many rules is decided as one with few', (t) => {
  const paths = ['/', '/a', '/a/', '/a/b', '/a/b/c', '/ab', '/x/y', '/x/y/', '/x/z/y', '/b1/q'];
  const own =
    '{id: one, host: a.example, paths: /a}, {id: two, host: a.example, paths: "/a/**"}, {id: three, host: a.example, paths: "/x/*/y"}, {id: four, host: a.example, paths: /x/y, action: block}, {id: five, host: a.example, paths: ["/b*/q", /]}, {id: six, host: a.example, methods: POST}';
  const filler = Array.from(
    { length: 40 },
    (_, i) =>
      `{host: a.example, paths: "/filler${i}/**"}, {host: a.example, paths: "/filler${i}", action: block}`,
  );
  const few = forJob(`http: [${own}]`);
  const many = forJob(`http: [${own}, ${filler.join(', ')}]`);
  for (const path of paths) {
    for (const method of ['GET', 'POST', 'PUT']) {
      const [a, b] = [few, many].map((effective) =>
        decideRequest(effective, request('a.example', path, method)),
      );
      t.same([b?.verdict, b?.rule, b?.reason], [a?.verdict, a?.rule, a?.reason], `${method} ${path}`);
    }
  }
  t.end();
});

const hostWords = ['a.example', '*.a.example', '**.a.example', 'b.example'] as const;
const ruleArb = fc.record({
  host: fc.constantFrom(...hostWords),
  action: fc.constantFrom('allow', 'block'),
  methods: fc.constantFrom(undefined, 'read', 'write', 'any', 'POST'),
  paths: fc.constantFrom(undefined, '/x', '/x/**'),
});
const matchArb = fc.constantFrom<Record<string, unknown>>(
  { repo: 'acme/app' },
  { event: 'push' },
  { event: 'pull_request' },
  { fork: true },
  { not: { environment: 'prod' } },
  { owner: 'acme', not: { event: 'push' } },
);
const scopeArb = fc.record({
  match: matchArb,
  mode: fc.constantFrom(undefined, 'audit', 'block'),
  exclusive: fc.boolean(),
  http: fc.array(ruleArb, { maxLength: 3 }),
});
const policyArb = fc
  .record({
    mode: fc.constantFrom('audit', 'block'),
    http: fc.array(ruleArb, { maxLength: 4 }),
    scopes: fc.array(scopeArb, { maxLength: 3 }),
  })
  .map(({ mode, http, scopes }) => ({
    version: 1,
    mode,
    ...(http.length > 0 && { http }),
    ...(scopes.length > 0 && {
      scopes: scopes.map((scope, index) => ({
        id: `s${index}`,
        ...scope,
        http: scope.http.length > 0 ? scope.http : undefined,
      })),
    }),
  }));
const jobArb = fc
  .record({
    event: fc.constantFrom('push', 'pull_request', null),
    fork: fc.constantFrom(true, false, null),
    environment: fc.constantFrom('prod', 'dev', null),
    repository: fc.constantFrom('acme/app', 'x/y'),
  })
  .map((changes) => job(changes));
const questionArb = fc.record({
  method: fc.constantFrom('GET', 'POST', 'PUT'),
  url: fc.constantFrom(
    'https://a.example/',
    'https://q.a.example/x',
    'https://q.r.a.example/x/y',
    'https://b.example/x',
    'http://a.example/',
    'dns://q.a.example',
  ),
  hasBody: fc.boolean(),
  headers: fc.constant(new Map<string, string>()),
});

function isOpenFor(policy: Policy, who: Attribution, question: Question): boolean {
  const explanation = explainQuestion(policy, who, question);
  return explanation.kind === 'decision' && isOpen(explanation.decision);
}

void t.test(
  'explain asks for what an override names too, and tells a miss on an address from a private one',
  (t) => {
    const policy = policyOf(
      'http: [{id: y, host: y.example, methods: any}, {id: b, host: y.example, methods: read, paths: /x, action: block}, {id: p, host: 10.1.2.3, paths: /x}]',
    );
    t.equal(ask(policy, J, 'POST https://y.example/x'), 'allow y');
    t.equal(ask(policy, J, 'POST https://y.example/x x-http-method=GET'), 'block block-rule b');
    t.equal(ask(policy, J, 'POST https://y.example/x x-http-method=PUT'), 'allow y');
    t.equal(ask(policy, J, 'GET https://10.1.2.3/x'), 'allow p');
    t.equal(ask(policy, J, 'GET https://10.1.2.3/y'), 'block path');
    t.match(ask(policy, J, 'GET nonsense'), /^unreadable /);
    for (const header of [
      'content_length=1',
      'transfer_encoding=chunked',
      'keep_alive=1',
      'proxy_connection=x',
      'proxy_authorization=x',
      'http2_settings=x',
      'x_http-method=PUT',
      'x_method_override=PUT',
      'x_http_method_override=PUT',
      'x-rewrite-url=/x',
      'content-length=abc',
      'content-length=-1',
    ])
      t.equal(ask(policy, J, `POST https://y.example/z ${header}`), 'block request-smuggling', header);
    t.end();
  },
);

void t.test('many rules together decide as each alone: blocked by any, else allowed by any', (t) => {
  const joined = (
    parts: readonly string[],
    options: { minLength: number; maxLength: number },
    glue: string,
  ) => fc.array(fc.constantFrom(...parts), options).map((chosen) => chosen.join(glue));
  const rule = fc.record({
    host: joined(['a', 'b', '*', '**', 'x*'], { minLength: 0, maxLength: 3 }, '.'),
    path: joined(['a', 'b', 'v1', '*', '**', 'x*', '*y', 'a*b'], { minLength: 0, maxLength: 4 }, '/'),
    isBlock: fc.boolean(),
    except: fc.constantFrom('none.example', 'a.t.example', '**.b.t.example', 'x.a.t.example'),
  });
  const question = fc.record({
    host: joined(['a', 'b', 'xy', 'q'], { minLength: 0, maxLength: 3 }, '.'),
    path: joined(['a', 'b', 'v1', 'xy', 'zy', 'acb'], { minLength: 1, maxLength: 4 }, '/'),
  });
  const under = (host: string) => (host === '' ? 't.example' : `${host}.t.example`);
  const textOf = ({ host, path, isBlock, except }: typeof rule extends fc.Arbitrary<infer R> ? R : never) =>
    `  - {host: "${under(host)}", except: "${except}"${path === '' ? '' : `, paths: "/${path}"`}${isBlock ? ', action: block' : ''}}\n`;
  const open = '  - {host: [t.example, "**.t.example"]}\n';
  fc.assert(
    fc.property(fc.array(rule, { minLength: 14, maxLength: 40 }), fc.array(question), (rules, questions) => {
      const all = policyOf(`http:\n${rules.map(textOf).join('')}`);
      const alone = rules.map((one) => policyOf(`http:\n${textOf(one)}${one.isBlock ? open : ''}`));
      for (const { host, path } of questions) {
        const url = `GET https://${under(host)}/${path}`;
        const each = alone.map((policy) => ask(policy, J, url));
        const isBlocked = each.some((answer) => answer.startsWith('block block-rule'));
        const isAllowed = each.some((answer, index) => !rules[index]!.isBlock && answer.startsWith('allow'));
        const wanted = isBlocked ? 'block' : isAllowed ? 'allow' : 'block';
        if (ask(all, J, url).split(' ')[0] !== wanted) return false;
      }
      return true;
    }),
    { numRuns: 60 },
  );
  t.end();
});

void t.test('properties of every policy', (t) => {
  // Each case compiles policies: it is a property of decisions, not a parser of hostile bytes.
  const numRuns = Math.min(Number(process.env['FUZZ_CASES'] ?? 2000), 4000) / 2;
  const compile = (file: object) => policyOf(JSON.stringify(file));
  fc.assert(
    fc.property(policyArb, jobArb, questionArb, (file, who, question) => {
      const policy = compile(file);
      if (isOpenFor(policy, who, question)) return true;
      return (
        !isOpenFor(policy, unattributed, question) && !isOpenFor(policy, { ...who, conflict: true }, question)
      );
    }),
    { numRuns },
  );
  fc.assert(
    fc.property(policyArb, jobArb, questionArb, (file, who, question) => {
      const turned = {
        ...file,
        ...('http' in file && { http: file.http.toReversed() }),
        ...('scopes' in file && { scopes: file.scopes.toReversed() }),
      };
      return isOpenFor(compile(file), who, question) === isOpenFor(compile(turned), who, question);
    }),
    { numRuns },
  );
  fc.assert(
    fc.property(policyArb, jobArb, questionArb, ruleArb, (file, who, question, rule) => {
      const more = { ...file, http: [...('http' in file ? file.http : []), { ...rule, action: 'block' }] };
      return isOpenFor(compile(file), who, question) || !isOpenFor(compile(more), who, question);
    }),
    { numRuns },
  );
  t.end();
});

void t.test('the list of what is always enforced', (t) => {
  t.same(alwaysEnforced, [
    'blocklist',
    'never-address',
    'private-address',
    'encrypted-dns',
    'quic',
    'spoofed-source',
    'quarantine',
  ]);
  t.same(
    [isAlwaysEnforced('quic'), isAlwaysEnforced('no-rule'), isAlwaysEnforced('block-rule')],
    [true, false, false],
  );
  t.end();
});

void t.test('another spelling of the job’s server does not lose an exclusive scope', (t) => {
  const policy = policyOf(
    'http: {id: t, host: a.example}\nscopes: {id: s, match: {server: github.com}, exclusive: true, http: {id: b, host: b.example}}',
  );
  const known = job();
  for (const server of ['github.com', 'GitHub.com', 'github.com.']) {
    const attribution = { ...known, job: { ...known.job!, server } };
    const decision = decideHost(effectivePolicy(policy, attribution), tls('a.example'));
    t.match(decision, { verdict: 'block', reason: 'not-exclusive' }, server);
  }
  t.end();
});

void t.test(
  'a blocklist file is in audit when it or its entry says so, read line by line or as YAML',
  (t) => {
    const plain = 'hosts:\n  - soft.example\n';
    const yaml = 'hosts: [soft.example]\n';
    for (const list of [plain, yaml]) {
      for (const [entry, head, expected] of [
        ['{files: list.yaml}', '', 'block blocklist'],
        ['{files: list.yaml}', 'mode: audit\n', 'would blocklist'],
        ['{files: list.yaml, mode: audit}', '', 'would blocklist'],
        ['{files: list.yaml, mode: audit}', 'mode: audit\n', 'would blocklist'],
      ] as const) {
        const policy = policyOf(`http: {id: h, host: soft.example}\nblocklist: ${entry}`, {
          'list.yaml': head + list,
        });
        t.match(
          ask(policy, job(), 'GET https://soft.example/'),
          new RegExp(`^${expected}`),
          `${entry} ${head}${list}`,
        );
      }
    }
    t.end();
  },
);

void t.test(
  'a preset in an exclusive scope, by itself or in a bundle, keeps the runner’s service open to flows of nobody',
  (t) => {
    const asks = (scope: string) =>
      decideHost(
        effectivePolicy(
          policyOf(
            `mode: block\npresets: github-runner\nscopes: {id: f, match: {fork: true}, exclusive: true${scope}`,
          ),
          nobody,
        ),
        tls('broker.actions.githubusercontent.com'),
      ).verdict;
    t.equal(asks('}'), 'block');
    t.equal(asks(', presets: github-runner}'), 'allow');
    t.equal(asks(', use: b}\nbundles: {b: {presets: github-runner}}'), 'allow');
    t.end();
  },
);
