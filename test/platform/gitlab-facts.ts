// What requests to a GitLab mean, row by row, typed from its documentation ("REST API resources", "CI/CD job token",
// "Fine-grained permissions for CI/CD job tokens") and the facts: `METHOD URL`, then
// `name · touches · needs · what no permission of a job's token grants · sureness`.

export type Row = readonly [line: string, expected: string];

/** Below `https://gitlab.com/api/v4`; the job's own project is acme/infra, number 42. */
export const permissionRows: readonly Row[] = [
  // Deployments
  ['GET /projects/acme%2Finfra/deployments', 'deployments/list · read acme/infra · deployments:read'],
  ['GET /projects/42/deployments/7', 'deployments/get · read acme/infra#42 · deployments:read'],
  [
    'GET /projects/42/deployments/7/merge_requests',
    'deployments/list-merge-requests · read acme/infra#42 · deployments:read',
  ],
  [
    'POST /projects/acme%2Finfra/deployments',
    'deployments/create · write acme/infra · deployments:write & environments:write',
  ],
  ['PUT /projects/acme%2Finfra/deployments/7', 'deployments/update · write acme/infra · deployments:write'],
  [
    'DELETE /projects/acme%2Finfra/deployments/7',
    'deployments/delete · write acme/infra · deployments:write',
  ],
  // Environments
  ['GET /projects/acme%2Flib/environments', 'environments/list · read acme/lib · environments:read'],
  ['GET /projects/acme%2Flib/environments/3', 'environments/get · read acme/lib · environments:read'],
  ['POST /projects/acme%2Flib/environments', 'environments/create · write acme/lib · environments:write'],
  ['PUT /projects/acme%2Flib/environments/3', 'environments/update · write acme/lib · environments:write'],
  ['DELETE /projects/acme%2Flib/environments/3', 'environments/delete · write acme/lib · environments:write'],
  [
    'POST /projects/acme%2Flib/environments/3/stop',
    'environments/stop · write acme/lib · environments:write',
  ],
  [
    'POST /projects/acme%2Flib/environments/stop_stale',
    'environments/stop-stale · write acme/lib · environments:write',
  ],
  [
    'DELETE /projects/acme%2Flib/environments/review_apps',
    'environments/delete-review-apps · write acme/lib · environments:write',
  ],
  // Jobs and their artifacts
  ['GET /projects/42/jobs', 'jobs/list · read acme/infra#42 · jobs:read'],
  ['GET /projects/42/jobs/9', 'jobs/get · read acme/infra#42 · jobs:read'],
  ['GET /projects/42/jobs/9/trace', 'jobs/get-trace · read acme/infra#42 · jobs:read'],
  ['GET /projects/42/jobs/9/artifacts', 'artifacts/download · read acme/infra#42 · jobs:read'],
  [
    'GET /projects/42/jobs/9/artifacts/build/app.tgz',
    'artifacts/download-file · read acme/infra#42 · jobs:read',
  ],
  [
    'GET /projects/acme%2Flib/jobs/artifacts/main/download?job=build',
    'artifacts/download-of-ref · read acme/lib · jobs:read',
  ],
  [
    'GET /projects/acme%2Flib/jobs/artifacts/feature/x/raw/app.tgz?job=build',
    'artifacts/download-of-ref · read acme/lib · jobs:read',
  ],
  [
    'HEAD /projects/acme%2Flib/jobs/artifacts/main/download',
    'artifacts/download-of-ref · read acme/lib · jobs:read',
  ],
  ['GET /projects/42/pipelines/5/jobs', 'jobs/list-of-pipeline · read acme/infra#42 · jobs:read'],
  ['GET /projects/42/pipelines/5/bridges', 'jobs/list-bridges · read acme/infra#42 · jobs:read'],
  // Packages
  ['GET /projects/acme%2Flib/packages', 'packages/list · read acme/lib · packages:read'],
  ['GET /projects/acme%2Flib/packages/8', 'packages/get · read acme/lib · packages:read'],
  [
    'GET /projects/acme%2Flib/packages/8/package_files',
    'packages/list-files · read acme/lib · packages:read',
  ],
  ['DELETE /projects/acme%2Flib/packages/8', 'packages/delete · write acme/lib · packages:write'],
  [
    'DELETE /projects/acme%2Flib/packages/8/package_files/2',
    'packages/delete-file · write acme/lib · packages:write',
  ],
  ['GET /projects/42/packages/npm/@acme%2Fapp', 'packages/download · read acme/infra#42 · packages:read'],
  [
    'GET /projects/42/packages/npm/@acme/app/-/@acme/app-1.0.0.tgz',
    'packages/download · read acme/infra#42 · packages:read',
  ],
  ['PUT /projects/42/packages/npm/@acme%2Fapp', 'packages/publish · write acme/infra#42 · packages:write'],
  [
    'PUT /projects/42/packages/npm/-/package/@acme%2Fapp/dist-tags/next',
    'packages/publish · write acme/infra#42 · packages:write',
  ],
  [
    'GET /projects/42/packages/maven/com/acme/app/1.0/app-1.0.jar',
    'packages/download · read acme/infra#42 · packages:read',
  ],
  [
    'PUT /projects/42/packages/maven/com/acme/app/1.0/app-1.0.jar',
    'packages/publish · write acme/infra#42 · packages:write',
  ],
  ['GET /projects/42/packages/pypi/simple/app', 'packages/download · read acme/infra#42 · packages:read'],
  ['POST /projects/42/packages/pypi', 'packages/publish · write acme/infra#42 · packages:write'],
  [
    'GET /projects/acme%2Flib/packages/generic/tool/1.0/tool.bin',
    'packages/download · read acme/lib · packages:read',
  ],
  [
    'PUT /projects/acme%2Flib/packages/generic/tool/1.0/dir/tool.bin?status=default',
    'packages/publish · write acme/lib · packages:write',
  ],
  ['GET /projects/42/packages/nuget/index.json', 'packages/download · read acme/infra#42 · packages:read'],
  ['PUT /projects/42/packages/nuget/', 'packages/publish · write acme/infra#42 · packages:write'],
  ['DELETE /projects/42/packages/nuget/app/1.0', 'packages/delete · write acme/infra#42 · packages:write'],
  ['POST /projects/42/packages/composer', 'packages/publish · write acme/infra#42 · packages:write'],
  [
    'GET /projects/42/packages/composer/archives/acme/app.zip?sha=1',
    'packages/download · read acme/infra#42 · packages:read',
  ],
  [
    'GET /projects/42/packages/conan/v1/conans/app/1.0/acme+infra/stable',
    'packages/download · read acme/infra#42 · packages:read',
  ],
  [
    'GET /projects/42/packages/go/gitlab.com/acme/infra/@v/list',
    'packages/download · read acme/infra#42 · packages:read',
  ],
  [
    'GET /projects/42/packages/helm/stable/index.yaml',
    'packages/download · read acme/infra#42 · packages:read',
  ],
  [
    'POST /projects/42/packages/helm/api/stable/charts',
    'packages/publish · write acme/infra#42 · packages:write',
  ],
  [
    'POST /projects/42/packages/rubygems/api/v1/gems',
    'packages/publish · write acme/infra#42 · packages:write',
  ],
  [
    'GET /projects/42/packages/rubygems/gems/app-1.0.gem',
    'packages/download · read acme/infra#42 · packages:read',
  ],
  [
    'PUT /projects/42/packages/terraform/modules/net/aws/1.0/file',
    'packages/publish · write acme/infra#42 · packages:write',
  ],
  [
    'GET /groups/acme%2Fteam/-/packages/npm/@acme%2Fapp',
    'packages/download · read owner acme/team · packages:read',
  ],
  [
    'GET /groups/acme/-/packages/maven/com/acme/app/1/app-1.pom',
    'packages/download · read owner acme · packages:read',
  ],
  ['GET /groups/9/-/packages/pypi/simple', 'packages/download · read owner ? · packages:read'],
  [
    'GET /group/acme/-/packages/composer/packages.json',
    'packages/download · read owner acme · packages:read',
  ],
  ['GET /groups/acme/packages', 'packages/list-of-group · read owner acme · packages:read'],
  ['GET /packages/npm/@acme%2Fapp', 'packages/download · read owner acme · packages:read'],
  ['GET /packages/npm/app', 'packages/download · read ? · packages:read'],
  ['GET /packages/maven/com/acme/app/1/app-1.jar', 'packages/download · read ? · packages:read'],
  [
    'GET /packages/conan/v1/conans/app/1.0/acme+team+lib/stable',
    'packages/download · read acme/team/lib · packages:read',
  ],
  [
    'PUT /packages/conan/v1/files/app/1.0/acme+team+lib/stable/0/export/conanfile.py',
    'packages/publish · write ? · packages:write',
  ],
  [
    'GET /packages/terraform/modules/v1/acme/net/aws/versions',
    'packages/download · read owner acme · packages:read',
  ],
  // Pipelines
  ['GET /projects/42/pipelines', 'pipelines/list · read acme/infra#42 · pipelines:read'],
  ['GET /projects/42/pipelines/5', 'pipelines/get · read acme/infra#42 · pipelines:read'],
  ['GET /projects/42/pipelines/latest', 'pipelines/get-latest · read acme/infra#42 · pipelines:read'],
  [
    'GET /projects/42/pipelines/5/variables',
    'pipelines/list-variables · read acme/infra#42 · pipelines:read',
  ],
  [
    'PUT /projects/42/pipelines/5/metadata',
    'pipelines/update-metadata · write acme/infra#42 · pipelines:write',
  ],
  ['POST /projects/acme%2Flib/trigger/pipeline', 'pipelines/trigger · write acme/lib · pipelines:write'],
  [
    'POST /projects/acme%2Flib/ref/main/trigger/pipeline?token=x',
    'pipelines/trigger · write acme/lib · pipelines:write',
  ],
  ['POST /projects/acme%2Flib/pipeline?ref=main', 'pipelines/create · write acme/lib · pipelines:write'],
  // Releases
  ['GET /projects/42/releases', 'releases/list · read acme/infra#42 · releases:read'],
  ['GET /projects/42/releases/v1.0', 'releases/get · read acme/infra#42 · releases:read'],
  [
    'GET /projects/42/releases/v1.0/downloads/bin/app',
    'releases/download · read acme/infra#42 · releases:read',
  ],
  ['GET /projects/42/releases/permalink/latest', 'releases/get-latest · read acme/infra#42 · releases:read'],
  ['GET /projects/42/releases/v1.0/assets/links', 'releases/list-links · read acme/infra#42 · releases:read'],
  ['POST /projects/42/releases', 'releases/create · write acme/infra#42 · releases:write'],
  ['PUT /projects/42/releases/v1.0', 'releases/update · write acme/infra#42 · releases:write'],
  ['DELETE /projects/42/releases/v1.0', 'releases/delete · write acme/infra#42 · releases:write'],
  [
    'POST /projects/42/releases/v1.0/assets/links',
    'releases/create-link · write acme/infra#42 · releases:write',
  ],
  [
    'DELETE /projects/42/releases/v1.0/assets/links/1',
    'releases/delete-link · write acme/infra#42 · releases:write',
  ],
  [
    'POST /projects/42/releases/v1.0/evidence',
    'releases/collect-evidence · write acme/infra#42 · releases:write',
  ],
  // Secure files and state
  ['GET /projects/42/secure_files', 'secure-files/list · read acme/infra#42 · secure_files:read'],
  [
    'GET /projects/42/secure_files/1/download',
    'secure-files/download · read acme/infra#42 · secure_files:read',
  ],
  ['POST /projects/42/secure_files', 'secure-files/create · admin acme/infra#42 · secure_files:write'],
  ['DELETE /projects/42/secure_files/1', 'secure-files/delete · admin acme/infra#42 · secure_files:write'],
  [
    'GET /projects/42/terraform/state/prod',
    'terraform-state/get · read acme/infra#42 · terraform_state:read',
  ],
  [
    'POST /projects/42/terraform/state/prod',
    'terraform-state/update · write acme/infra#42 · terraform_state:write',
  ],
  [
    'POST /projects/42/terraform/state/prod/lock',
    'terraform-state/lock · write acme/infra#42 · terraform_state:write',
  ],
  [
    'DELETE /projects/42/terraform/state/prod/lock',
    'terraform-state/unlock · write acme/infra#42 · terraform_state:write',
  ],
  [
    'GET /projects/42/terraform/state/prod/versions/3',
    'terraform-state/get-version · read acme/infra#42 · terraform_state:read',
  ],
  // The registry's own API
  ['GET /projects/42/registry/repositories', 'registry/list-repositories · read acme/infra#42 · -'],
  ['GET /projects/42/registry/repositories/1/tags/v1', 'registry/get-tag · read acme/infra#42 · -'],
  ['DELETE /projects/42/registry/repositories/1/tags/v1', 'registry/delete-tag · write acme/infra#42 · -'],
  ['DELETE /projects/42/registry/repositories/1', 'registry/delete-repository · write acme/infra#42 · -'],
  ['GET /groups/acme/registry/repositories', 'registry/list-repositories-of-group · read owner acme · -'],
  ['GET /job', 'jobs/get-own · read platform · -'],
];

