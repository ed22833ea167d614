// What is said to a GitHub besides its REST API: git, LFS, downloads, gists, registries, models, the runner's service;
// and what must not be taken for something else.

import fc from 'fast-check';
import t from 'tap';
import { createPlatformInterpreter } from '../../platform/interpreter.ts';
import { ask, askWithBody, request, say, servers, whole, type Asking } from './ask.ts';

type Row = readonly [line: string, expected: string];

function check(title: string, rows: readonly Row[], asking: Asking = {}): void {
  t.test(title, async (t) => {
    for (const [line, expected] of rows) t.equal(say(ask(line, asking)), expected, line);
  });
}

const artifacts =
  'https://results-receiver.actions.githubusercontent.com/twirp/github.actions.results.api.v1';
const runService = 'https://run-actions-1-azure-eastus.actions.githubusercontent.com';
const pipelines = 'https://pipelinesghubeus3.actions.githubusercontent.com';
const launch = 'https://launch.actions.githubusercontent.com';

check('special traffic needs what its facts state', [
  [
    'GET https://github.com/acme/app.git/info/refs?service=git-upload-pack',
    'git/fetch · read acme/app · contents:read',
  ],
  [
    'GET https://github.com/acme/app/info/refs?service=git-upload-pack',
    'git/fetch · read acme/app · contents:read',
  ],
  ['POST https://github.com/acme/app.git/git-upload-pack', 'git/fetch · read acme/app · contents:read'],
  ['POST https://github.com/acme/app/git-upload-pack', 'git/fetch · read acme/app · contents:read'],
  [
    'GET https://github.com/acme/app.git/info/refs?service=git-receive-pack',
    'git/push · write acme/app · contents:write',
  ],
  [
    'GET https://github.com/acme/app/info/refs?service=git-receive-pack',
    'git/push · write acme/app · contents:write',
  ],
  ['POST https://github.com/acme/app.git/git-receive-pack', 'git/push · write acme/app · contents:write'],
  ['POST https://github.com/acme/app/git-receive-pack', 'git/push · write acme/app · contents:write'],
  ['GET https://github.com/acme/app.git/info/lfs/locks', 'lfs/list-locks · read acme/app · contents:read'],
  ['POST https://github.com/acme/app.git/info/lfs/locks', 'lfs/lock · write acme/app · contents:write'],
  [
    'POST https://github.com/acme/app.git/info/lfs/locks/verify',
    'lfs/verify-locks · write acme/app · contents:write',
  ],
  [
    'POST https://github.com/acme/app.git/info/lfs/locks/3/unlock',
    'lfs/unlock · write acme/app · contents:write',
  ],
  [
    'GET https://ghcr.io/token?scope=repository:acme/app:pull&service=ghcr.io',
    'container/token · read image ghcr.io/acme/app · packages:read',
  ],
  [
    'GET https://ghcr.io/token?service=ghcr.io&scope=repository%3Aacme%2Fapp%3Apull%2Cpush',
    'container/token · write image ghcr.io/acme/app · packages:write',
  ],
  [
    'GET https://ghcr.io/token?scope=repository:acme/app:push',
    'container/token · write image ghcr.io/acme/app · packages:write',
  ],
  [
    'GET https://ghcr.io/v2/acme/app/manifests/1.2',
    'container/pull · read image ghcr.io/acme/app@1.2 · packages:read',
  ],
  [
    'HEAD https://ghcr.io/v2/acme/app/manifests/1.2',
    'container/pull · read image ghcr.io/acme/app@1.2 · packages:read',
  ],
  [
    'GET https://ghcr.io/v2/acme/app/blobs/sha256:aa',
    'container/pull · read image ghcr.io/acme/app · packages:read',
  ],
  [
    'POST https://ghcr.io/v2/acme/app/blobs/uploads/',
    'container/push · write image ghcr.io/acme/app · packages:write',
  ],
  [
    'PATCH https://ghcr.io/v2/acme/app/blobs/uploads/u1',
    'container/push · write image ghcr.io/acme/app · packages:write',
  ],
  [
    'PUT https://ghcr.io/v2/acme/app/manifests/1.2',
    'container/push · write image ghcr.io/acme/app@1.2 · packages:write',
  ],
  [
    'DELETE https://ghcr.io/v2/acme/app/manifests/sha256:aa',
    'container/delete · write image ghcr.io/acme/app@sha256:aa · packages:write',
  ],
  ['GET https://npm.pkg.github.com/@acme%2Fapp', 'packages/download · read owner acme · packages:read'],
  ['PUT https://npm.pkg.github.com/@acme%2Fapp', 'packages/publish · write owner acme · packages:write'],
  [
    'GET https://maven.pkg.github.com/acme/app/com/acme/app/1/app-1.jar',
    'packages/download · read acme/app · packages:read',
  ],
  [
    'PUT https://maven.pkg.github.com/acme/app/com/acme/app/1/app-1.jar',
    'packages/publish · write acme/app · packages:write',
  ],
  ['GET https://nuget.pkg.github.com/acme/index.json', 'packages/download · read owner acme · packages:read'],
  ['PUT https://nuget.pkg.github.com/acme/', 'packages/publish · write owner acme · packages:write'],
  [
    'POST https://rubygems.pkg.github.com/acme/api/v1/gems',
    'packages/publish · write owner acme · packages:write',
  ],
  ['DELETE https://nuget.pkg.github.com/acme/app/1.0', 'packages/delete · write owner acme · packages:write'],
  [
    'POST https://uploads.github.com/repos/acme/app/releases/5/assets?name=app.tgz',
    'repos/upload-release-asset · write acme/app · contents:write',
  ],
  [
    'POST https://api.github.com/repos/acme/app/attestations',
    'repos/create-attestation · write acme/app · attestations:write',
  ],
  [
    'POST https://api.github.com/orgs/acme/artifacts/metadata/storage-record',
    'orgs/create-artifact-storage-record · write owner acme · contents:write | artifact-metadata:write · ambiguous',
  ],
  [`POST ${artifacts}.ArtifactService/CreateArtifact`, 'artifact/upload · write ? · -'],
  [`POST ${artifacts}.CacheService/GetCacheEntryDownloadURL`, 'cache/restore · read platform · -'],
  [
    'GET https://api.github.com/repos/acme/app/actions/runs/4/artifacts',
    'actions/list-workflow-run-artifacts · read acme/app · actions:read',
  ],
  [
    'POST https://api.github.com/repos/acme/app/code-scanning/sarifs',
    'code-scanning/upload-sarif · write acme/app · security-events:write',
  ],
  [
    'POST https://api.github.com/repos/acme/app/dependency-graph/snapshots',
    'dependency-graph/create-repository-snapshot · write acme/app · contents:write',
  ],
  [
    'POST https://api.github.com/repos/acme/app/pages/deployments',
    'repos/create-pages-deployment · write acme/app · pages:write',
  ],
  [
    `GET ${runService}/41//idtoken/p1/j1?api-version=2.0`,
    'oidc/token · write identity default · id-token:write',
  ],
  [
    `GET ${runService}/41/idtoken/p1/j1?api-version=2.0&audience=sts.amazonaws.com`,
    'oidc/token · write identity sts.amazonaws.com · id-token:write',
  ],
  [
    `GET ${pipelines}/x1/00000000-0000/_apis/distributedtask/hubs/Actions/plans/p1/jobs/j1/idtoken?api-version=2.0`,
    'oidc/token · write identity default · id-token:write',
  ],
  [
    'POST https://models.github.ai/inference/chat/completions',
    'models/inference · read platform · models:read',
  ],
  ['GET https://models.github.ai/catalog/models', 'models/catalog · read platform · models:read'],
  ['GET https://api.github.com/search/code?q=x', 'search/code · read platform · -'],
  ['GET https://api.github.com/search/issues?q=x', 'search/issues-and-pull-requests · read platform · -'],
]);

