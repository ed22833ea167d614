// What policy makes of credentials that were made while the job ran, of the runtime's own, and of what signed tokens
// claim; and rules on operations whose answers send the job on.

import t from 'tap';
import type { Attribution } from '../../flow/job.ts';
import type { CredentialKind, Operation, Touch } from '../../flow/operation.ts';
import type { Policy } from '../../policy/compile.ts';
import { decideRequest } from '../../policy/decide.ts';
import { findForeignClaims, type ClaimedAt } from '../../policy/foreign-claims.ts';
import { effectivePolicy } from '../../policy/scope.ts';
import { conflicted, job, nobody, policyOf, problemsOf, withHead } from './judge.ts';

const hidden: Touch = { kind: 'repository', access: 'write', owner: null, name: null, id: null, refs: null };

function operation(credential: CredentialKind, more: Partial<Operation> = {}): Operation {
  return {
    platform: 'github',
    server: 'github.com',
    name: 'cache/save',
    access: 'write',
    touches: [hidden],
    needs: [{}],
    ungrantable: [],
    sureness: 'known',
    widens: true,
    credential,
    detail: null,
    ...more,
  };
}

const service = 'results-receiver.actions.githubusercontent.com';

function ask(policy: Policy, attribution: Attribution, asked: Operation, host = service) {
  return decideRequest(effectivePolicy(policy, attribution), {
    scheme: 'https',
    host,
    port: 443,
    method: 'POST',
    path: '/',
    hasBody: true,
    upgrade: null,
    evidence: [],
    operation: asked,
    attribution,
  });
}
const decide = (policy: Policy, attribution: Attribution, asked: Operation, host = service): string => {
  const { verdict, reason } = ask(policy, attribution, asked, host);
  return verdict === 'allow' ? 'allow' : reason;
};

t.test(
  'artifacts and caches with the runtime’s own token are decided by the rule for the job’s repository',
  async (t) => {
    const own = policyOf('github: {id: own, repo: "{job.repo}", access: write, anyRef: a test}');
    const runtime = operation('runtime', { made: 'runtime', root: 'job' });
    const rows: readonly (readonly [Operation, Attribution, string])[] = [
      [runtime, job(), 'allow'],
      [operation('runtime'), job(), 'repository'],
      [operation('unknown'), job(), 'repository'],
      [operation('derived', { made: 'registry', root: 'pat' }), job(), 'repository'],
      [runtime, nobody, 'repository'],
      [runtime, conflicted, 'repository'],
    ];
    for (const [asked, who, expected] of rows)
      t.equal(decide(own, who, asked), expected, `${asked.credential} ${asked.root}`);
    const other = policyOf('github: {id: other, repo: acme/other, access: write, anyRef: a test}');
    t.equal(decide(other, job(), runtime), 'repository');
    const read = policyOf('github: {id: own, repo: "{job.repo}"}');
    t.equal(decide(read, job(), runtime), 'access');
    const blocks = policyOf(
      'github: [{id: own, repo: "{job.repo}", access: write, anyRef: a test}, {id: no, repo: "{job.repo}", operations: "cache/*", action: block}]',
    );
    t.equal(decide(blocks, job(), runtime), 'block-rule');
  },
);

t.test('a kind of credential is what it is, or what it stems from', async (t) => {
  const policy = (allow: string) =>
    policyOf(
      `github: {id: all, repo: "**", access: write, anyRef: a test}\ncredentials: {kinds: {host: "*.actions.githubusercontent.com", allow: [${allow}]}}`,
    );
  const write: Touch = { ...hidden, owner: 'acme', name: 'app' };
  const rows: readonly (readonly [string, CredentialKind, Partial<Operation>, string])[] = [
    ['derived', 'derived', { made: 'installation', root: 'app' }, 'allow'],
    ['app', 'derived', { made: 'installation', root: 'app' }, 'allow'],
    ['job', 'derived', { made: 'registry', root: 'job' }, 'allow'],
    ['job', 'derived', { made: 'registry', root: 'pat' }, 'credential-kind'],
    ['job', 'derived', { made: 'installation', root: 'app' }, 'credential-kind'],
    ['cloud', 'derived', { made: 'cloud', root: 'job' }, 'allow'],
    ['registry', 'derived', { made: 'registry', root: 'pat' }, 'allow'],
    ['derived', 'app', {}, 'credential-kind'],
    ['derived', 'runtime', { made: 'runtime', root: 'job' }, 'credential-kind'],
    ['job', 'derived', {}, 'credential-kind'],
  ];
  for (const [allow, credential, more, expected] of rows)
    t.equal(
      decide(policy(allow), job(), operation(credential, { touches: [write], ...more })),
      expected,
      `${allow} ${credential} ${more.root}`,
    );
});

