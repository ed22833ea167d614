// Requests as a stranger would ask about them, one line each, through `explain --batch`: what is touched first, with
// which access, what it needs of the job's token. Expected values are typed from GitHub's and GitLab's documentation.

import t from 'tap';
import { serversOf } from '../../flow/platform-server.ts';
import { createInterpreter } from '../../interpreters.ts';
import { readCredential } from '../../platform/read-credential.ts';
import { explainLine } from '../../policy/explain-command.ts';
import { Explainer } from '../../policy/explainer.ts';
import type { UnderstandingPort } from '../../policy/understanding-port.ts';
import { sayNeeds } from './ask.ts';
import type { Operation } from '../../flow/operation.ts';

const understanding: UnderstandingPort = {
  serversOf,
  interpreter: (servers) => createInterpreter(servers, []),
  credential: readCredential,
};
const explainer = new Explainer(
  { entry: 'policy.yaml', files: { 'policy.yaml': 'version: 1\nmode: block\n' } },
  understanding,
);
const token = { Authorization: 'Bearer ${GITHUB_TOKEN}' };
const onGithub = { repository: 'acme/app', repository_id: 7, server_url: 'https://github.com' };
const short: Readonly<Record<string, string>> = {
  api: 'https://api.github.com',
  git: 'https://github.com',
  ghcr: 'https://ghcr.io',
  lab: 'https://gitlab.com',
};