check(
  'a public repository of the job lets anybody read, and no other',
  [
    [
      'GET https://github.com/acme/app.git/info/refs?service=git-upload-pack',
      'git/fetch · read acme/app · -',
    ],
    ['GET https://github.com/Acme/APP/info/refs?service=git-upload-pack', 'git/fetch · read Acme/APP · -'],
    [
      'GET https://github.com/acme/other/info/refs?service=git-upload-pack',
      'git/fetch · read acme/other · contents:read',
    ],
    [
      'GET https://github.com/acme/app.git/info/refs?service=git-receive-pack',
      'git/push · write acme/app · contents:write',
    ],
    ['GET https://codeload.github.com/acme/app/tar.gz/main', 'archive/download · read acme/app · -'],
    ['GET https://raw.githubusercontent.com/acme/app/main/README.md', 'raw/download · read acme/app · -'],
    ['GET https://github.com/acme/app/releases/download/v1/app.tgz', 'release/download · read acme/app · -'],
    ['GET https://api.github.com/repos/acme/app/issues', 'issues/list-for-repo · read acme/app · -'],
    ['GET https://api.github.com/repositories/7/issues', 'issues/list-for-repo · read acme/app#7 · -'],
    ['GET https://api.github.com/repositories/8/issues', 'issues/list-for-repo · read ?#8 · issues:read'],
    [
      'GET https://api.github.com/repos/acme/app/actions/artifacts/1/zip',
      'actions/download-artifact · read acme/app · actions:read',
    ],
    [
      'POST https://api.github.com/repos/acme/app/issues/1/dependencies/blocked_by',
      'issues/add-blocked-by-dependency · write acme/app · issues:write',
    ],
    [
      'GET https://ghcr.io/v2/acme/app/manifests/1',
      'container/pull · read image ghcr.io/acme/app@1 · packages:read',
    ],
    ['GET https://github.com/acme/app.git/info/lfs/locks', 'lfs/list-locks · read acme/app · contents:read'],
  ],
  { job: { private: false } },
);

