// What policy asks of credentials: tokens bound elsewhere, writes to other owners, kinds by host, audiences.

import t from 'tap';
import type { Attribution } from '../../flow/job.ts';
import type { CredentialKind, Operation, Touch } from '../../flow/operation.ts';
import { defaultServers, ownServer } from '../../flow/platform-server.ts';
import type { Policy } from '../../policy/compile.ts';
import { takesIdentity } from '../../policy/credentials.ts';
import { decideRequest, withhold } from '../../policy/decide.ts';
import { explainQuestion } from '../../policy/explain.ts';
import { findForeignTokens, findTokensInBody } from '../../policy/find-foreign-tokens.ts';
import { effectivePolicy } from '../../policy/scope.ts';
import { conflicted, job, nobody, policyOf, problemsOf, withHead } from './judge.ts';

const servers = [...defaultServers, ownServer('gitlab', 'scm.corp.example')];
// Put together here, so that no scanner takes them for real ones.
const github = `ghp_${'a1B2'.repeat(9)}`;
const jobToken = `ghs_${'a1B2'.repeat(9)}`;
const gitlab = `glpat-${'x9Y8'.repeat(5)}`;
const npm = `npm_${'q7W6'.repeat(9)}`;
const pypi = `pypi-AgE${'z5X4'.repeat(12)}`;
const awsKey = 'AKIARZPUZDIKAAAAAAAA';
const slack = `xoxb-${'1234567890-'.repeat(2)}abc`;
const privateKey = ['-----BEGIN', 'RSA', 'PRIVATE', 'KEY-----'].join(' ');

interface Searched {
  readonly fields?: string;
  readonly path?: string;
  readonly query?: string;
}

function search(host: string, { fields = '', path = '/', query = '' }: Searched): string {
  const found = findForeignTokens({ host, path, query, fields }, servers);
  return found.map(({ kind, detail }) => `${kind}: ${detail.split(',')[0]}`).join(' + ');
}

t.test('a token is at home where it was made for, and foreign everywhere else', async (t) => {
  const homes: readonly (readonly [token: string, name: string, hosts: readonly string[]])[] = [
    [
      github,
      'a token of GitHub',
      [
        'api.github.com',
        'github.com',
        'ghcr.io',
        'npm.pkg.github.com',
        'raw.githubusercontent.com',
        'results-receiver.actions.githubusercontent.com',
      ],
    ],
    [
      gitlab,
      'a token of GitLab',
      ['gitlab.com', 'registry.gitlab.com', 'scm.corp.example', 'registry.scm.corp.example'],
    ],
    [npm, 'a token of npm', [['registry', 'npmjs', 'org'].join('.'), 'www.npmjs.com']],
    [pypi, 'a token of PyPI', ['upload.pypi.org', 'test.pypi.org']],
    [
      awsKey,
      'a key of AWS',
      ['s3.amazonaws.com', 'sts.cn-north-1.amazonaws.com.cn', 'lambda.us-east-1.api.aws'],
    ],
    [slack, 'a token of Slack', ['slack.com', 'files.slack.com']],
    [privateKey, 'a private key', []],
  ];
  for (const [token, name, hosts] of homes) {
    for (const host of hosts)
      t.equal(search(host, { fields: `authorization: Bearer ${token}` }), '', `${name} ${host}`);
    for (const host of [
      'evil.example',
      'github.com.evil.example',
      'xgithub.com',
      'acme.github.io',
      'gitlab.io',
      'evil.ghe.com',
      'npmjs.org.evil.example',
      'amazonaws.com.evil.example',
    ])
      t.equal(
        search(host, { fields: `authorization: Bearer ${token}` }),
        `foreign-token: ${name} in the field authorization`,
        `${name} ${host}`,
      );
  }
  t.equal(
    search('gitlab.com', { fields: `private-token: ${github}` }),
    'foreign-token: a token of GitHub in the field private-token',
  );
});