interface Asking {
  readonly context?: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The line of a batch for `METHOD URL BODY`. */
function lineOf(question: string, { context = onGithub, headers = token }: Asking = {}): string {
  const [method = '', written = '', ...rest] = question.split(' ');
  const url = written.replace(/^(\w+):(?=\/(?!\/))/, (whole, host: string) => short[host] ?? whole);
  const body = rest.length === 0 ? {} : { body: rest.join(' ') };
  return JSON.stringify({ id: 1, method, url, headers, context, ...body });
}

/** `operation · owner/repo · access · needs · beyond … · sureness · other` of `METHOD URL BODY`. */
function answer(question: string, asking: Asking = {}): string {
  const told = explainLine(explainer, lineOf(question, asking), new Map());
  const { operation, owner, repo, access, sureness, widens } = told;
  const beyond = told['ungrantable'] as string[] | undefined; // as described
  const place = [owner, repo].map((one) => (typeof one === 'string' ? one : '?')).join('/');
  const parts = [operation, place, access, sayNeeds((told['needs'] ?? []) as Operation['needs'])].map(String);
  if (beyond !== undefined && beyond.length > 0) parts.push(`beyond ${beyond.join(', ')}`);
  if (sureness !== 'known') parts.push(String(sureness));
  if (widens !== true) parts.push('other');
  return parts.join(' · ');
}

/** Rows of `question => expected`; a line that begins with a blank goes on with the one before. */
function check(title: string, rows: string, asking: Asking = {}): void {
  t.test(title, async (t) => {
    for (const row of rows.trim().split('\n')) {
      const [question = '', expected = ''] = row.split(' => ');
      t.equal(answer(question, asking), expected, question);
    }
  });
}

check(
  'paths are one path in every spelling, and another where they are another',
  `
GET api:/repos/acme/app/issues?per_page=100&page=2 => issues/list-for-repo · acme/app · read · issues:read
GET HTTPS://API.GITHUB.COM:443/repos/acme/app/issues => issues/list-for-repo · acme/app · read · issues:read
GET https://api.github.com./repos/acme/app/issues => issues/list-for-repo · acme/app · read · issues:read
HEAD api:/repos/Acme/APP/issues/ => issues/list-for-repo · Acme/APP · read · issues:read
GET api:/repos/acme/app/%69%73sues => issues/list-for-repo · acme/app · read · issues:read
GET https://api.github.com//repos///acme/app//issues/// => issues/list-for-repo · acme/app · read · issues:read
GET api:/repos/evil/x/../../acme/app/./issues => issues/list-for-repo · acme/app · read · issues:read
GET api:/repos/acme/app/../../evil/x/issues => issues/list-for-repo · evil/x · read · issues:read · other
GET api:/repos/acme/app/issues#/../../evil => issues/list-for-repo · acme/app · read · issues:read
GET api:/repos/acme%2Fapp/issues => rest/unknown · ?/? · read · - · unknown
GET api:/repos/acme/app%2Fissues => rest/unknown · ?/? · read · - · unknown
GET api:/repos/acme/vault%2Fissues => rest/unknown · ?/? · read · - · unknown
DELETE api:/repos/acme%2Fapp => rest/unknown · ?/? · write · - · unknown
GET api:/repos/acme/app/issues/1%2Fcomments => rest/unknown · acme/app · read · - · unknown
GET api:/repos/acme/app;x/issues => null · ?/? · null · - · unknown · other
GET api:/repos/acme/app%00/issues => null · ?/? · null · - · unknown · other
GET api:/repos/acme/app\\issues => issues/list-for-repo · acme/app · read · issues:read
GET api:/repos/acme/app/%2e%2e%2fvault/issues => null · ?/? · null · - · unknown · other
GET api:/repos/acme/app/issues%252F1 => null · ?/? · null · - · unknown · other
GET api:/repos/__proto__/constructor/issues => issues/list-for-repo · __proto__/constructor · read · issues:read · other
GET api:/repos/acme/app/__proto__ => rest/unknown · acme/app · read · - · unknown
POST api:/__proto__/constructor {} => rest/unknown · ?/? · write · - · unknown
GET api:/users/dependabot%5Bbot%5D => users/get-by-username · dependabot[bot]/? · read · - · other
GET api:/users/dependabot[bot] => users/get-by-username · dependabot[bot]/? · read · - · other
GET api:/repos/acme/app/collaborators/renovate%5Bbot%5D/permission => repos/get-collaborator-permission-level · acme/app · read · -
GET api:/users/eve%2Frepos => rest/unknown · ?/? · read · - · unknown
get api:/repos/acme/app/issues => rest/unknown · acme/app · write · - · unknown
GET api:/repositories/7/issues => issues/list-for-repo · acme/app · read · issues:read
GET api:/repositories/07/issues => issues/list-for-repo · ?/? · read · issues:read · other
GET api:/repositories/8/issues => issues/list-for-repo · ?/? · read · issues:read · other
DELETE api:/repositories/7/git/refs/heads/x => git/delete-ref · acme/app · write · contents:write
GET api:/repos/acme/app.git/contents/a => repos/get-content · acme/app · read · contents:read
`,
);

check(
  'whatever a method may be taken for, what opens a repository is no plain write',
  `
POST api:/repos/acme/app {"private":false} => rest/unknown · acme/app · admin · - · unknown
PUT api:/repos/acme/app {} => rest/unknown · acme/app · admin · - · unknown
POST api:/repositories/7 {} => rest/unknown · acme/app · admin · - · unknown
POST api:/repos/acme/app/hooks/3 {} => rest/unknown · acme/app · admin · - · unknown
POST api:/orgs/acme {} => rest/unknown · acme/? · admin · - · unknown
PATCH api:/repos/acme/app/keys {} => rest/unknown · acme/app · admin · - · unknown
POST api:/repos/acme/app/issues/3 {"state":"closed"} => rest/unknown · acme/app · write · - · unknown
POST api:/repos/acme/app/git/refs/heads/main {} => rest/unknown · acme/app · write · - · unknown
OPTIONS api:/repos/acme/app => rest/unknown · acme/app · write · - · unknown
POST api:/hub hub.mode=subscribe => repos/subscribe-by-hub · ?/? · admin · - · beyond repository_hooks: write
`,
);

check(
  'a second repository is touched, and takes nothing from what the first one needs',
  `
GET api:/repos/acme/app/compare/main...feature/x => repos/compare-commits · acme/app · read · contents:read
GET api:/repos/acme/app/compare/main...eve:patch => repos/compare-commits · acme/app · read · contents:read
GET api:/repositories/7/compare/ACME:main...acme:app:x => repos/compare-commits · acme/app · read · contents:read
GET api:/repos/acme/app/code-scanning/codeql/variant-analyses/1/repos/evil/x => code-scanning/get-variant-analysis-repo-task · acme/app · read · contents:read
GET api:/repos/evil/x/code-scanning/codeql/variant-analyses/1/repos/evil/y => code-scanning/get-variant-analysis-repo-task · evil/x · read · contents:read · other
POST ghcr:/v2/acme/app/blobs/uploads/?mount=sha256:aa&from=evil/base => container/push · acme/app · write · packages:write
GET ghcr:/token?scope=repository:acme/app:push&scope=repository:evil/x:pull => container/token · acme/app · write · packages:write
GET ghcr:/token?scope=repository:evil/x:pull&scope=repository:evil/y:push => container/token · evil/x · write · packages:write · other
POST api:/repos/acme/app/forks {"organization":"evil"} => repos/create-fork · acme/app · admin · contents:read · beyond administration: write
POST api:/repos/evil/template/generate {"owner":"acme","name":"x"} => repos/create-using-template · evil/template · admin · contents:read · beyond administration: write · other
POST api:/repos/evil/x/forks {} => repos/create-fork · evil/x · admin · contents:read · beyond administration: write · other
POST api:/repos/acme/app/transfer {"new_owner":"evil"} => repos/transfer · acme/app · admin · - · beyond administration: write
POST api:/repos/acme/app/merge-upstream {"branch":"main"} => repos/merge-upstream · acme/app · write · contents:write
PUT api:/user/starred/evil/x => activity/star-repo-for-authenticated-user · evil/x · write · - · beyond user-token · other
GET api:/networks/evil/x/events => activity/list-public-events-for-repo-network · evil/x · read · - · other
`,
);

check(
  'of a public repository reads need nothing, and all else needs what it needs',
  `
GET api:/repos/acme/app/compare/main...eve:patch => repos/compare-commits · acme/app · read · -
GET api:/repos/acme/app/issues => issues/list-for-repo · acme/app · read · -
GET api:/repos/acme/other/issues => issues/list-for-repo · acme/other · read · issues:read · other
GET api:/repos/acme/app/code-scanning/alerts => code-scanning/list-alerts-for-repo · acme/app · read · security-events:read
GET api:/repos/acme/app/dependabot/alerts => dependabot/list-alerts-for-repo · acme/app · read · vulnerability-alerts:read
GET api:/repos/acme/app/actions/artifacts/9/zip => actions/download-artifact · acme/app · read · actions:read
POST api:/repos/acme/app/issues {} => issues/create · acme/app · write · issues:write
POST api:/markdown {} => markdown/render · ?/? · read · -
GET git:/acme/app/info/refs?service=git-upload-pack => git/fetch · acme/app · read · -
`,
  { context: { ...onGithub, private: false } },
);

check(
  'where a method is overridden nothing is sure',
  `
POST api:/repos/acme/app/issues {} => rest/unknown · acme/app · write · - · unknown
GET api:/repos/acme/app => rest/unknown · acme/app · write · - · unknown
POST api:/repos/acme/app/hooks/1 {} => rest/unknown · acme/app · admin · - · unknown
GET ghcr:/v2/acme/app/manifests/1 => container/pull · acme/app · write · packages:read · unknown
GET git:/acme/app/info/refs?service=git-upload-pack => git/fetch · acme/app · write · contents:read · unknown
GET https://npm.pkg.github.com/@acme%2Fapp => packages/download · acme/? · write · packages:read · unknown
`,
  { headers: { ...token, 'X-HTTP-Method-Override': 'DELETE' } },
);

const encode = (text: string): string => Buffer.from(text).toString('base64');
t.test('the job’s own token is known in every form that platforms take it in', async (t) => {
  const pull = 'GET ghcr:/v2/acme/app/manifests/1';
  const forms: readonly (readonly [string, boolean])[] = [
    ['Bearer ${GITHUB_TOKEN}', true],
    ['bearer  ${GITHUB_TOKEN}', true],
    ['token ${GITHUB_TOKEN}', true],
    ['Token token="${GITHUB_TOKEN}"', true],
    [`Basic ${encode('x-access-token:${GITHUB_TOKEN}')}`, true],
    [`Basic ${encode('${GITHUB_TOKEN}:')}`, true],
    ['Basic x-access-token:${GITHUB_TOKEN}', true],
    [`Bearer ${encode('${GITHUB_TOKEN}')}`, true],
    [`Bearer ${encode('${GITHUB_TOKEN}\n')}`, true],
    [`Bearer ${encode('someone:${GITHUB_TOKEN}')}`, true],
    [`Bearer ${encode('ghp_16C7e42F292c6912E7710c838347Ae178B4a')}`, false],
    ['Bearer ${OTHER_TOKEN}', false],
    ['', false],
  ];
  for (const [Authorization, isOwn] of forms) {
    const headers: Record<string, string> = Authorization === '' ? {} : { Authorization };
    const expected = `container/pull · acme/app · read · packages:read${isOwn ? '' : ' · other'}`;
    t.equal(answer(pull, { headers }), expected, Authorization);
  }
});

check(
  'servers of one’s own and tenants are read like github.com',
  `
GET https://ghes.corp.example/api/v3/repos/acme/app/pulls/1 => pulls/get · acme/app · read · pull-requests:read | contents:read · ambiguous
GET https://ghes.corp.example/api/v3/repositories/7/pulls/1/files => pulls/list-files · acme/app · read · pull-requests:read
POST https://ghes.corp.example/api/graphql {"query":"{viewer{login}}"} => graphql/query · ?/? · read · -
POST https://ghes.corp.example/api/uploads/repos/acme/app/releases/1/assets?name=x x => repos/upload-release-asset · acme/app · write · contents:write
POST https://ghes.corp.example/acme/app.git/git-receive-pack 0000 => git/push · acme/app · write · contents:write
GET https://ghes.corp.example/raw/acme/app/main/README.md => raw/download · acme/app · read · contents:read
GET https://ghes.corp.example/codeload/acme/app/zip/main => archive/download · acme/app · read · contents:read
PUT https://ghes.corp.example/_registry/npm/@acme%2Fapp {} => packages/publish · acme/? · write · packages:write
GET https://ghes.corp.example/repos/acme/app/issues => web/page · repos/acme · read · - · unknown · other
GET https://ghes.corp.example/API/V3/repos/acme/app => web/page · ?/? · read · - · unknown
GET https://api.github.com/repos/acme/app/issues => issues/list-for-repo · acme/app · read · issues:read · other
`,
  {
    context: {
      repository: 'acme/app',
      repository_id: 7,
      server_url: 'https://ghes.corp.example',
      api_url: 'https://ghes.corp.example/api/v3',
    },
  },
);

check(
  'a tenant has an API of its own',
  `
GET https://api.acme.ghe.com/repos/acme/app/issues => issues/list-for-repo · acme/app · read · issues:read
POST https://api.acme.ghe.com/graphql {"query":"mutation{createIssue(input:{}){clientMutationId}}"} => graphql/createIssue · ?/? · write · issues:write
POST https://uploads.acme.ghe.com/repos/acme/app/releases/1/assets?name=x x => repos/upload-release-asset · acme/app · write · contents:write
POST https://acme.ghe.com/acme/app/git-upload-pack 0000 => git/fetch · acme/app · read · contents:read
GET https://containers.acme.ghe.com/v2/acme/app/manifests/1 => container/pull · acme/app · read · packages:read
GET https://run-1.actions.acme.ghe.com/41//idtoken/p/j?audience=x => oidc/token · ?/? · write · id-token:write
GET https://api.github.com/repos/acme/app/issues => issues/list-for-repo · acme/app · read · issues:read · other
`,
  {
    context: {
      repository: 'acme/app',
      repository_id: '7',
      server_url: 'https://acme.ghe.com',
      api_url: 'https://api.acme.ghe.com',
    },
  },
);

check(
  'git, LFS and downloads name their repository, whatever stands around it',
  `
GET git:/acme/app.git/info/refs?service=git-upload-pack => git/fetch · acme/app · read · contents:read
GET git:/acme/app/info/refs => git/fetch · acme/app · read · contents:read
GET git:/acme/app/HEAD => git/fetch · acme/app · read · contents:read
GET git:/acme/app.git/objects/info/packs => git/fetch · acme/app · read · contents:read
POST git:/acme/app.wiki.git/git-receive-pack 0000 => git/push · acme/app · write · contents:write
POST git:/acme/app.git.git/git-receive-pack 0000 => git/push · acme/app · write · contents:write
POST git:/acme/app.Wiki.GIT.git/git-receive-pack 0000 => git/push · acme/app · write · contents:write
POST git:/acme/.git/git-receive-pack 0000 => git/push · acme/.git · write · contents:write · other
POST git:/acme/vault%2Fgit-receive-pack 0000 => web/page · ?/? · write · - · unknown
POST git:/acme/vault%2Fx.git/git-receive-pack 0000 => git/push · ?/? · write · contents:write
GET git:/acme/vault%2Finfo/refs?service=git-upload-pack => web/page · ?/? · read · - · unknown
PUT git:/acme/app.git/git-receive-pack 0000 => web/page · acme/app · write · - · unknown
GET git:/acme/app.git/info/refs?service=GIT-RECEIVE-PACK => git/push · acme/app · write · contents:write
POST git:/acme/app.git/info/lfs/objects/batch {"operation":"download","objects":[]} => lfs/download · acme/app · read · contents:read
POST git:/acme/app/info/lfs/objects/batch {"operation":"upload","objects":[]} => lfs/upload · acme/app · write · contents:write
POST git:/acme/app/info/lfs/objects/batch {"operation":"download","oper\\u0061tion":"upload"} => lfs/batch · acme/app · write · contents:write · unknown
POST git:/acme/app/info/lfs/locks/verify {} => lfs/verify-locks · acme/app · write · contents:write
GET https://raw.githubusercontent.com/acme/app/refs/heads/main/a/b => raw/download · acme/app · read · contents:read
GET https://raw.githubusercontent.com/wiki/acme/app/Home.md => raw/download · acme/app · read · contents:read
GET https://raw.githubusercontent.com/acme%2Fapp/main/a => web/page · ?/? · read · - · unknown
GET https://codeload.github.com/acme/app/legacy.tar.gz/refs/tags/v1 => archive/download · acme/app · read · contents:read
GET git:/acme/app/archive/refs/heads/main.zip => archive/download · acme/app · read · contents:read
GET git:/acme/app/releases/latest/download/app.tgz => release/download · acme/app · read · contents:read
GET git:/acme/app/raw/main/x => raw/download · acme/app · read · contents:read
POST https://gist.github.com/eve/0123456789abcdef/git-receive-pack 0000 => gist/push · eve/? · write · - · beyond gists: write · other
POST https://gist.github.com/0123456789abcdef.git/git-receive-pack 0000 => gist/push · ?/? · write · - · beyond gists: write
PATCH api:/gists/0123456789abcdef {} => gists/update · ?/? · write · - · beyond gists: write
POST api:/gists {} => gists/create · ?/? · write · - · beyond gists: write
`,
);

check(
  'registries, models and the runner’s service',
  `
GET ghcr:/v2/evil/x/manifests/tags => container/pull · evil/x · read · packages:read · other
GET ghcr:/v2/evil/x/manifests/blobs => container/pull · evil/x · read · packages:read · other
GET ghcr:/v2/evil/x => container/unknown · evil/x · read · - · unknown · other
PUT ghcr:/v2/acme/app/manifests/latest {} => container/push · acme/app · write · packages:write
DELETE ghcr:/v2/acme/app/manifests/sha256:aa => container/delete · acme/app · write · packages:write
GET ghcr:/v2/acme/app/referrers/sha256:aa => container/pull · acme/app · read · packages:read
GET ghcr:/token?service=ghcr.io&scope=repository:acme/app:pull%20repository:acme/lib:pull,push => container/token · acme/app · write · packages:write
GET https://npm.pkg.github.com/@Acme%2fapp => packages/download · Acme/? · read · packages:read
PUT https://npm.pkg.github.com/@evil%2fapp {} => packages/publish · evil/? · write · packages:write · other
PUT https://maven.pkg.github.com/acme/app/x/1/x.jar x => packages/publish · acme/app · write · packages:write
PUT https://nuget.pkg.github.com/acme/ x => packages/publish · acme/? · write · packages:write
POST https://rubygems.pkg.github.com/acme/api/v1/gems x => packages/publish · acme/? · write · packages:write
POST https://models.github.ai/inference/chat/completions {} => models/inference · ?/? · read · models:read
POST https://models.github.ai/orgs/acme/inference/chat/completions {} => models/inference · acme/? · read · models:read
POST api:/repos/acme/app/attestations {} => repos/create-attestation · acme/app · write · attestations:write
GET https://pipelinesghubeus3.actions.githubusercontent.com/x/00000000-0000/_apis/distributedtask/hubs/Actions/plans/p/jobs/j/idtoken?api-version=2.0&audience=sts.amazonaws.com => oidc/token · ?/? · write · id-token:write
POST https://results-receiver.actions.githubusercontent.com/twirp/github.actions.results.api.v1.CacheService/CreateCacheEntry {"key":"k"} => cache/save · ?/? · write · -
POST https://results-receiver.actions.githubusercontent.com/twirp/github.actions.results.api.v1.ArtifactService/__proto__ {} => service/unknown · ?/? · write · - · unknown
`,
);

const onGitlab = { project: 'acme/infra', repository_id: 42, server_url: 'https://gitlab.com' };
const jobToken = { 'JOB-TOKEN': '${CI_JOB_TOKEN}' };
check(
  'a GitLab by paths, numbers, protocols and documents',
  `
GET lab:/api/v4/projects/acme%2Finfra/releases => releases/list · acme/infra · read · releases:read
GET lab:/api/v4/projects/acme%2finfra/releases/ => releases/list · acme/infra · read · releases:read
GET lab:/api/v4/projects/42/releases => releases/list · acme/infra · read · releases:read
GET lab:/api/v4/projects/43/releases => releases/list · ?/? · read · releases:read · other
GET lab:/api/v4/projects/ACME%2FInfra/releases => releases/list · ACME/Infra · read · releases:read
GET lab:/api/v4/projects/acme%2Flib%2Fdeep/releases => releases/list · acme/lib/deep · read · releases:read · other
GET lab:/api/v4/projects/acme/infra/releases => rest/unknown · ?/? · read · - · unknown
GET lab:/api/v4/projects/acme%252Finfra/releases => null · ?/? · null · - · unknown · other
POST lab:/api/v4/projects/42/merge_requests {"target_project_id":77} => merge-requests/create · acme/infra · write · - · beyond api
POST lab:/api/v4/projects/42/hooks {} => hooks/create · acme/infra · admin · - · beyond api
PUT lab:/api/v4/projects/42/packages/generic/x/1/x.bin x => packages/publish · acme/infra · write · packages:write
GET lab:/acme/infra.git/info/refs?service=git-receive-pack => git/push · acme/infra · write · -
POST lab:/acme/lib/deep.git/git-upload-pack 0000 => git/fetch · acme/lib/deep · read · - · other
POST lab:/acme/infra.git/info/lfs/objects/batch {"operation":"upload"} => lfs/upload · acme/infra · write · -
GET lab:/jwt/auth?service=container_registry&scope=repository:acme/infra/web:pull,push => container/token · acme/infra/web · write · -
GET lab:/jwt/auth?service=container_registry&scope=repository:acme/infra:push&scope=repository:evil/x:pull => container/token · acme/infra · write · -
PUT https://registry.gitlab.com/v2/evil/x/manifests/1 {} => container/push · evil/x · write · - · other
GET https://registry.gitlab.com/v2/evil/x/manifests/tags => container/pull · evil/x · read · - · other
POST lab:/api/graphql {"query":"{project(fullPath:\\"acme/infra\\"){name}}"} => graphql/query · acme/infra · read · - · beyond read_api
POST lab:/api/graphql {"query":"{project(fullPath:\\"evil/x\\"){name}}"} => graphql/query · evil/x · read · - · beyond read_api · other
POST lab:/api/graphql {"query":"mutation{projectCiCdSettingsUpdate(input:{}){errors}}"} => graphql/projectCiCdSettingsUpdate · ?/? · admin · - · beyond api · unknown
POST lab:/api/graphql {"query":"mutation{pipelineScheduleCreate(input:{}){errors}}"} => graphql/pipelineScheduleCreate · ?/? · admin · - · beyond api · unknown
POST lab:/api/graphql {"query":"mutation{createContainerProtectionRepositoryRule(input:{}){errors}}"} => graphql/createContainerProtectionRepositoryRule · ?/? · admin · - · beyond api · unknown
POST lab:/api/graphql {"query":"mutation{approvalProjectRuleUpdate(input:{}){errors}}"} => graphql/approvalProjectRuleUpdate · ?/? · admin · - · beyond api · unknown
POST lab:/api/graphql {"query":"mutation{issueSetDueDate(input:{}){clientMutationId}}"} => graphql/issueSetDueDate · ?/? · write · - · beyond api · unknown
`,
  { context: onGitlab, headers: jobToken },
);

const gql = (query: string, variables?: unknown): string =>
  `POST api:/graphql ${JSON.stringify({ query, variables })}`;
const fields = 'issues(first:1){totalCount}';
check(
  'documents of GraphQL by what they name',
  `
${gql(`{repository(owner:"acme",name:"app"){${fields}}}`)} => graphql/query · acme/app · read · issues:read
${gql(`{repository(owner:"evil",name:"x"){${fields}}}`)} => graphql/query · evil/x · read · issues:read · other
${gql(`{rateLimit{cost} viewer{login} repository(owner:"evil",name:"x"){${fields}}}`)} => graphql/query · evil/x · read · issues:read · other
${gql(`{a:repository(owner:"evil",name:"x"){${fields}} b:repository(owner:"acme",name:"app"){labels{totalCount}}}`)} => graphql/query · evil/x · read · issues:read
${gql(`query($o:String!){repository(owner:$o,name:"app"){${fields}}}`, { o: 'acme' })} => graphql/query · acme/app · read · issues:read
${gql(`{repository(owner:"\\u0061cme",name:"""app"""){${fields}}}`)} => graphql/query · acme/app · read · issues:read
${gql('{search(query:"repo:evil/x",type:ISSUE,first:1){nodes{...on Issue{title}}}}')} => graphql/query · evil/x · read · issues:read · other
${gql('{search(query:"x",type:ISSUE,first:1){nodes{...on Issue{title}...on PullRequest{title}}}}')} => graphql/query · ?/? · read · issues:read & pull-requests:read
${gql('{node(id:"I_1"){...on Issue{title}}}')} => graphql/query · ?/? · read · issues:read
${gql('{__schema{types{name}}}')} => graphql/query · ?/? · read · -
${gql('mutation{a:createIssue(input:{}){clientMutationId} b:createIssue(input:{}){clientMutationId}}')} => graphql/createIssue · ?/? · write · issues:write
${gql('mutation{...F} fragment F on Mutation{mergePullRequest(input:{}){clientMutationId}}')} => graphql/mergePullRequest · ?/? · write · contents:write
${gql('mutation{addComment(input:{subjectId:"PR_1"}){clientMutationId}}')} => graphql/addComment · ?/? · write · issues:write | pull-requests:write · ambiguous
${gql('mutation{createCommitOnBranch(input:{branch:{repositoryNameWithOwner:"evil/x",branchName:"m"}}){clientMutationId}}')} => graphql/createCommitOnBranch · evil/x · write · contents:write · other
${gql('mutation{a:addComment(input:{subjectId:"I_1"}){clientMutationId} b:addComment(input:{subjectId:"PR_1"}){clientMutationId}}')} => graphql/addComment · ?/? · write · issues:write | issues:write & pull-requests:write | pull-requests:write · ambiguous
${gql('mutation{createCommitOnBranch(input:{branch:{id:"REF_1"}}){clientMutationId}}')} => graphql/createCommitOnBranch · ?/? · write · contents:write
${gql('mutation{transferIssue(input:{issueId:"I_1",repositoryId:"R_2"}){clientMutationId}}')} => graphql/transferIssue · ?/? · write · issues:write
${gql('mutation{updateRepository(input:{}){clientMutationId}}')} => graphql/updateRepository · ?/? · admin · - · beyond administration: write
${gql('mutation{enablePullRequestAutoMerge(input:{}){clientMutationId}}')} => graphql/enablePullRequestAutoMerge · ?/? · write · contents:write & pull-requests:write
${gql('subscription{x}')} => graphql/opaque · ?/? · write · - · unknown
POST api:/graphql {"extensions":{"persistedQuery":{"version":1,"sha256Hash":"00"}}} => graphql/opaque · ?/? · write · - · unknown
POST api:/graphql {"query":"{viewer{login}}","query":"mutation{createIssue(input:{}){clientMutationId}}"} => graphql/opaque · ?/? · write · - · unknown
POST api:/graphql [{"query":"{viewer{login}}"},{"query":"mutation{closeIssue(input:{}){clientMutationId}}"}] => graphql/closeIssue · ?/? · write · issues:write
POST api:/graphql {"query":"{viewer{login}}","id":"0a1b"} => graphql/opaque · ?/? · write · - · unknown
POST api:/graphql {"query":"{viewer{login}}","Query":"mutation{x}"} => graphql/opaque · ?/? · write · - · unknown
POST api:/graphql {"query":"{viewer{login}}","variables":{"id":"0a1b"},"operationName":null} => graphql/query · ?/? · read · -
POST api:/graphql query{viewer{login}} => graphql/opaque · ?/? · write · - · unknown
POST api:/graphql {"query":"{viewer{login}}"}&query=mutation{x} => graphql/opaque · ?/? · write · - · unknown
GET api:/graphql?query=%7Bviewer%7Blogin%7D%7D => graphql/query · ?/? · read · -
GET api:/graphql?query=mutation%7BcloseIssue(input:%7B%7D)%7BclientMutationId%7D%7D => graphql/closeIssue · ?/? · write · issues:write
POST api:/graphql/ {"query":"{viewer{login}}"} => graphql/query · ?/? · read · -
`,
);

check(
  'JSON that a form may hide in is a document of nobody’s',
  `
POST api:/graphql {"query":"{viewer{login}}"} => graphql/query · ?/? · read · -
POST api:/graphql {"query":"{viewer{login}}","variables":{"u":"https://x.example/?a=1&b=2"}} => graphql/query · ?/? · read · -
POST api:/graphql {"query":"{viewer{login}}","x":"&query=mutation{createIssue(input:{}){clientMutationId}}#"} => graphql/opaque · ?/? · write · - · unknown
POST api:/graphql {"query":"{viewer{login}}","x":"; query=mutation{x}#"} => graphql/opaque · ?/? · write · - · unknown
POST api:/graphql {"query":"{viewer{login}}","x":"&%71uery=mutation{x}#"} => graphql/opaque · ?/? · write · - · unknown
`,
  { headers: { ...token, 'Content-Type': 'application/x-www-form-urlencoded' } },
);

t.test('a ceiling holds for what the id of a target tells, and beside a second repository', async (t) => {
  const text = `version: 1
mode: block
permissions: {mode: block, ceiling: {issues: write, packages: read}}
github: {id: w, repo: "*/*", access: write, anyRef: a test}
`;
  const under = new Explainer({ entry: 'policy.yaml', files: { 'policy.yaml': text } }, understanding);
  const comment = (id: string): string =>
    gql(`mutation{addComment(input:{subjectId:"${id}"}){clientMutationId}}`);
  const rows: readonly (readonly [string, string])[] = [
    [comment('I_kwDO'), 'allow rule'],
    [comment('PR_kwDO'), 'block permission'],
    [comment('IC_kwDO'), 'allow rule'],
    ['POST api:/repos/acme/app/issues/1/comments {}', 'allow rule'],
    ['POST api:/repos/acme/app/pulls {}', 'block permission'],
    ['GET ghcr:/token?scope=repository:acme/app:pull&scope=repository:evil/x:pull', 'allow rule'],
    ['GET ghcr:/token?scope=repository:acme/app:push&scope=repository:evil/x:pull', 'block permission'],
    ['GET ghcr:/token?scope=repository:evil/x:push&scope=repository:acme/app:push', 'block permission'],
  ];
  for (const [question, expected] of rows) {
    const told = explainLine(under, lineOf(question), new Map());
    t.equal(`${String(told['verdict'])} ${String(told['reason'])}`, expected, question);
  }
});

t.test('documents that mean harm take no time', async (t) => {
  const long = Array.from({ length: 100_000 }, () => ({}));
  const many = (count: number, field: (at: number) => string): string =>
    Array.from({ length: count }, (_, at) => field(at)).join(' ');
  const wide = Object.fromEntries(Array.from({ length: 60_000 }, (_, at) => [`k${at}`, 1]));
  const big = `[${many(2_400, () => '{path:"a"}')}]`;
  const bombs: readonly (readonly [string, string])[] = [
    ['a long list', gql(`mutation($i:X){${many(1_500, (at) => `a${at}:updateRefs(input:$i){x:clientMutationId}`)}}`, { i: { refUpdates: long } })],
    ['a list of files', gql(`mutation($i:X){${many(1_500, (at) => `a${at}:createCommitOnBranch(input:$i){x:clientMutationId}`)}}`, { i: { fileChanges: { additions: long } } })],
    ['a wide object', gql(`mutation($i:X){${many(1_500, (at) => `a${at}:addComment(input:$i){x:clientMutationId}`)}}`, { i: wide })],
    ['many operations', gql(`${many(1_000, (at) => `mutation A${at}{...F}`)} fragment F on Mutation{createCommitOnBranch(input:{fileChanges:{additions:${big}}}){clientMutationId}}`)],
    ['many aliases', gql(`{${many(100_000, (at) => `a${at}:viewer{login}`)}}`)],
    ['a deep document', gql(`${'{viewer'.repeat(10_000)}${'}'.repeat(10_000)}`)],
    ['fragments that double', gql(`{...F0} ${many(30, (at) => `fragment F${at} on Query{...F${at + 1} ...F${at + 1}}`)} fragment F30 on Query{viewer{login}}`)],
    ['a deep body', `POST api:/graphql ${'['.repeat(10_000)}${']'.repeat(10_000)}`],
    ['a large body', `POST api:/graphql {"query":"{viewer{login}}","x":"${'x'.repeat(10_000_000)}"}`],
  ]; // prettier-ignore
  for (const [title, question] of bombs) {
    const before = process.cpuUsage();
    const told = answer(question);
    const spent = process.cpuUsage(before);
    t.match(told, /^graphql\//, title);
    t.ok(
      spent.user + spent.system < 1_500_000,
      `${title}: ${spent.user + spent.system} microseconds of the processor`,
    );
  }
});