check('downloads, gists and pages are told apart', [
  [
    'GET https://codeload.github.com/acme/app/zip/refs/heads/main',
    'archive/download · read acme/app · contents:read',
  ],
  [
    'GET https://codeload.github.com/acme/app/legacy.tar.gz/refs/tags/v1',
    'archive/download · read acme/app · contents:read',
  ],
  [
    'GET https://github.com/acme/app/archive/refs/tags/v1.tar.gz',
    'archive/download · read acme/app · contents:read',
  ],
  [
    'GET https://github.com/acme/app/releases/latest/download/app.tgz',
    'release/download · read acme/app · contents:read',
  ],
  ['GET https://github.com/acme/app/raw/main/README.md', 'raw/download · read acme/app · contents:read'],
  ['GET https://github.com/acme/app/objects/info/packs', 'git/fetch · read acme/app · contents:read'],
  ['GET https://github.com/acme/app.git/HEAD', 'git/fetch · read acme/app · contents:read'],
  ['GET https://github.com/acme/app.git/info/refs', 'git/fetch · read acme/app · contents:read'],
  [
    'GET https://github.com/acme/app.wiki.git/info/refs?service=git-upload-pack',
    'git/fetch · read acme/app · contents:read',
  ],
  [
    'POST https://github.com/acme/app.wiki.git/git-receive-pack',
    'git/push · write acme/app · contents:write',
  ],
  [
    'GET https://gist.githubusercontent.com/eve/0123456789abcdef0123/raw/memdump.py',
    'gist/download · read owner eve · -',
  ],
  ['GET https://gist.github.com/eve/0123456789abcdef0123', 'gist/download · read owner eve · -'],
  [
    'GET https://gist.github.com/0123456789abcdef0123.git/info/refs?service=git-upload-pack',
    'gist/fetch · read owner ? · -',
  ],
  [
    'POST https://gist.github.com/eve/0123456789abcdef0123.git/git-receive-pack',
    'gist/push · write owner eve · - · beyond gists: write',
  ],
  ['POST https://api.github.com/gists', 'gists/create · write owner ? · - · beyond gists: write'],
  [
    'PATCH https://api.github.com/gists/0123456789abcdef0123',
    'gists/update · write owner ? · - · beyond gists: write',
  ],
  ['GET https://api.github.com/gists/0123456789abcdef0123', 'gists/get · read owner ? · -'],
  ['GET https://api.github.com/users/eve/gists', 'gists/list-for-user · read owner eve · -'],
  ['GET https://github.com/acme/app', 'web/page · read acme/app · - · unknown'],
  ['GET https://github.com/acme/app/blob/main/README.md', 'web/page · read acme/app · - · unknown'],
  ['POST https://github.com/acme/app/issues', 'web/page · write acme/app · - · unknown'],
  ['GET https://github.com/acme', 'web/page · read owner acme · - · unknown'],
  ['GET https://github.com/orgs/acme/people', 'web/page · read owner acme · - · unknown'],
  ['GET https://github.com/', 'web/page · read platform · - · unknown'],
  ['GET https://github.com/login', 'web/page · read platform · - · unknown'],
  ['POST https://github.com/login/oauth/access_token', 'web/page · write platform · - · unknown'],
  ['GET https://github.com/settings/tokens', 'web/page · read platform · - · unknown'],
]);

check('GitHub Enterprise Server has its API and services on its one host, github.com has not', [
  [
    'GET https://ghes.corp.example/api/v3/repos/acme/app/issues',
    'issues/list-for-repo · read acme/app · issues:read',
  ],
  [
    'POST https://ghes.corp.example/api/uploads/repos/acme/app/releases/5/assets',
    'repos/upload-release-asset · write acme/app · contents:write',
  ],
  [
    'POST https://ghes.corp.example/acme/app.git/git-receive-pack',
    'git/push · write acme/app · contents:write',
  ],
  ['GET https://ghes.corp.example/raw/acme/app/main/x', 'raw/download · read acme/app · contents:read'],
  [
    'GET https://ghes.corp.example/codeload/acme/app/tar.gz/main',
    'archive/download · read acme/app · contents:read',
  ],
  [
    'GET https://ghes.corp.example/_codeload/acme/app/legacy.tar.gz/main',
    'archive/download · read acme/app · contents:read',
  ],
  [
    'PUT https://ghes.corp.example/_registry/npm/@acme%2Fapp',
    'packages/publish · write owner acme · packages:write',
  ],
  [
    'PUT https://ghes.corp.example/_registry/maven/acme/app/com/acme/app.jar',
    'packages/publish · write acme/app · packages:write',
  ],
  [
    'GET https://ghes.corp.example/_services/pipelines/x/_apis/distributedtask/hubs/Actions/plans/p/jobs/j/idtoken',
    'oidc/token · write identity default · id-token:write',
  ],
  [
    'GET https://containers.ghes.corp.example/v2/acme/app/manifests/1',
    'container/pull · read image containers.ghes.corp.example/acme/app@1 · packages:read',
  ],
  [
    'GET https://api.acme.ghe.com/repos/acme/app/issues',
    'issues/list-for-repo · read acme/app · issues:read',
  ],
  ['GET https://github.com/api/v3/repos/acme/app/issues', 'web/page · read platform · - · unknown'],
  ['GET https://acme.ghe.com/api/v3/repos/acme/app/issues', 'web/page · read platform · - · unknown'],
  ['GET https://api.github.com/api/v3/repos/acme/app/issues', 'rest/unknown · read platform · - · unknown'],
]);

