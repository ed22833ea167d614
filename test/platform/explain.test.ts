// Requests as clients write them, through `explain`: spellings of a path, and what a policy for acme/* says to them.

import t from 'tap';
import { withQueryTokens } from '../../flow/query-token.ts';
import { readCredential } from '../../platform/read-credential.ts';
import { canonicalisePath, slashesOn } from '../../policy/canonicalise-path.ts';
import { explainQuestion } from '../../policy/explain.ts';
import { loadPolicy } from '../../policy/load.ts';
import { createPlatformInterpreter } from '../../platform/interpreter.ts';
import { acmeApp, sayNeeds, servers } from './ask.ts';

const text = `version: 1
mode: block
github:
  - {id: acme, repo: "acme/*", except: acme/vault, access: write, anyRef: a test}
`;
const { policy } = loadPolicy({ entry: 'policy.yaml', files: { 'policy.yaml': text } });
const attribution = { job: acmeApp, source: 'declared', certainty: 'certain', conflict: false } as const;
const meanings = { interpreter: createPlatformInterpreter(servers), credential: () => 'job' as const };

/** `verdict reason · operation · needs` of `METHOD URL`. */
function explain(line: string, body = ''): string {
  const [method, url] = line.split(' ') as [string, string]; // every line has both
  const question = {
    url,
    method,
    hasBody: body !== '',
    headers: new Map<string, string>(),
    body: Buffer.from(body),
  };
  const found = explainQuestion(policy, attribution, question, meanings);
  if (found.kind === 'unreadable') return 'unreadable';
  const { decision, operation } = found;
  const meant = operation === null ? 'nothing' : `${operation.name} · ${sayNeeds(operation.needs)}`;
  return `${decision.verdict} ${decision.reason} · ${meant}`;
}

const identity = 'https://run-actions-1-azure-eastus.actions.githubusercontent.com/41';

t.test('requests as they are written are explained', async (t) => {
  const issues = 'issues/list-for-repo · issues:read';
  const rows: readonly (readonly [line: string, expected: string, body?: string])[] = [
    ['GET https://api.github.com/repos/acme/app/issues', `allow rule · ${issues}`],
    ['GET HTTPS://API.GitHub.com:443/repos/ACME/App/issues/?per_page=1', `allow rule · ${issues}`],
    ['GET https://api.github.com/repos/acme/%61pp/%69ssues', `allow rule · ${issues}`],
    ['GET https://api.github.com/repos/acme/vault/issues', `block repository · ${issues}`],
    ['GET https://api.github.com/repos/acme/VAULT.git/issues', `block repository · ${issues}`],
    ['GET https://api.github.com/repositories/7/issues', `allow rule · ${issues}`],
    ['GET https://api.github.com/repositories/8/issues', `block repository · ${issues}`],
    ['GET https://api.github.com//repos/acme/app//issues', `block ambiguous-path · ${issues}`],
    ['GET https://api.github.com/repos/evil/../acme/./app/issues', `block ambiguous-path · ${issues}`],
    ['GET https://api.github.com/repos/evil/%2e%2e/acme/app/issues', `block ambiguous-path · ${issues}`],
    ['GET https://api.github.com/repos/acme/app/..%2fvault/issues', 'block ambiguous-path · nothing'],
    ['POST https://api.github.com/repos/acme/app/hooks', 'block access · repos/create-webhook · -', '{}'],
    [
      'POST https://api.github.com/user/repos',
      'block repository · repos/create-for-authenticated-user · -',
      '{}',
    ],
    [
      'POST https://api.github.com/repos/acme/app/forks',
      'block repository · repos/create-fork · contents:read',
      '{}',
    ],
    ['POST https://api.github.com/gists', 'block repository · gists/create · -', '{}'],
    [
      'POST https://github.com/acme/app.git/git-receive-pack',
      'allow rule · git/push · contents:write',
      '0000',
    ],
    [
      'POST https://github.com/acme/vault.wiki.git/git-receive-pack',
      'block repository · git/push · contents:write',
      '0000',
    ],
    ['GET https://ghcr.io/v2/acme/app/manifests/1', 'allow rule · container/pull · packages:read'],
    [
      'PUT https://ghcr.io/v2/evil/app/manifests/1',
      'block repository · container/push · packages:write',
      '{}',
    ],
    [`GET ${identity}//idtoken/p/j?api-version=2.0`, 'block repository · oidc/token · id-token:write'],
  ];
  for (const [line, expected, body] of rows) t.equal(explain(line, body), expected, line);
});