export const apiRows: readonly Row[] = [
  ['GET /projects/42', 'projects/get · read acme/infra#42 · - · beyond read_api'],
  ['GET /projects/acme%2Fteam%2Fsub%2Fapp', 'projects/get · read acme/team/sub/app · - · beyond read_api'],
  ['PUT /projects/42', 'projects/update · admin acme/infra#42 · - · beyond api'],
  ['DELETE /projects/42', 'projects/delete · admin acme/infra#42 · - · beyond api'],
  ['POST /projects', 'projects/create · admin platform + admin owner ? · - · beyond api'],
  ['POST /projects/42/fork', 'projects/fork · read acme/infra#42 + admin owner ? · - · beyond api'],
  [
    'PUT /projects/42/transfer?namespace=evil',
    'projects/transfer · admin acme/infra#42 + admin owner ? · - · beyond api',
  ],
  [
    'POST /groups/evil/projects/acme%2Finfra',
    'groups/move-project-in · admin owner evil + admin owner ? + admin acme/infra · - · beyond api',
  ],
  ['POST /projects/42/share', 'projects/share · admin acme/infra#42 · - · beyond api'],
  ['POST /projects/42/hooks', 'hooks/create · admin acme/infra#42 · - · beyond api'],
  ['PUT /projects/42/hooks/1', 'hooks/update · admin acme/infra#42 · - · beyond api'],
  ['GET /projects/42/hooks', 'hooks/list · read acme/infra#42 · - · beyond read_api'],
  ['POST /projects/42/deploy_keys', 'deploy-keys/create · admin acme/infra#42 · - · beyond api'],
  ['POST /projects/42/deploy_tokens', 'deploy-tokens/create · admin acme/infra#42 · - · beyond api'],
  ['POST /projects/42/access_tokens', 'access-tokens/create · admin acme/infra#42 · - · beyond api'],
  ['POST /projects/42/variables', 'variables/create · admin acme/infra#42 · - · beyond api'],
  ['PUT /projects/42/variables/KEY', 'variables/update · admin acme/infra#42 · - · beyond api'],
  ['GET /projects/42/variables', 'variables/list · read acme/infra#42 · - · beyond read_api'],
  ['POST /projects/42/members', 'members/add · admin acme/infra#42 · - · beyond api'],
  ['DELETE /projects/42/members/5', 'members/remove · admin acme/infra#42 · - · beyond api'],
  [
    'POST /projects/42/protected_branches',
    'protected-branches/create · admin acme/infra#42 · - · beyond api',
  ],
  [
    'DELETE /projects/42/protected_branches/main',
    'protected-branches/delete · admin acme/infra#42 · - · beyond api',
  ],
  ['POST /projects/42/runners', 'runners/enable-in-project · admin acme/infra#42 · - · beyond api'],
  ['POST /projects/42/triggers', 'triggers/create · admin acme/infra#42 · - · beyond api'],
  [
    'POST /projects/42/job_token_scope/allowlist',
    'job-token-scope/add-project · admin acme/infra#42 · - · beyond api',
  ],
  ['PATCH /projects/42/job_token_scope', 'job-token-scope/update · admin acme/infra#42 · - · beyond api'],
  ['POST /projects/42/remote_mirrors', 'mirrors/create · admin acme/infra#42 · - · beyond api'],
  [
    'POST /projects/42/import_project_members/acme%2Flib',
    'members/import · admin acme/infra#42 + read acme/lib · - · beyond api',
  ],
  ['GET /projects/42/issues', 'issues/list · read acme/infra#42 · - · beyond read_api'],
  ['POST /projects/42/issues', 'issues/create · write acme/infra#42 · - · beyond api'],
  ['PUT /projects/42/issues/3', 'issues/update · write acme/infra#42 · - · beyond api'],
  ['GET /projects/42/issues/3/notes', 'issues/read-part · read acme/infra#42 · - · beyond read_api'],
  ['POST /projects/42/issues/3/notes', 'notes/create · write acme/infra#42 · - · beyond api'],
  ['PUT /projects/42/merge_requests/4/merge', 'merge-requests/merge · write acme/infra#42 · - · beyond api'],
  [
    'GET /projects/42/merge_requests/4/changes',
    'merge-requests/read-part · read acme/infra#42 · - · beyond read_api',
  ],
  [
    'GET /projects/42/repository/files/docs%2Fa.md/raw?ref=main',
    'files/get-raw · read acme/infra#42 · - · beyond read_api',
  ],
  ['POST /projects/42/repository/files/docs%2Fa.md', 'files/create · write acme/infra#42 · - · beyond api'],
  [
    'GET /projects/42/repository/archive.tar.gz?sha=main',
    'repository/archive · read acme/infra#42 · - · beyond read_api',
  ],
  ['POST /projects/42/repository/branches', 'branches/create · write acme/infra#42 · - · beyond api'],
  ['DELETE /projects/42/repository/tags/v1', 'tags/delete · write acme/infra#42 · - · beyond api'],
  [
    'GET /projects/42/repository/changelog?version=1',
    'repository/generate-changelog · read acme/infra#42 · -',
  ],
  [
    'GET /projects/42/repository/compare?from=a&to=b',
    'repository/compare · read acme/infra#42 · - · beyond read_api',
  ],
  [
    'GET /projects/42/repository/compare?from=a&to=b&from_project_id=77',
    'repository/compare · read acme/infra#42 + read ?#77 · - · beyond read_api',
  ],
  ['POST /projects/42/statuses/0a1b', 'commits/set-status · write acme/infra#42 · - · beyond api'],
  ['POST /projects/42/uploads', 'uploads/create · write acme/infra#42 · - · beyond api'],
  ['GET /groups/acme%2Fteam', 'groups/get · read owner acme/team · - · beyond read_api'],
  ['PUT /groups/acme', 'groups/update · admin owner acme · - · beyond api'],
  ['GET /groups/9/projects', 'groups/list-projects · read owner ? · - · beyond read_api'],
  ['POST /groups/acme/variables', 'variables/create-in-group · admin owner acme · - · beyond api'],
  ['POST /groups/acme/members', 'members/add-to-group · admin owner acme · - · beyond api'],
  ['POST /groups', 'groups/create · admin platform + admin owner ? · - · beyond api'],
  ['GET /user', 'users/get-own · read platform · - · beyond read_api'],
  ['POST /user/keys', 'users/add-key · admin platform · - · beyond api'],
  ['POST /user/runners', 'runners/create · admin platform · - · beyond api'],
  ['POST /runners', 'runners/register · admin platform · -'],
  ['DELETE /runners', 'runners/unregister · admin platform · -'],
  ['GET /projects?search=x', 'projects/list · read platform · - · beyond read_api'],
  ['POST /snippets', 'snippets/create · write owner ? · - · beyond api'],
  ['GET /snippets/5/raw', 'snippets/get-raw · read owner ? · - · beyond read_api'],
  // What the runner itself says
  ['POST /jobs/request', 'runner/request-job · write platform · -'],
  ['PUT /jobs/9', 'runner/update-job · write acme/infra · -'],
  ['PATCH /jobs/9/trace', 'runner/append-trace · write acme/infra · -'],
  ['POST /jobs/9/artifacts', 'artifacts/upload · write acme/infra · -'],
  ['POST /jobs/9/artifacts/authorize', 'artifacts/upload · write acme/infra · -'],
  ['GET /jobs/9/artifacts', 'artifacts/download-own · read acme/infra · -'],
];