check('the runner’s own service is told by its calls', [
  [`POST ${artifacts}.ArtifactService/ListArtifacts`, 'artifact/list · read platform · -'],
  [`POST ${artifacts}.ArtifactService/DeleteArtifact`, 'artifact/delete · write ? · -'],
  [`POST ${artifacts}.CacheService/CreateCacheEntry`, 'cache/save · write ? · -'],
  [`POST ${artifacts}.WorkflowStepUpdateService/WorkflowStepsUpdate`, 'job/steps · write platform · -'],
  [
    'POST https://results-receiver.actions.githubusercontent.com/twirp/results.services.receiver.Receiver/GetJobLogsSignedBlobURL',
    'log/upload · write platform · -',
  ],
  [`POST ${artifacts}.ArtifactService/Unheard`, 'service/unknown · write platform · - · unknown'],
  [`GET ${artifacts}.ArtifactService/CreateArtifact`, 'service/unknown · read platform · - · unknown'],
  [`POST ${launch}/actions/build/p/jobs/j/runnerresolve/actions`, 'actions/resolve · read platform · -'],
  [
    `POST ${pipelines}/x/_apis/distributedtask/hubs/Actions/plans/p/actiondownloadinfo?jobId=j`,
    'actions/resolve · read platform · -',
  ],
  [`POST ${runService}/41/acquirejob`, 'runner/acquire-job · write platform · -'],
  [`POST ${runService}/41/renewjob`, 'runner/renew-job · write platform · -'],
  ['GET https://broker.actions.githubusercontent.com/message?sessionId=1', 'runner/poll · read platform · -'],
  ['POST https://broker.actions.githubusercontent.com/session', 'runner/session · write platform · -'],
  [`POST ${pipelines}/x/_apis/distributedtask/pools/1/agents`, 'runner/register · admin platform · -'],
  [
    'GET https://artifactcache.actions.githubusercontent.com/x/_apis/artifactcache/cache?keys=npm&version=1',
    'cache/restore · read platform · -',
  ],
  [
    'POST https://artifactcache.actions.githubusercontent.com/x/_apis/artifactcache/caches',
    'cache/save · write ? · -',
  ],
  [
    'PATCH https://artifactcache.actions.githubusercontent.com/x/_apis/artifactcache/caches/9',
    'cache/save · write ? · -',
  ],
  [
    'GET https://results-receiver.actions.githubusercontent.com/_ws/ingest.sock',
    'log/upload · write platform · -',
  ],
  [
    'GET https://pkg.actions.githubusercontent.com/v2/actions/checkout/manifests/4.2.0',
    'actions/download · read actions/checkout · -',
  ],
  [
    'PUT https://pkg.actions.githubusercontent.com/v2/actions/checkout/manifests/4.2.0',
    'service/unknown · write actions/checkout · - · unknown',
  ],
  [`POST ${launch}/something/else`, 'service/unknown · write platform · - · unknown'],
  [
    `GET ${runService}/41/idtoken/p/j?audience=a&audience=b`,
    'oidc/token · write identity a + write identity b · id-token:write',
  ],
  [
    `GET ${runService}/41/idtoken/p/j?Audience=a&AUDIENCE=b`,
    'oidc/token · write identity a + write identity b · id-token:write',
  ],
]);