t.test('a ceiling holds for what was made with the job’s token, and for its runtime', async (t) => {
  const policy = policyOf(
    'github: {id: all, repo: "**", access: write, anyRef: a test}\npermissions: {mode: block, ceiling: {packages: read}}',
  );
  const image: Touch = { kind: 'image', access: 'write', image: 'ghcr.io/acme/app', reference: null };
  const push = { name: 'container/push', touches: [image], needs: [{ packages: 'write' }] } as const;
  const at = (credential: CredentialKind, more: Partial<Operation>) =>
    decide(policy, job(), operation(credential, more), 'ghcr.io');
  t.equal(at('job', push), 'permission');
  t.equal(at('derived', { ...push, made: 'registry', root: 'job' }), 'permission');
  t.equal(at('derived', { ...push, made: 'registry', root: 'pat', widens: false }), 'allow');
  t.equal(at('derived', { ...push, needs: [{ packages: 'read' }], made: 'registry', root: 'job' }), 'allow');
});

const sign = (claims: unknown): string =>
  ['{"alg":"RS256"}', JSON.stringify(claims), 'x'.repeat(40)]
    .map((part) => Buffer.from(part).toString('base64url'))
    .join('.');
const actions = 'https://token.actions.githubusercontent.com';
const ac = (...scopes: (readonly [string, number])[]) =>
  JSON.stringify(scopes.map(([Scope, Permission]) => ({ Scope, Permission })));

const anywhere: ClaimedAt = { host: 'vault.corp.example', isPlatform: false, takes: () => null };

t.test('claims of a signed token close, and never open', async (t) => {
  const main = job();
  const rows: readonly (readonly [unknown, Attribution, string | null])[] = [
    [{ iss: actions, repository: 'evil/x' }, main, 'another repository'],
    [{ iss: actions, repository: 'ACME/app' }, main, null],
    [{ iss: `${actions}/acme`, repository: 'evil/x' }, main, 'another repository'],
    [{ iss: 'https://idp.example', repository: 'evil/x' }, main, null],
    [{ iss: 'https://github.com.evil.example', repository: 'evil/x' }, main, null],
    [{ repository: 'evil/x' }, main, null],
    [{ iss: actions, repository: 'evil/x' }, nobody, null],
    [{ ac: ac(['refs/heads/main', 3]) }, main, null],
    [{ ac: ac(['refs/heads/evil', 3], ['refs/heads/main', 1]) }, main, 'another ref'],
    [{ ac: ac(['refs/heads/evil', 1]) }, main, null],
    [{ ac: ac(['refs/heads/evil', 2]) }, job({ event: 'pull_request_target' }), null],
    [{ ac: '{' }, main, null],
    [{ ac: [{ Scope: 'refs/heads/evil', Permission: 3 }] }, main, null],
    ['x', main, null],
    [null, main, null],
    [{ iss: 7, repository: ['evil/x'], ac: 9 }, main, null],
  ];
  for (const [claims, who, expected] of rows) {
    const found = findForeignClaims(`authorization: Bearer ${sign(claims)}`, who, anywhere);
    t.equal(found.length, expected === null ? 0 : 1, JSON.stringify(claims));
    if (expected !== null) t.match(found[0], { kind: 'foreign-token', detail: expected });
  }
  const base = main.job!; // J has one
  const gitlab: Attribution = {
    ...main,
    job: { ...base, platform: 'gitlab', server: 'scm.corp.example', repository: 'acme/infra/web' },
  };
  t.equal(
    findForeignClaims(sign({ iss: 'https://scm.corp.example', project_path: 'acme/other' }), gitlab, anywhere)
      .length,
    1,
  );
  t.equal(
    findForeignClaims(
      sign({ iss: 'https://scm.corp.example', project_path: 'acme/infra/web' }),
      gitlab,
      anywhere,
    ).length,
    0,
  );
  const sent = (aud: unknown, at: Partial<ClaimedAt>, iss = actions) =>
    findForeignClaims(sign({ iss, repository: 'acme/app', aud }), main, { ...anywhere, ...at }).length;
  const aws = { host: 'sts.eu-west-1.amazonaws.com' };
  const audiences: readonly (readonly [number, number])[] = [
    [sent('sts.amazonaws.com', aws), 0],
    [sent('sts.amazonaws.com', { host: 'evil.example' }), 1],
    [sent('sts.amazonaws.com', { host: 'api.github.com', isPlatform: true }), 0],
    [sent('sts.amazonaws.com', { host: 'evil.example' }, 'https://idp.example'), 0],
    [sent(['sts.amazonaws.com', 'https://vault.corp.example'], {}), 0],
    [sent(['sts.amazonaws.com', 'pypi'], {}), 1],
    [sent('a-word', {}), 0],
    [sent('a-word', { takes: () => false }), 1],
    [sent('sts.amazonaws.com', { takes: () => true }), 0],
    [sent('https://github.com/acme', {}), 0],
    [sent(undefined, {}), 0],
    [sent([], {}), 0],
  ];
  t.same(
    audiences.map(([found]) => found),
    audiences.map(([, expected]) => expected),
    'audiences',
  );
  const decoys = `${sign({ iss: 'x' })} `.repeat(400);
  t.equal(
    findForeignClaims(`${decoys}${sign({ iss: actions, repository: 'evil/x' })}`, main, anywhere).length,
    1,
  );
  const startedAt = performance.now();
  for (const text of [
    'eyJ'.repeat(80_000),
    'eyJ.'.repeat(60_000),
    `${sign({})} `.repeat(1500),
    `eyJ${'a'.repeat(240_000)}`,
  ])
    findForeignClaims(text, main, anywhere);
  t.ok(performance.now() - startedAt < 2000, 'linear');
});