t.test(
  'tokens are found in fields, Basic, path, query and body, encoded by percent too, and never told',
  async (t) => {
    const basic = Buffer.from(`x-access-token:${github}`).toString('base64');
    const rows: readonly (readonly [Searched, string])[] = [
      [
        { fields: `host: a\r\nauthorization: Basic ${basic}` },
        'foreign-token: a token of GitHub in the field authorization',
      ],
      [{ fields: `user-agent: ${github}` }, 'secret-in-request: a token of GitHub in the field user-agent'],
      [
        { fields: `Authorization: basic\t${basic}` },
        'foreign-token: a token of GitHub in the field Authorization',
      ],
      [
        { fields: `cookie: a=1; t=%67hp_${'a1B2'.repeat(9)}` },
        'secret-in-request: a token of GitHub in the field cookie',
      ],
      [{ path: `/x/${npm}/y` }, 'secret-in-request: a token of npm in the path'],
      [{ query: `a=1&t=${slack}` }, 'secret-in-request: a token of Slack in the query'],
      [{ query: `t=%67hp_${'a1B2'.repeat(9)}` }, 'secret-in-request: a token of GitHub in the query'],
      [
        { query: `k=${awsKey}`, fields: `x-a: ${gitlab}` },
        'secret-in-request: a token of GitLab in the field x-a + secret-in-request: a key of AWS in the query',
      ],
      [
        {
          fields: 'accept: */*\r\nuser-agent: npm/10 node/v24',
          path: '/npm_modules/glpat-/ghp_',
          query: 'v=sk_live',
        },
        '',
      ],
      [{ path: '/charts/npm_package_config', query: `sha=${'a1b2'.repeat(10)}` }, ''],
    ];
    for (const [searched, expected] of rows) t.equal(search('evil.example', searched), expected, expected);
    const body = Buffer.from(`{"env":"GITHUB_TOKEN=${github}\\nAWS=${awsKey}","key":"${privateKey}\\n"}`);
    const found = findTokensInBody(body, 'evil.example', servers);
    t.same(
      found.map(({ detail }) => detail.split(',')[0]),
      ['a token of GitHub in the body', 'a key of AWS in the body', 'a private key in the body'],
    );
    t.notMatch(JSON.stringify(found), github.slice(8));
    const many = findForeignTokens(
      { host: 'evil.example', path: '/', query: '', fields: `a: ${github}\r\n`.repeat(100) },
      servers,
    );
    t.equal(many.length, 4);
    const startedAt = performance.now();
    for (const piece of ['ghp_', 'npm_a', 'gl', 'AKIA', '-----BEGIN A ', '%', '.atlasv1.', 'SG.a'])
      findTokensInBody(Buffer.from(piece.repeat(100_000)), 'evil.example', servers);
    t.ok(performance.now() - startedAt < 5000, 'linear');
  },
);

/** `METHOD URL` with headers and a body: verdict and reason. */
function explain(
  policy: Policy,
  who: Attribution,
  line: string,
  headers: Readonly<Record<string, string>> = {},
  body = '',
): string {
  const [method = '', url = ''] = line.split(' ');
  const meanings = {
    interpreter: { understand: () => null },
    credential: (): CredentialKind => (headers['authorization'] === undefined ? 'none' : 'pat'),
  };
  const question = {
    url,
    method,
    hasBody: body !== '',
    headers: new Map(Object.entries(headers)),
    body: Buffer.from(body),
  };
  const found = explainQuestion(policy, who, question, meanings);
  if (found.kind === 'unreadable') return 'unreadable';
  const { verdict, enforced, reason } = found.decision;
  return `${verdict === 'block' && !enforced ? 'would' : verdict} ${reason}`;
}