check('what no table places says unknown, by the method, as far as the path tells', [
  ['GET https://api.github.com/repos/acme/app/frobnicate', 'rest/unknown · read acme/app · - · unknown'],
  ['POST https://api.github.com/repos/acme/app/frobnicate', 'rest/unknown · write acme/app · - · unknown'],
  ['DELETE https://api.github.com/repos/acme/app/issues', 'rest/unknown · write acme/app · - · unknown'],
  ['OPTIONS https://api.github.com/repos/acme/app', 'rest/unknown · write acme/app · - · unknown'],
  ['PROPFIND https://api.github.com/repos/acme/app', 'rest/unknown · write acme/app · - · unknown'],
  ['get https://api.github.com/repos/acme/app', 'rest/unknown · write acme/app · - · unknown'],
  ['GET https://api.github.com/Repos/acme/app/issues', 'rest/unknown · read platform · - · unknown'],
  ['POST https://api.github.com/repos/acme/app/Issues', 'rest/unknown · write acme/app · - · unknown'],
  ['GET https://api.github.com/repos/acme', 'rest/unknown · read owner acme · - · unknown'],
  ['GET https://api.github.com/repos/acme/app/issues/1/extra', 'rest/unknown · read acme/app · - · unknown'],
  [
    'GET https://api.github.com/repos/acme/app/pulls/1/merge/extra',
    'rest/unknown · read acme/app · - · unknown',
  ],
  ['GET https://api.github.com/orgs/acme/frobnicate', 'rest/unknown · read owner acme · - · unknown'],
  ['POST https://api.github.com/users/eve/frobnicate', 'rest/unknown · write owner eve · - · unknown'],
  ['POST https://api.github.com/repositories/9/frobnicate', 'rest/unknown · write ?#9 · - · unknown'],
  ['POST https://api.github.com/organizations/9/frobnicate', 'rest/unknown · write owner ? · - · unknown'],
  ['POST https://api.github.com/frobnicate', 'rest/unknown · write platform · - · unknown'],
  [
    'GET https://api.github.com/repos/acme/app/code-quality/findings',
    'code-quality/list-findings-for-repo · read acme/app · - · unknown',
  ],
  [
    'PUT https://api.github.com/repos/acme/app/pulls/1/merge-async',
    'pulls/merge-async · write acme/app · - · unknown',
  ],
  [
    'PUT https://api.github.com/repos/acme/app/agents/secrets/A',
    'agents/create-or-update-repo-secret · admin acme/app · - · unknown',
  ],
  ['GET https://api.github.com/repos/acme%2Fapp/issues', 'rest/unknown · read ? · - · unknown'],
  ['GET https://api.github.com/repos/acme/app%2Fissues', 'rest/unknown · read ? · - · unknown'],
  ['POST https://github.com/acme/app.git/git-upload-archive', 'web/page · write acme/app · - · unknown'],
  [
    'GET https://github.com/acme/app.git/info/refs?service=git-upload-archive',
    'git/unknown · write acme/app · - · unknown',
  ],
  ['POST https://github.com/acme/app.git/info/lfs/frobnicate', 'lfs/unknown · write acme/app · - · unknown'],
  ['POST https://codeload.github.com/acme/app/tar.gz/main', 'web/page · write acme/app · - · unknown'],
  ['GET https://codeload.github.com/acme/app/rar/main', 'web/page · read acme/app · - · unknown'],
  ['PUT https://raw.githubusercontent.com/acme/app/main/x', 'web/page · write acme/app · - · unknown'],
  ['GET https://ghcr.io/v2/_catalog', 'container/unknown · read platform · - · unknown'],
  [
    'GET https://ghcr.io/v2/app/manifests/1',
    'container/unknown · read image ghcr.io/app/manifests/1 · - · unknown',
  ],
  ['POST https://ghcr.io/frobnicate', 'container/unknown · write platform · - · unknown'],
  [
    'GET https://ghcr.io/token?scope=registry:catalog:*',
    'container/token · write platform · packages:write · unknown',
  ],
  ['PUT https://npm.pkg.github.com/left-pad', 'packages/unknown · write platform · - · unknown'],
]);