t.test('what is no repository’s is granted by a rule that spells its operation out', async (t) => {
  const policy = policyOf(
    'github: [{id: own, repo: "{job.repo}", access: admin, anyRef: a test}, {id: app, repo: "{job.repo}", operations: [apps/create-installation-access-token, oidc/token], anyRef: a test}, {id: any, repo: "{job.repo}", operations: "repos/*", anyRef: a test}]',
  );
  const platform: Touch = { kind: 'platform', access: 'write' };
  const identity: Touch = { kind: 'identity', access: 'write', audience: 'a' };
  const rows: readonly (readonly [Partial<Operation>, string])[] = [
    [{ name: 'apps/create-installation-access-token', touches: [platform] }, 'allow'],
    [{ name: 'oidc/token', touches: [identity] }, 'allow'],
    [{ name: 'apps/scope-token', touches: [platform] }, 'repository'],
    [{ name: 'repos/create-for-authenticated-user', touches: [platform] }, 'repository'],
    [{ name: 'oidc/token', touches: [identity], sureness: 'unknown' }, 'not-understood'],
  ];
  for (const [more, expected] of rows)
    t.equal(decide(policy, job(), operation('job', more)), expected, String(more.name));
  const blocks = policyOf('mode: audit\ngithub: {id: no, repo: "**", operations: oidc/token, action: block}');
  t.equal(
    decide(blocks, job(), operation('runtime', { name: 'oidc/token', touches: [identity] })),
    'block-rule',
  );
});

t.test('follow stands on rules of every kind, and means what they all say', async (t) => {
  const touch: Touch = {
    kind: 'repository',
    access: 'read',
    owner: 'acme',
    name: 'app',
    id: null,
    refs: null,
  };
  const read = operation('job', { name: 'repos/get', access: 'read', touches: [touch] });
  const follows = (policy: Policy, asked: Operation, host: string) => {
    const decided = ask(policy, job(), asked, host);
    return `${decided.verdict} ${decided.follow}`;
  };
  t.equal(
    follows(policyOf('github: {id: r, repo: acme/app, follow: true}'), read, 'api.github.com'),
    'allow true',
  );
  t.equal(
    follows(policyOf('github: {id: r, repo: acme/app, follow: false}'), read, 'api.github.com'),
    'allow false',
  );
  t.equal(follows(policyOf('github: {id: r, repo: acme/app}'), read, 'api.github.com'), 'allow false');
  const two = policyOf(
    'github: [{id: r, repo: acme/app}, {id: f, repo: "acme/*", follow: true}, {id: x, repo: evil/x, follow: true}]',
  );
  t.equal(follows(two, read, 'api.github.com'), 'allow true', 'one is enough');
  t.equal(ask(two, job(), read, 'api.github.com').rule, 'r');
  const image: Touch = { kind: 'image', access: 'read', image: 'quay.io/acme/app', reference: 'latest' };
  const pull = operation('none', {
    platform: 'oci',
    server: 'quay.io',
    name: 'oci/pull',
    access: 'read',
    touches: [image],
  });
  t.equal(
    follows(policyOf('images: {id: i, image: quay.io/acme/app, follow: true}'), pull, 'quay.io'),
    'allow true',
  );
  const bucket: Touch = {
    kind: 'cloud',
    access: 'read',
    service: 's3',
    account: '123456789012',
    bucket: 'lake',
  };
  const get = operation('cloud', {
    platform: 'aws',
    server: 'amazonaws.com',
    name: 's3/get-object',
    access: 'read',
    touches: [bucket],
  });
  const aws = policyOf('aws: {id: a, accounts: "123456789012", follow: true}');
  t.equal(follows(aws, get, 's3.amazonaws.com'), 'allow true');
  const project: Touch = { ...touch, owner: 'acme', name: 'infra' };
  const gitlab = operation('job', {
    platform: 'gitlab',
    server: 'gitlab.com',
    name: 'projects/get',
    access: 'read',
    touches: [project],
  });
  t.equal(
    follows(
      policyOf('gitlab: {id: g, project: acme/infra, server: gitlab.com, follow: true}'),
      gitlab,
      'gitlab.com',
    ),
    'allow true',
  );
  t.match(problemsOf(withHead('github: {id: r, repo: acme/app, follow: 1}')), [{ severity: 'error' }]);
});