t.test('the job’s own token is found wherever a platform may read one', async (t) => {
  const token = 'ghs_16C7e42F292c6912E7710c838347';
  const other = `ghp_${'x'.repeat(36)}`;
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  const credential = (fields: Readonly<Record<string, string>>, query = ''): string =>
    readCredential(
      withQueryTokens((name) => fields[name] ?? null, query),
      (text) => text === token,
    );
  const own = [
    `Bearer ${token}`,
    `BEARER\t${token}`,
    `Bearer x, Bearer ${token}`,
    `Bearer ${other}, Bearer ${token}`,
    `Bearer ${token},`,
    `Bearer:${token}`,
    `Digest username="${token}"`,
    `Basic\t${base64(`x:${token}`)}`,
    `Basic ${base64(`a:b:${token}`)}`,
    `Bearer ${base64(`${token}:`)}`,
    `Bearer ${base64(`x:${token}`)}`,
    `${' '.repeat(20_000)}Bearer ${token}`,
  ];
  for (const authorization of own) t.equal(credential({ authorization }), 'job', authorization.trim());
  const queries = [
    `job_token=${token}`,
    `job%5Ftoken=${token}`,
    `job%5ftoken=${token}`,
    `job_token=x&job_token=${token}`,
    `job_token=${token}&job_token=x`,
    `access_token=${token}`,
    `private%5Ftoken=${token}`,
  ];
  for (const query of queries) t.equal(credential({}, query), 'job', query);
  t.equal(credential({ 'job-token': 'x' }, `job_token=${token}`), 'job');
  t.equal(credential({ 'private-token': `x, ${token}` }), 'job');
  const others: readonly (readonly [
    fields: Readonly<Record<string, string>>,
    query: string,
    kind: string,
  ])[] = [
    [{}, '', 'none'],
    [{}, 'page_token=x&q=a_token', 'none'],
    [{ authorization: `Bearer ${other}` }, '', 'pat'],
    [{ authorization: `Bearer ${token}x` }, '', 'app'],
    [{ authorization: `Bearer x${token}` }, '', 'unknown'],
    [{ authorization: `Bearer ${other}` }, 'access_token=x', 'pat'],
    [{ authorization: `AWS4-HMAC-SHA256 Credential=${token}` }, '', 'cloud'],
    [{}, `access_token=${other}`, 'pat'],
    [{}, `private_token=glpat-x`, 'pat'],
    [{ authorization: 'Bearer ' + 'x,'.repeat(30_000) }, '', 'unknown'],
  ];
  for (const [fields, query, kind] of others)
    t.equal(credential(fields, query), kind, `${JSON.stringify(fields).slice(0, 80)} ${query}`);
});

t.test('doubled slashes are joined on the runner’s own service alone', async (t) => {
  const path = (host: string): unknown => canonicalisePath('/41//idtoken/p/j?a=1', slashesOn(host));
  const joined = { kind: 'path', path: '/41/idtoken/p/j', query: 'a=1' };
  t.same(path('run-actions-1-azure-eastus.actions.githubusercontent.com'), joined);
  t.same(path('run.actions.acme.ghe.com'), joined);
  for (const host of [
    'api.github.com',
    'actions.githubusercontent.com',
    'x.actions.githubusercontent.com.evil.example',
  ])
    t.match(path(host), { kind: 'ambiguous' }, host);
  t.match(canonicalisePath('/a//../b', 'join'), { kind: 'ambiguous' }, 'dot segments stay refused');
});