/** What is nobody's route, or could be read in two ways: never known, never less than the method says. */
export const unknownRows: readonly Row[] = [
  ['GET /projects/acme%2Finfra/widgets', 'rest/unknown · read acme/infra · - · unknown'],
  ['POST /projects/acme%2Finfra/widgets', 'rest/unknown · write acme/infra · - · unknown'],
  ['POST /projects/42/deploy_widgets/hooks', 'rest/unknown · admin acme/infra#42 · - · unknown'],
  ['POST /projects/42/hooks/1', 'rest/unknown · admin acme/infra#42 · - · unknown'],
  ['POST /projects/42', 'rest/unknown · admin acme/infra#42 · - · unknown'],
  ['OPTIONS /projects/42/issues', 'rest/unknown · write acme/infra#42 · - · unknown'],
  ['GET /projects/acme/infra/issues', 'rest/unknown · read ? · - · unknown'],
  ['POST /projects/acme/infra/hooks', 'rest/unknown · admin ? · - · unknown'],
  ['GET /projects/acme', 'projects/get · read ? · - · beyond read_api'],
  ['GET /projects/acme%252Finfra', 'projects/get · read ? · - · beyond read_api'],
  ['GET /projects/acme%2F%2Finfra', 'projects/get · read ? · - · beyond read_api'],
  ['GET /projects/acme%2F..%2Fevil%2Fapp', 'projects/get · read ? · - · beyond read_api'],
  ['GET /projects/%2Facme%2Finfra', 'projects/get · read ? · - · beyond read_api'],
  ['GET /projects/acme%2Finfra%00', 'projects/get · read ? · - · beyond read_api'],
  ['GET /projects/acme%2F-%2Finfra', 'projects/get · read ? · - · beyond read_api'],
  ['GET /projects/42.json', 'projects/get · read ? · - · beyond read_api'],
  ['GET /projects/%34%32', 'projects/get · read ? · - · beyond read_api'],
  ['POST /projects/43/issues', 'issues/create · write ?#43 · - · beyond api'],
  // Normalisations
  ['GET /projects/acme%2finfra', 'projects/get · read acme/infra · - · beyond read_api'],
  ['GET /projects/ACME%2FInfra', 'projects/get · read ACME/Infra · - · beyond read_api'],
  ['GET /projects/acme%2Finfra.git', 'projects/get · read acme/infra · - · beyond read_api'],
  ['POST /projects/42/hooks.json', 'hooks/create · admin acme/infra#42 · - · beyond api'],
  ['GET /projects/42/issues/', 'issues/list · read acme/infra#42 · - · beyond read_api'],
  ['GET /groups/acme%252Fteam', 'groups/get · read owner ? · - · beyond read_api'],
  ['POST /admin/ci/variables', 'instance/administer · admin platform · - · beyond api'],
  ['POST /nothing/here', 'rest/unknown · write platform · - · unknown'],
];

