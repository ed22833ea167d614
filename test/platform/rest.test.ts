// Calls of GitHub's REST API: every route that needs a scope, every other route of the API's own description, and how
// paths are read.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import t from 'tap';
import { routes } from '../../platform/github/understand-rest.ts';
import { ask, say, sayNeeds } from './ask.ts';
import { restFacts } from './rest-facts.ts';

interface Fact {
  readonly method: string;
  readonly path: string;
  readonly needs: string;
  readonly isOpen: boolean;
}

function facts(): Fact[] {
  let needs = '';
  return restFacts
    .trim()
    .split('\n')
    .flatMap((line) => {
      if (line.startsWith('= ')) needs = line.slice(2);
      if (line.startsWith('= ')) return [];
      const [method, path] = line.replace('°', '').split(' ') as [string, string]; // every row has both
      return [
        { method, path: path.replace('...', '/repos/{owner}/{repo}'), needs, isOpen: line.endsWith('°') },
      ];
    });
}

const examples: Readonly<Record<string, string>> = {
  owner: 'acme',
  repo: 'app',
  repository_id: '7',
  org: 'acme',
  username: 'acme',
  repo_owner: 'acme',
  repo_name: 'app',
  path: 'src/main/app.ts',
  ref: 'heads/feature/one',
  branch: 'feature/one',
  basehead: 'main...feature/one',
};
const example = (path: string): string =>
  path.replaceAll(/\{([\w-]+)\}/g, (_, name: string) => examples[name] ?? '12');
const api = (path: string): string => `https://api.github.com${path}`;
const form = (path: string): string =>
  path.replaceAll(/\{[^}]+\}(?:\.\.\.\{[^}]+\})?/g, '{}').replaceAll('*', '');

t.test('every route that needs a scope says so, whatever the form of its path', async (t) => {
  const all = facts();
  t.equal(all.length, 256);
  for (const { method, path, needs, isOpen } of all) {
    const line = `${method} ${api(example(path))}`;
    const asked = ask(line).operation!;
    t.equal(sayNeeds(asked.needs), needs, line);
    t.equal(asked.sureness, needs.includes('|') ? 'ambiguous' : 'known', `${line} is sure of it`);
    t.ok(asked.widens, `${line} is the job's own`);
    t.same(asked.ungrantable, [], `${line} can be granted`);
    const isRead = method === 'GET' || path === '/markdown';
    t.equal(asked.access, isRead ? 'read' : 'write', `${line} by its method`);
    const inPublic = ask(line, { job: { private: false } }).operation!;
    t.equal(sayNeeds(inPublic.needs), isOpen && isRead ? '-' : needs, `${line} in a public repository`);
    t.equal(
      sayNeeds(ask(line, { job: { private: true } }).operation!.needs),
      needs,
      `${line} in a private one`,
    );
  }
});

t.test('numbers, letters of a method and other servers change nothing about what is needed', async (t) => {
  const all = facts().filter(({ path }) => path.startsWith('/repos/'));
  for (const { method, path, needs } of all) {
    const below = example(path).slice('/repos/acme/app'.length);
    const variants = [
      `${method} ${api(`/repositories/7${below}`)}`,
      `${method} ${api(`/repos/ACME/App${below}/`)}`,
      `${method} https://ghes.corp.example/api/v3/repos/acme/app${below}`,
      `${method} https://api.acme.ghe.com/repos/acme/app${below}`,
      ...(method === 'GET' ? [`HEAD ${api(`/repos/acme/app${below}`)}`] : []),
    ];
    for (const line of variants) t.equal(sayNeeds(ask(line).operation!.needs), needs, line);
  }
});

const files = ['api.github.com', 'ghec', 'ghes-3.17', 'ghes-3.18', 'ghes-3.19'];

/** Operation ids by method and path, of every edition of GitHub that the description covers. */
function described(): Map<string, string> {
  const find = createRequire(import.meta.url).resolve;
  const found = new Map<string, string>();
  for (const file of files) {
    const text = readFileSync(find(`@octokit/openapi/generated/${file}.json`), 'utf8');
    const { paths } = JSON.parse(text) as { paths: Record<string, Record<string, { operationId?: string }>> };
    for (const [path, methods] of Object.entries(paths))
      for (const [method, { operationId }] of Object.entries(methods))
        if (operationId !== undefined) found.set(`${method.toUpperCase()} ${form(path)}`, operationId);
  }
  return found;
}