t.test('foreignToken blocks what a rule allows, by mode; detect only tells', async (t) => {
  const rule = 'http: {id: x, host: x.example, methods: any}';
  const blocking = policyOf(`credentials: {foreignToken: block}\n${rule}`);
  const bearer = { authorization: `Bearer ${jobToken}` };
  t.equal(explain(blocking, job(), 'GET https://x.example/', bearer), 'block foreign-token');
  t.equal(explain(blocking, job(), 'GET https://x.example/'), 'allow rule');
  t.equal(explain(blocking, job(), `GET https://x.example/?t=${github}`), 'block foreign-token');
  t.equal(explain(blocking, job(), 'POST https://x.example/', {}, `token=${npm}`), 'block foreign-token');
  t.equal(explain(blocking, nobody, 'GET https://x.example/', bearer), 'block foreign-token');
  t.equal(explain(blocking, job(), 'GET https://other.example/', bearer), 'block no-rule');
  const audit = policyOf(`mode: audit\ncredentials: {foreignToken: block}\n${rule}`);
  t.equal(explain(audit, job(), 'GET https://x.example/', bearer), 'would foreign-token');
  const detect = policyOf(`credentials: {foreignToken: detect}\n${rule}`);
  t.equal(explain(detect, job(), 'GET https://x.example/', bearer), 'allow rule');
  t.equal(explain(policyOf(rule), job(), 'GET https://x.example/', bearer), 'allow rule');
  const scoped = policyOf(
    `credentials: {foreignToken: detect}\n${rule}\nscopes: {id: s, match: {ref: refs/heads/main}, credentials: {foreignToken: block}}`,
  );
  t.equal(explain(scoped, job(), 'GET https://x.example/', bearer), 'block foreign-token');
  t.equal(explain(scoped, job({ ref: 'refs/heads/x' }), 'GET https://x.example/', bearer), 'allow rule');
  t.equal(
    explain(scoped, nobody, 'GET https://x.example/', bearer),
    'block foreign-token',
    'a scope that may apply asks for more',
  );
});

t.test('kinds of credentials by host', async (t) => {
  const policy = policyOf(
    'http: {id: x, host: ["x.example", "*.a.example"], methods: any}\ncredentials: {kinds: [{host: "*.a.example", allow: [none, registry]}, {host: b.a.example, allow: pat}]}',
  );
  const pat = { authorization: 'Bearer something' };
  t.equal(explain(policy, job(), 'GET https://a.a.example/'), 'allow rule');
  t.equal(explain(policy, job(), 'GET https://a.a.example/', pat), 'block credential-kind');
  t.equal(explain(policy, job(), 'GET https://b.a.example/', pat), 'allow rule', 'either entry will do');
  t.equal(explain(policy, job(), 'GET https://x.example/', pat), 'allow rule', 'no entry names it');
});

const repo = (
  owner: string | null,
  name: string | null,
  access: 'read' | 'write' | 'admin' = 'write',
): Touch => ({ kind: 'repository', access, owner, name, id: null, refs: null });

function operation(
  credential: CredentialKind,
  touches: readonly Touch[],
  more: Partial<Operation> = {},
): Operation {
  const access = touches.some((touch) => touch.access !== 'read') ? 'write' : 'read';
  return {
    platform: 'github',
    server: 'github.com',
    name: 'issues/create',
    access,
    touches,
    needs: [{}],
    ungrantable: [],
    sureness: 'known',
    widens: false,
    credential,
    detail: null,
    ...more,
  };
}

function decide(policy: Policy, attribution: Attribution, asked: Operation): string {
  const effective = effectivePolicy(policy, attribution);
  const question = {
    scheme: 'https',
    host: 'api.github.com',
    port: 443,
    method: 'POST',
    path: '/',
    hasBody: true,
    upgrade: null,
    evidence: [],
    operation: asked,
    attribution,
  } as const;
  const { verdict, reason } = decideRequest(effective, question);
  // What no rule allows is told first: what is withheld besides is asked by itself.
  const withheld = policy.mode === 'audit' ? withhold(effective, question) : null;
  return withheld?.reason ?? (verdict === 'allow' ? 'allow' : reason);
}