check('paths are read as the platform reads them', [
  ['GET https://api.github.com/repos/acme/app/', 'repos/get · read acme/app · -'],
  [
    'GET https://api.github.com//repos//acme/app//issues',
    'issues/list-for-repo · read acme/app · issues:read',
  ],
  ['GET https://api.github.com/repos/acme/app.git', 'repos/get · read acme/app · -'],
  [
    'GET https://api.github.com/repos/acme/vault.git/contents/x',
    'repos/get-content · read acme/vault · contents:read',
  ],
  ['GET https://api.github.com/repos/acme/app/contents', 'repos/get-content · read acme/app · contents:read'],
  [
    'GET https://api.github.com/repos/acme/app/contents/.github/workflows/ci.yml',
    'repos/get-content · read acme/app · contents:read',
  ],
  [
    'PUT https://api.github.com/repos/acme/app/contents/a/b/c',
    'repos/create-or-update-file-contents · write acme/app · contents:write',
  ],
  [
    'GET https://api.github.com/repos/acme/app/commits/main/status',
    'repos/get-combined-status-for-ref · read acme/app · statuses:read',
  ],
  [
    'GET https://api.github.com/repos/acme/app/commits/heads/a/b/check-runs',
    'checks/list-for-ref · read acme/app · checks:read',
  ],
  [
    'GET https://ghes.corp.example/api/v3/repositories/7/issues',
    'issues/list-for-repo · read ?#7 · issues:read',
  ],
  [
    'GET https://api.github.com/repositories/7/code-scanning/codeql/variant-analyses/1/repos/evil/x',
    'code-scanning/get-variant-analysis-repo-task · read acme/app#7 + read evil/x · contents:read',
  ],
  [
    'GET https://api.github.com/repos/acme/app/commits/main/comments',
    'repos/list-comments-for-commit · read acme/app · -',
  ],
  [
    'GET https://api.github.com/repos/acme/app/commits/a/comments',
    'repos/list-comments-for-commit · read acme/app · -',
  ],
  [
    'GET https://api.github.com/repos/acme/app/commits/heads/a/comments',
    'repos/get-commit · read acme/app · contents:read',
  ],
  [
    'GET https://api.github.com/repos/acme/app/actions/artifacts/1%2Fzip',
    'rest/unknown · read acme/app · - · unknown',
  ],
  [
    'GET https://api.github.com/repos/acme/app/contents/a%2Fb',
    'repos/get-content · read acme/app · contents:read',
  ],
  [
    'GET https://api.github.com/repos/acme/app/branches/a%2Fb',
    'repos/get-branch · read acme/app · contents:read',
  ],
  [
    'GET https://api.github.com/repos/acme/app/tarball',
    'repos/download-tarball-archive · read acme/app · contents:read',
  ],
  [
    'GET https://api.github.com/repos/acme/app/commits/heads/status',
    'repos/get-combined-status-for-ref · read acme/app · statuses:read',
  ],
  [
    'GET https://api.github.com/repos/acme/app/branches/a/b',
    'repos/get-branch · read acme/app · contents:read',
  ],
  [
    'GET https://api.github.com/repos/acme/app/branches/a/b/protection/enforce_admins',
    'repos/get-admin-branch-protection · read acme/app · - · beyond administration: read',
  ],
  [
    'DELETE https://api.github.com/repos/acme/app/git/refs/heads/a/b',
    'git/delete-ref · write acme/app [refs/heads/a/b] · contents:write',
  ],
  [
    'PATCH https://api.github.com/repos/acme/app/git/refs/heads%2Fa%2Fb',
    'git/update-ref · write acme/app [refs/heads/a/b] · contents:write',
  ],
  [
    'PATCH https://api.github.com/repos/refs/refs/git/refs/tags/v1',
    'git/update-ref · write refs/refs [refs/tags/v1] · contents:write',
  ],
  [
    'PATCH https://api.github.com/repositories/7/git/refs/heads/x',
    'git/update-ref · write acme/app#7 [refs/heads/x] · contents:write',
  ],
  ['GET https://api.github.com/organizations/9/repos', 'repos/list-for-org · read owner ? · -'],
  ['GET https://api.github.com/user/9/repos', 'repos/list-for-user · read owner ? · -'],
  [
    'GET https://api.github.com/repos/acme/app/releases/tags/release/1',
    'repos/get-release-by-tag · read acme/app · contents:read',
  ],
  [
    'GET https://github.com/acme/app.GIT/info/refs?service=git-upload-pack',
    'git/fetch · read acme/app · contents:read',
  ],
  [
    'GET https://github.com/acme/app.git/info/refs?service=git%2Dreceive%2Dpack',
    'git/push · write acme/app · contents:write',
  ],
  [
    'GET https://github.com/acme/app.git/info/refs?service=git-upload-pack&service=git-receive-pack',
    'git/push · write acme/app · contents:write',
  ],
  [
    'GET https://github.com/acme/app.git/info/refs?a=1&service=git-upload-pack',
    'git/fetch · read acme/app · contents:read',
  ],
  [
    'GET https://github.com/acme/app.git/info/refs?service=git-upload-packx',
    'git/unknown · write acme/app · - · unknown',
  ],
  [
    'GET https://github.com/acme/app.git/info/refs?%73ervice=git%252Dreceive-pack',
    'git/push · write acme/app · contents:write',
  ],
  [
    'GET https://ghcr.io/v2/acme/tags/manifests/1',
    'container/pull · read image ghcr.io/acme/tags@1 · packages:read',
  ],
  [
    'GET https://ghcr.io/v2/acme/app/deep/manifests/1',
    'container/pull · read image ghcr.io/acme/app/deep@1 · packages:read',
  ],
  [
    'POST https://ghcr.io/v2/acme/app/blobs/uploads/?mount=sha256:aa&from=evil/base',
    'container/push · write image ghcr.io/acme/app + read image ghcr.io/evil/base · packages:write',
  ],
  [
    'GET https://ghcr.io/token?scope=repository:acme/app:pull&scope=repository:acme/lib:push',
    'container/token · read image ghcr.io/acme/app + write image ghcr.io/acme/lib · packages:write',
  ],
  ['GET https://ghcr.io/token?service=ghcr.io&account=x', 'container/login · read platform · -'],
  ['GET https://ghcr.io/v2/', 'container/ping · read platform · -'],
  [
    'GET https://npm.pkg.github.com/download/@acme/app/1.0.0/abc',
    'packages/download · read owner acme · packages:read',
  ],
  [
    'PUT https://npm.pkg.github.com/-/package/@acme%2Fapp/dist-tags/latest',
    'packages/publish · write owner acme · packages:write',
  ],
  [
    'POST https://npm.pkg.github.com/-/npm/v1/security/audits/quick',
    'packages/download · read platform · packages:read',
  ],
]);

check(
  'whose repository a number stands for must be sure before anything is open',
  [
    ['GET https://api.github.com/repositories/7/issues', 'issues/list-for-repo · read ?#7 · issues:read'],
    ['GET https://api.github.com/repos/acme/app/issues', 'issues/list-for-repo · read acme/app · -'],
  ],
  { job: { private: false, repositoryId: null } },
);

check(
  'a request that asks to be read by another method is not placed',
  [
    ['POST https://api.github.com/repos/acme/app/labels', 'rest/unknown · write acme/app · - · unknown'],
    ['GET https://api.github.com/repos/acme/app', 'rest/unknown · write acme/app · - · unknown'],
  ],
  { headers: { 'x-http-method-override': 'DELETE' } },
);

check(
  'a GET that carries a body is a write',
  [
    [
      'GET https://api.github.com/repos/acme/app/issues',
      'issues/list-for-repo · write acme/app · issues:read',
    ],
    [
      'GET https://raw.githubusercontent.com/acme/app/main/x',
      'raw/download · write acme/app · contents:read',
    ],
    ['GET https://api.github.com/meta', 'meta/get · write platform · -'],
  ],
  { hasBody: true },
);