/** What we add to the description: older spellings and the root of a path parameter. */
const ours = [
  'GET /repos/{}/{}/contents',
  'GET /repos/{}/{}/git/refs',
  'GET /repos/{}/{}/git/matching-refs',
  'GET /repos/{}/{}/tarball',
  'GET /repos/{}/{}/zipball',
  'GET /repos/{}/{}/git/refs/{}',
  'GET /repos/{}/{}/statuses/{}',
  'POST /actions/runner-registration',
  'POST /hub',
];

t.test('every route of the API’s description is mapped or listed as unknown, and no other', async (t) => {
  const listed = new Map(routes.map((route) => [`${route.method} ${form(route.path)}`, route]));
  const known = described();
  t.ok(known.size > 1_500);
  t.same(
    [...known.keys()].filter((key) => !listed.has(key)),
    [],
    'described and not listed',
  );
  t.same(
    [...listed.keys()].filter((key) => !known.has(key) && !ours.includes(key)),
    [],
    'listed and not described',
  );
  const renamed = [...known].filter(([key, id]) => listed.get(key)?.name !== id && !ours.includes(key));
  t.same(renamed, [], 'listed under another id');
  const lost = routes.filter(({ method, path, name }) => {
    const asked = ask(
      `${method} ${api(example(path.replace('{ref*}/comments', '{sha}/comments').replaceAll('*', '')))}`,
    );
    return asked.operation!.name !== name;
  });
  t.same(
    lost.map(({ method, path }) => `${method} ${path}`),
    [],
    'a path that leads elsewhere',
  );
});