t.test('a write to another owner needs the job’s own credential', async (t) => {
  const policy = policyOf(
    'credentials: {foreignOwner: block}\ngithub: {id: all, repo: "**", access: admin, anyRef: a test}',
  );
  const rows: readonly (readonly [Operation, string])[] = [
    [operation('pat', [repo('acme', 'other')]), 'allow'],
    [operation('pat', [repo('ACME', 'other')]), 'allow'],
    [operation('pat', [repo('evil', 'x')]), 'foreign-owner'],
    [operation('app', [repo('evil', 'x')]), 'foreign-owner'],
    [operation('unknown', [repo('evil', 'x')]), 'foreign-owner'],
    [operation('pat', [repo('acme', 'a'), repo('evil', 'x')]), 'foreign-owner'],
    [operation('pat', [repo('acme', 'a'), repo('evil', 'x', 'read')]), 'allow'],
    [operation('pat', [repo('evil', 'x', 'read')]), 'allow'],
    [operation('job', [repo('evil', 'x')]), 'allow'],
    [operation('derived', [repo('evil', 'x')]), 'allow'],
    [operation('derived', [repo('evil', 'x')], { made: 'registry', root: 'job' }), 'allow'],
    [operation('derived', [repo('evil', 'x')], { made: 'installation', root: 'app' }), 'foreign-owner'],
    [operation('derived', [repo('acme', 'x')], { made: 'installation', root: 'app' }), 'allow'],
    [operation('derived', [repo('evil', 'x')], { made: 'registry', root: 'pat' }), 'foreign-owner'],
    [operation('derived', [repo('evil', 'x')], { made: 'registry', root: 'unknown' }), 'foreign-owner'],
    [operation('none', [repo('evil', 'x')]), 'allow'],
    [operation('pat', [{ kind: 'owner', access: 'write', owner: 'acme' }]), 'allow'],
    [operation('pat', [repo('acme', 'a')], { server: 'ghes.corp.example' }), 'repository'],
  ];
  for (const [asked, expected] of rows)
    t.equal(decide(policy, job(), asked), expected, `${asked.credential} ${JSON.stringify(asked.touches)}`);
  // What rules on repositories never cover is let through by paths here, so that only this key is asked.
  const open = policyOf('mode: audit\ncredentials: {foreignOwner: block}\nhttp: {id: x, host: x.example}');
  const hidden: readonly (readonly [Operation, string, Attribution?])[] = [
    [operation('pat', [repo('acme', 'a')]), 'foreign-owner', nobody],
    [operation('pat', [repo('acme', 'a')]), 'foreign-owner', conflicted],
    [operation('pat', [repo('acme', 'a')]), 'no-rule'],
    [operation('pat', [repo(null, null)]), 'foreign-owner'],
    [operation('app', [{ kind: 'platform', access: 'admin' }]), 'foreign-owner'],
    [operation('pat', [{ kind: 'owner', access: 'write', owner: null }]), 'foreign-owner'],
    [
      operation('pat', [{ kind: 'image', access: 'write', image: 'ghcr.io/evil/x', reference: 'l' }]),
      'foreign-owner',
    ],
    [operation('unknown', [{ kind: 'platform', access: 'write' }]), 'no-rule'],
    [operation('runtime', [repo(null, null)]), 'no-rule'],
  ];
  for (const [asked, expected, who = job()] of hidden)
    t.equal(decide(open, who, asked), expected, `${asked.credential} ${JSON.stringify(asked.touches)}`);
});