t.test('only the job’s own token on its own repository widens', async (t) => {
  const push = 'POST https://github.com/acme/app.git/git-receive-pack';
  const pull = 'GET https://ghcr.io/v2/acme/app/manifests/1';
  const token = `GET ${runService}/1/idtoken/p/j`;
  const rows: readonly (readonly [string, Asking, boolean])[] = [
    [push, {}, true],
    ['POST https://github.com/ACME/App/git-receive-pack', {}, true],
    ['POST https://github.com/acme/other/git-receive-pack', {}, false],
    ['POST https://github.com/evil/app/git-receive-pack', {}, false],
    ['GET https://api.github.com/repositories/7/issues', {}, true],
    ['GET https://api.github.com/repositories/8/issues', {}, false],
    ['GET https://api.github.com/repositories/8/issues', { job: { repositoryId: null } }, true],
    ['GET https://api.github.com/orgs/acme/dependabot/alerts', {}, true],
    ['GET https://api.github.com/orgs/evil/dependabot/alerts', {}, false],
    ['GET https://ghes.corp.example/api/v3/repos/acme/app/issues', {}, false],
    [push, { credential: 'pat' }, false],
    [push, { credential: 'app' }, false],
    [push, { credential: 'none' }, false],
    [push, { credential: 'unknown' }, false],
    [push, { credential: 'derived' }, false],
    [pull, {}, true],
    [pull, { credential: 'derived' }, true],
    [pull, { credential: 'registry' }, false],
    ['GET https://ghcr.io/v2/evil/app/manifests/1', {}, false],
    ['GET https://npm.pkg.github.com/@acme%2Fapp', { credential: 'derived' }, true],
    ['GET https://npm.pkg.github.com/@acme%2Fapp', { credential: 'pat' }, false],
    [token, { credential: 'runtime' }, true],
    [token, { credential: 'none' }, false],
  ];
  for (const [line, asking, expected] of rows)
    t.equal(ask(line, asking).operation!.widens, expected, `${line} ${JSON.stringify(asking)}`);
});

t.test('a push tells its refs, and never fewer than it has', async (t) => {
  const push = 'POST https://github.com/acme/app.git/git-receive-pack';
  const line = (text: string): string => (text.length + 4).toString(16).padStart(4, '0') + text;
  const [a, b] = ['a'.repeat(40), 'b'.repeat(40)];
  const one = line(`${a} ${b} refs/heads/main\0 report-status side-band-64k agent=git/2.47\n`);
  const two = line(`${b} ${a} refs/tags/v1\n`);
  const rows: readonly (readonly [string, string, string])[] = [
    ['one', `${one}0000PACK`, 'write acme/app [refs/heads/main]'],
    ['two', `${one}${two}0000PACK`, 'write acme/app [refs/heads/main refs/tags/v1]'],
    [
      'a deletion',
      `${line(`${a} ${'0'.repeat(40)} refs/heads/old\0 delete-refs`)}0000`,
      'write acme/app [refs/heads/old]',
    ],
    [
      'SHA-256',
      `${line(`${'a'.repeat(64)} ${'b'.repeat(64)} refs/heads/x\n`)}0000`,
      'write acme/app [refs/heads/x]',
    ],
    ['a shallow clone', `${line(`shallow ${a}\n`)}${two}0000`, 'write acme/app [refs/tags/v1]'],
    ['git’s own probe', '0000', 'write acme/app []'],
    ['no flush', one, 'write acme/app'],
    ['nothing', '', 'write acme/app'],
    ['a length beyond the body', `ffff${one.slice(4)}0000`, 'write acme/app'],
    ['a length of three', '0003', 'write acme/app'],
    ['a delimiter', `${one}0001${two}0000`, 'write acme/app'],
    ['no number', `zzzz${one}`, 'write acme/app'],
    ['a signed push', `${line('push-cert\0 report-status\n')}0000`, 'write acme/app'],
    ['no ref', `${line(`${a} ${b} main\n`)}0000`, 'write acme/app'],
    [
      'a second ref behind a line break',
      `${line(`${a} ${b} refs/heads/x\n${a} ${b} refs/heads/y\n`)}0000`,
      'write acme/app',
    ],
    ['more than are told', `${line(`${a} ${b} refs/heads/x\n`).repeat(257)}0000`, 'write acme/app'],
  ];
  for (const [title, body, expected] of rows)
    t.equal(say(askWithBody(push, body)), `git/push · ${expected} · contents:write`, title);
  const large = ask(push).hold!.withBody({
    kind: 'opaque',
    detail: 'too large',
    raw: [Buffer.from(`${one}0000PACK`)],
  });
  t.equal(
    say(large),
    'git/push · write acme/app [refs/heads/main] · contents:write',
    'commands before a large pack',
  );
  const packed = ask(push, { headers: { 'content-encoding': 'gzip' } });
  const opaque = packed.hold!.withBody({
    kind: 'opaque',
    detail: 'too large',
    raw: [Buffer.from(`${one}0000`)],
  });
  t.equal(say(opaque), 'git/push · write acme/app · contents:write', 'compressed and too large');
  t.match(askWithBody(push, `${one}0000`).operation!.detail, /workflows cannot be seen/);
});