/** Scopes that are needed without a row of the facts: all of them ask for more than the documentation states. */
const further: readonly (readonly [RegExp, string])[] = [
  [/^GET \/(?:orgs|users)\/\{\}\/(?:packages|docker\/)/, 'packages:read'],
  [/^GET \/user\/(?:packages|docker\/)/, 'packages:read'],
  [/^(?:POST|DELETE) \/(?:orgs|users)\/\{\}\/packages\//, 'packages:write'],
  [/^(?:POST|DELETE) \/user\/packages\//, 'packages:write'],
  [/^(?:POST|PUT|DELETE) \/repos\/\{\}\/\{\}\/pages$|^GET .*\/pages\/health$/, 'pages:write'],
  [/^POST \/repos\/\{\}\/\{\}\/(?:forks|generate)$/, 'contents:read'],
  [/^POST \/repos\/\{\}\/\{\}\/releases\/\{\}\/assets$/, 'contents:write'],
];

t.test('no route without a fact asks for a scope but the ones listed here', async (t) => {
  const stated = new Set(
    facts().map(
      ({ method, path }) =>
        `${method} ${form(path.replace('/repositories/{repository_id}', '/repos/{owner}/{repo}'))}`,
    ),
  );
  const wrong = routes.filter((route) => {
    const key = `${route.method} ${form(route.path)}`;
    if (stated.has(key) || ours.includes(key)) return false;
    return sayNeeds(route.needs) !== (further.find(([pattern]) => pattern.test(key))?.[1] ?? '-');
  });
  t.same(
    wrong.map(({ method, path }) => `${method} ${path}`),
    [],
  );
});

t.test('what no workflow can grant is named, and what outlives the job is admin', async (t) => {
  const rows: readonly (readonly [string, string])[] = [
    [
      'POST /repos/acme/app/hooks',
      'repos/create-webhook · admin acme/app · - · beyond repository_hooks: write',
    ],
    ['GET /repos/acme/app/hooks', 'repos/list-webhooks · read acme/app · - · beyond repository_hooks: read'],
    [
      'POST /repos/acme/app/keys',
      'repos/create-deploy-key · admin acme/app · - · beyond administration: write',
    ],
    [
      'PUT /repos/acme/app/collaborators/eve',
      'repos/add-collaborator · admin acme/app · - · beyond administration: write',
    ],
    [
      'PUT /repos/acme/app/actions/secrets/TOKEN',
      'actions/create-or-update-repo-secret · admin acme/app · - · beyond secrets: write',
    ],
    [
      'GET /repos/acme/app/actions/secrets',
      'actions/list-repo-secrets · read acme/app · - · beyond secrets: read',
    ],
    [
      'PATCH /repos/acme/app/actions/variables/A',
      'actions/update-repo-variable · admin acme/app · - · beyond variables: write',
    ],
    [
      'PUT /repos/acme/app/environments/prod',
      'repos/create-or-update-environment · admin acme/app · - · beyond administration: write',
    ],
    [
      'PUT /repos/acme/app/environments/prod/secrets/A',
      'actions/create-or-update-environment-secret · admin acme/app · - · beyond environments: write',
    ],
    [
      'POST /repos/acme/app/actions/runners/registration-token',
      'actions/create-registration-token-for-repo · admin acme/app · - · beyond administration: write',
    ],
    [
      'POST /orgs/acme/actions/runners/registration-token',
      'actions/create-registration-token-for-org · admin owner acme · - · beyond organization_self_hosted_runners: write',
    ],
    [
      'POST /actions/runner-registration',
      'runner/register · admin platform · - · beyond administration: write',
    ],
    [
      'PUT /repos/acme/app/branches/main/protection',
      'repos/update-branch-protection · admin acme/app · - · beyond administration: write',
    ],
    [
      'PUT /repos/acme/app/branches/feature/one/protection',
      'repos/update-branch-protection · admin acme/app · - · beyond administration: write',
    ],
    [
      'POST /repos/acme/app/rulesets',
      'repos/create-repo-ruleset · admin acme/app · - · beyond administration: write',
    ],
    ['PATCH /repos/acme/app', 'repos/update · admin acme/app · - · beyond administration: write'],
    ['DELETE /repos/acme/app', 'repos/delete · admin acme/app · - · beyond administration: write'],
    ['POST /user/repos', 'repos/create-for-authenticated-user · admin platform · - · beyond user-token'],
    ['POST /orgs/evil/repos', 'repos/create-in-org · admin owner evil · - · beyond administration: write'],
    [
      'POST /repos/acme/app/forks',
      'repos/create-fork · read acme/app + admin owner ? · contents:read · beyond administration: write',
    ],
    [
      'POST /repos/acme/app/generate',
      'repos/create-using-template · read acme/app + admin owner ? · contents:read · beyond administration: write',
    ],
    [
      'POST /repos/acme/app/transfer',
      'repos/transfer · admin acme/app + admin owner ? · - · beyond administration: write',
    ],
    [
      'PUT /orgs/acme/memberships/eve',
      'orgs/set-membership-for-user · admin owner acme · - · beyond members: write',
    ],
    ['GET /orgs/acme/members', 'orgs/list-members · read owner acme · - · beyond members: read'],
    [
      'PUT /orgs/acme/teams/ops/repos/acme/app',
      'teams/add-or-update-repo-permissions-in-org · admin owner acme + admin acme/app · - · beyond members: write',
    ],
    [
      'POST /orgs/acme/projectsV2/1/items',
      'projects/add-item-for-org · write owner acme · - · beyond organization_projects: write',
    ],
    [
      'GET /repos/acme/app/secret-scanning/alerts',
      'secret-scanning/list-alerts-for-repo · read acme/app · - · beyond secret_scanning_alerts: read',
    ],
    [
      'POST /repos/acme/app/security-advisories',
      'security-advisories/create-repository-advisory · write acme/app · - · beyond repository_advisories: write',
    ],
    [
      'PATCH /repos/acme/app/dependabot/alerts/3',
      'dependabot/update-alert · write acme/app · - · beyond vulnerability_alerts: write',
    ],
    [
      'GET /enterprises/acme/audit-log',
      'enterprise-admin/get-audit-log · read platform · - · beyond enterprise',
    ],
    [
      'POST /app/installations/1/access_tokens',
      'apps/create-installation-access-token · write platform · - · beyond app-token',
    ],
    [
      'PUT /user/starred/evil/repo',
      'activity/star-repo-for-authenticated-user · write platform + write evil/repo · - · beyond user-token',
    ],
    [
      'PUT /repos/acme/app/contents/.github/workflows/ci.yml',
      'repos/create-or-update-file-contents · write acme/app · contents:write · beyond workflows: write',
    ],
    [
      'DELETE /repositories/7/contents/.github%2FWorkflows%2Fci.yml',
      'repos/delete-file · write acme/app#7 · contents:write · beyond workflows: write',
    ],
    [
      'PUT /repos/acme/contents/contents/docs/.github/workflows/ci.yml',
      'repos/create-or-update-file-contents · write acme/contents · contents:write',
    ],
    [
      'POST /repos/acme/app/pages',
      'repos/create-pages-site · admin acme/app · pages:write · beyond administration: write',
    ],
  ];
  for (const [line, expected] of rows) {
    const [method, path] = line.split(' ') as [string, string]; // every row has both
    t.equal(say(ask(`${method} ${api(path)}`)), expected, line);
  }
});