t.test('an identity token is for a listed audience', async (t) => {
  const oidc = (...audiences: (string | null)[]) =>
    operation(
      'runtime',
      audiences.map((audience): Touch => ({ kind: 'identity', access: 'write', audience })),
      { name: 'oidc/token' },
    );
  const top = policyOf(
    'mode: audit\noidc: {audiences: [sts.amazonaws.com, default]}\nscopes: [{id: rel, match: {ref: refs/tags/v1}, oidc: {audiences: pypi}}, {id: ex, match: {event: schedule}, exclusive: true, oidc: {audiences: only}}]',
  );
  const rows: readonly (readonly [Operation, string, Attribution?])[] = [
    [oidc('sts.amazonaws.com'), 'no-rule'],
    [oidc(null), 'no-rule'],
    [oidc('STS.amazonaws.com'), 'oidc-audience'],
    [oidc('sts.amazonaws.com', 'evil'), 'oidc-audience'],
    [oidc('pypi'), 'oidc-audience'],
    [{ ...oidc(null), sureness: 'unknown' }, 'oidc-audience'],
    [oidc('pypi'), 'no-rule', job({ ref: 'refs/tags/v1' })],
    [oidc('sts.amazonaws.com'), 'oidc-audience', job({ event: 'schedule' })],
    [oidc('only'), 'no-rule', job({ event: 'schedule' })],
    [oidc('sts.amazonaws.com'), 'oidc-audience', nobody],
  ];
  for (const [asked, expected, who = job()] of rows)
    t.equal(decide(top, who, asked), expected, JSON.stringify(asked.touches));
  const unsaid = policyOf(
    'mode: audit\nscopes: {id: rel, match: {ref: refs/tags/v1}, oidc: {audiences: pypi}}',
  );
  t.equal(decide(unsaid, job(), oidc('anything')), 'no-rule', 'nothing is asked where nothing is said');
  t.equal(decide(unsaid, job({ ref: 'refs/tags/v1' }), oidc('anything')), 'oidc-audience');
  const placed = policyOf(
    'mode: audit\noidc: {audiences: [a, {audience: vault, host: "vault.corp.example"}, {audience: default, host: ["*.corp.example", x.example]}]}\nscopes: {id: rel, match: {ref: refs/tags/v1}, oidc: {audiences: {audience: vault, host: other.example}}}',
  );
  t.equal(decide(placed, job(), oidc('vault', 'a', null)), 'no-rule');
  t.equal(decide(placed, job(), oidc('b')), 'oidc-audience');
  const takes = (audience: string | null, host: string, who = job()) =>
    takesIdentity(effectivePolicy(placed, who).credentials!, audience, host);
  t.equal(takes('vault', 'vault.corp.example'), true);
  t.equal(takes('vault', 'other.example'), false);
  t.equal(takes('vault', 'other.example', job({ ref: 'refs/tags/v1' })), true);
  t.equal(takes(null, 'a.corp.example'), true);
  t.equal(takes(null, 'a.b.corp.example'), false);
  t.equal(takes('a', 'anything.example'), null, 'nobody says');
  const bare = policyOf('mode: audit\noidc: {audiences: a}');
  t.equal(decide(bare, job(), oidc(null)), 'oidc-audience', 'the default is listed like any other');
});

t.test('what cannot be meant is said at load', async (t) => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ['credentials: {foreignTokens: block}', /unknown key "foreignTokens"/],
    ['credentials: {foreignToken: allow}', /cannot be "allow"/],
    ['credentials: {kinds: {host: a.example}}', /lacks "allow"/],
    ['credentials: {kinds: {host: a.example, allow: token}}', /cannot be "token"/],
    ['credentials: {kinds: {host: "a b", allow: none}}', /./],
    ['oidc: {}', /lacks "audiences"/],
    ['oidc: {audiences: {audience: a}}', /./],
    ['oidc: {audiences: {audience: a, host: "a b"}}', /./],
    ['bundles: {b: {oidc: {audiences: a}}}', /unknown key "oidc"/],
  ];
  for (const [text, message] of cases)
    t.match(problemsOf(withHead(text)), [{ severity: 'error', message }], text);
});

t.test('an account of AWS covers the images of its registry', async (t) => {
  const policy = policyOf('aws: {id: ecr, accounts: "123456789012", services: ecr}');
  const pull = (image: string, access: 'read' | 'write' = 'read') =>
    operation('none', [{ kind: 'image', access, image, reference: 'latest' }], {
      platform: 'oci',
      name: 'oci/pull',
    });
  const at = (host: string, asked: Operation): string => {
    const decision = decideRequest(effectivePolicy(policy, job()), {
      scheme: 'https',
      host,
      port: 443,
      method: 'GET',
      path: '/',
      hasBody: false,
      upgrade: null,
      evidence: [],
      operation: asked,
      attribution: job(),
    });
    return decision.verdict === 'allow' ? `allow ${decision.rule}` : `block ${decision.reason}`;
  };
  const own = '123456789012.dkr.ecr.eu-west-1.amazonaws.com';
  const other = '210987654321.dkr.ecr.eu-west-1.amazonaws.com';
  t.equal(at(own, pull(`${own}/app`)), 'allow ecr');
  t.equal(at(own, pull(`${own}/app`, 'write')), 'block access');
  t.equal(at(other, pull(`${other}/app`)), 'block repository');
  t.equal(at(own, pull('123456789012.dkr.ecr.evil.example/app')), 'block repository');
});