t.test('an LFS batch reads or writes as its body says, and writes when it cannot be read', async (t) => {
  const batch = 'POST https://github.com/acme/app.git/info/lfs/objects/batch';
  const download = 'lfs/download · read acme/app · contents:read';
  const opaque = 'lfs/batch · write acme/app · contents:write · unknown';
  const rows: readonly (readonly [string, string])[] = [
    ['{"operation":"download","objects":[]}', download],
    ['{"operation": "upload", "objects": []}', 'lfs/upload · write acme/app · contents:write'],
    ['{"operation":"download","ref":{"name":"refs/heads/operation"}}', download],
    ['{"operation":"download","operation":"upload"}', opaque],
    ['{"operation":"upload","operation":"download"}', opaque],
    ['{"Operation":"upload","operation":"download"}', opaque],
    ['{"\\u006fperation":"upload","operation":"download"}', opaque],
    ['{"operation":"Download"}', opaque],
    ['{"operation":["download"]}', opaque],
    ['{"x":{"operation":"download"}}', opaque],
    ['[{"operation":"download"}]', opaque],
    ['{"operation":"download"', opaque],
    ['', opaque],
    ['null', opaque],
  ];
  for (const [body, expected] of rows) t.equal(say(askWithBody(batch, body)), expected, body);
  t.equal(say(ask(batch)), opaque, 'before the body');
  t.equal(
    say(ask(batch).hold!.withBody({ kind: 'opaque', detail: 'too large', raw: [] })),
    opaque,
    'too large',
  );
});

t.test('the body of a token request tells its scopes', async (t) => {
  const token = 'POST https://ghcr.io/token';
  const write = 'container/token · write image ghcr.io/acme/app · packages:write';
  t.equal(say(askWithBody(token, 'grant_type=password&scope=repository%3Aacme%2Fapp%3Apush')), write);
  t.equal(say(askWithBody(`${token}?scope=repository:acme/app:push`, 'grant_type=password')), write);
  t.equal(say(ask(token)), 'container/unknown · write platform · - · unknown');
});

t.test('artifacts and caches are named where their body tells', async (t) => {
  const line = `POST ${artifacts}.CacheService/CreateCacheEntry`;
  t.equal(askWithBody(line, '{"key":"npm-linux","version":"1"}').operation!.detail, 'npm-linux');
  t.equal(askWithBody(line, '{"key":7}').operation!.detail, null);
  t.equal(askWithBody(line, 'no json').operation!.detail, null);
});

t.test('hosts that are no platform’s are none of its business', async (t) => {
  const interpreter = createPlatformInterpreter(servers);
  for (const host of [
    'github.com.evil.example',
    'xgithub.com',
    'a.b.actions.githubusercontent.com',
    'example',
    '',
  ]) {
    const asked = { ...request('GET https://x.example/acme/app'), host };
    t.equal(interpreter.understand(asked), null, host);
  }
});

t.test('no request and no body makes it throw or say less than the method', async () => {
  const host = fc
    .constantFrom(
      'api.github.com github.com ghcr.io npm.pkg.github.com codeload.github.com raw.githubusercontent.com gist.github.com ' +
        'uploads.github.com models.github.ai results-receiver.actions.githubusercontent.com ghes.corp.example',
    )
    .chain((hosts) => fc.constantFrom(...hosts.split(' ')));
  const words =
    'repos repositories acme app.git v2 token info refs lfs objects batch git-receive-pack twirp api v3 orgs 7 @a%2Fb';
  const segment = fc.oneof(
    fc.constantFrom(...words.split(' ')),
    fc.string({ maxLength: 8 }).map(encodeURIComponent),
  );
  const method = fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', '__proto__');
  const body = fc.oneof(
    fc.string(),
    fc.json(),
    fc.uint8Array().map((bytes) => Buffer.from(bytes)),
  );
  const numRuns = Math.min(Number(process.env['FUZZ_CASES'] ?? 1_000), 5_000);
  fc.assert(
    fc.property(
      method,
      host,
      fc.array(segment, { maxLength: 9 }),
      fc.string(),
      body,
      (m, h, path, query, held) => {
        const asked = { ...request(`${m} https://${h}/`), path: `/${path.join('/')}`, query };
        const understood = createdOnce.understand(asked)!;
        const later = understood.hold?.withBody(whole(held as string)) ?? understood; // Buffer or text
        for (const { operation } of [understood, later]) {
          if (operation === null || operation.needs.length === 0 || operation.touches.length === 0)
            return false;
          const isListedRead =
            /^(?:models|packages|git|lfs|actions|artifact|cache|graphql|markdown|users|orgs|container)\//;
          if (
            operation.access === 'read' &&
            !['GET', 'HEAD'].includes(m) &&
            !isListedRead.test(operation.name)
          )
            return false;
        }
        return true;
      },
    ),
    { numRuns },
  );
});
const createdOnce = createPlatformInterpreter(servers);