/** Beyond the API, on `https://gitlab.com`. */
export const webRows: readonly Row[] = [
  ['GET /acme/infra.git/info/refs?service=git-upload-pack', 'git/fetch · read acme/infra · -'],
  ['GET /acme/infra/info/refs?service=git-upload-pack', 'git/fetch · read acme/infra · -'],
  ['POST /acme/infra.git/git-upload-pack', 'git/fetch · read acme/infra · -'],
  ['GET /acme/infra.git/info/refs?service=git-receive-pack', 'git/push · write acme/infra · -'],
  ['GET /acme/infra.git/info/refs?service=git%2Dreceive%2Dpack', 'git/push · write acme/infra · -'],
  ['POST /acme/team/sub/infra.git/git-receive-pack', 'git/push · write acme/team/sub/infra · -'],
  ['POST /acme/team/infra/git-receive-pack', 'git/push · write acme/team/infra · -'],
  ['GET /acme/infra.git/HEAD', 'git/fetch · read acme/infra · -'],
  ['GET /acme/infra.git/objects/info/packs', 'git/fetch · read acme/infra · -'],
  ['GET /acme/team/infra.git/objects/0a/1b', 'git/fetch · read acme/team/infra · -'],
  ['POST /acme/infra.wiki.git/git-receive-pack', 'git/push · write acme/infra · -'],
  ['POST /acme/infra.design.git/git-receive-pack', 'git/push · write acme/infra · -'],
  ['POST /acme.wiki.git/git-receive-pack', 'git/push · write owner acme · -'],
  ['POST /acme/infra/snippets/12.git/git-upload-pack', 'git/fetch · read acme/infra · -'],
  ['POST /snippets/12.git/git-receive-pack', 'git/push · write owner ? · -'],
  ['POST /acme/infra.git/evil/app.git/git-upload-pack', 'git/unknown · write acme/infra · - · unknown'],
  ['POST /acme/infra.git/upload', 'git/unknown · write acme/infra · - · unknown'],
  ['POST /acme/-/infra.git/git-receive-pack', 'git/push · write ? · -'],
  ['POST /acme%2Finfra.git/git-receive-pack', 'git/push · write ? · -'],
  ['GET /acme/infra.git/info/lfs/locks', 'lfs/list-locks · read acme/infra · -'],
  ['POST /acme/infra.git/info/lfs/locks/verify', 'lfs/verify-locks · write acme/infra · -'],
  ['POST /acme/team/infra.git/info/lfs/objects/batch', 'lfs/batch · write acme/team/infra · - · unknown'],
  ['GET /acme/infra.git/gitlab-lfs/objects/aa11', 'lfs/download · read acme/infra · -'],
  ['PUT /acme/infra.git/gitlab-lfs/objects/aa11/12', 'lfs/upload · write acme/infra · -'],
  ['PUT /acme/infra.git/gitlab-lfs/objects/aa11/12/authorize', 'lfs/upload · write acme/infra · -'],
  ['POST /acme/infra.git/gitlab-lfs/objects/aa11', 'lfs/unknown · write acme/infra · - · unknown'],
  // The registry
  [
    'GET /jwt/auth?service=container_registry&scope=repository:acme/infra/web:pull',
    'container/token · read image registry.gitlab.com/acme/infra/web · -',
  ],
  [
    'GET /jwt/auth?service=container_registry&scope=repository%3Aacme%2Finfra%3Apull%2Cpush',
    'container/token · write image registry.gitlab.com/acme/infra · -',
  ],
  [
    'GET /jwt/auth?service=container_registry&scope=repository:acme/a:pull&scope=repository:evil/b:push',
    'container/token · read image registry.gitlab.com/acme/a + write image registry.gitlab.com/evil/b · -',
  ],
  ['GET /jwt/auth?service=container_registry', 'container/login · read platform · -'],
  [
    'GET /jwt/auth?service=container_registry&scope=everything',
    'container/token · write platform · - · unknown',
  ],
  ['GET /jwt/auth?service=dependency_proxy', 'dependency-proxy/token · read platform · -'],
  [
    'GET /v2/acme/dependency_proxy/containers/alpine/manifests/3',
    'dependency-proxy/pull · read owner acme · -',
  ],
  ['GET /v2/acme/infra/manifests/1', 'container/pull · read image registry.gitlab.com/acme/infra@1 · -'],
  // Pages
  ['GET /acme/infra', 'web/page · read acme/infra · - · unknown'],
  ['GET /acme/team/infra', 'web/page · read ? · - · unknown'],
  ['GET /acme/infra.atom', 'web/page · read acme/infra · - · unknown'],
  ['GET /acme/infra/uploads/aa/x.png', 'web/page · read ? · - · unknown'],
  ['GET /acme/infra/blob/main/x', 'web/page · read acme/infra · - · unknown'],
  ['POST /acme/team/infra/-/issues', 'web/page · write acme/team/infra · - · unknown'],
  ['GET /acme/team/infra/-/raw/main/x', 'raw/download · read acme/team/infra · - · beyond read_api'],
  [
    'GET /acme/infra/-/archive/v1/infra-v1.tar.gz',
    'archive/download · read acme/infra · - · beyond read_api',
  ],
  ['GET /acme/infra/-/jobs/9/artifacts/raw/app', 'artifacts/download · read acme/infra · jobs:read'],
  ['GET /acme/infra/-/releases/v1/downloads/app', 'releases/download · read acme/infra · releases:read'],
  ['GET /acme/team/lib/pkg?go-get=1', 'go/discover · read acme/team/lib/pkg · -'],
  ['GET /groups/acme/team/-/packages', 'web/page · read owner acme/team · - · unknown'],
  ['GET /snippets/5/raw', 'web/page · read owner ? · - · unknown'],
  ['GET /-/snippets/5/raw', 'web/page · read owner ? · - · unknown'],
  ['GET /.well-known/openid-configuration', 'web/page · read platform · - · unknown'],
  ['POST /oauth/token', 'web/page · write platform · - · unknown'],
  ['GET /api/v3/projects', 'rest/unknown · read platform · - · unknown'],
];
