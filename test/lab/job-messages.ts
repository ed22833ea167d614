// Whole job messages as the platforms send them, with secrets of the test's own and fields that nobody knows.

type Value = unknown;

/** GitHub's form of a dictionary of contexts, all the way down. */
function context(value: Value): Value {
  if (Array.isArray(value)) return { t: 1, a: value.map(context) };
  if (typeof value !== 'object' || value === null) return value;
  return { t: 2, d: Object.entries(value).map(([k, v]) => ({ k, v: context(v) })) };
}

const decoy = {
  ref: 'refs/heads/decoy',
  repository: 'evil/evil',
  title: 'a "title", {"k":"repository","v":"evil/evil"}',
};

export interface GithubJobOptions {
  readonly event?: Readonly<Record<string, Value>> | null;
  /** Fields of the `github` context in place of the usual ones. */
  readonly github?: Readonly<Record<string, Value>>;
  readonly jobId?: string;
  readonly planId?: string;
  readonly token?: string;
  readonly runtimeToken?: string;
}

/** The answer to `acquirejob`. */
export function githubMessage(options: GithubJobOptions = {}): Record<string, Value> {
  const event =
    options.event === undefined
      ? {
          pull_request: {
            title: decoy.title,
            head: { ref: 'feature/x', repo: { full_name: 'out/widget', fork: true } },
          },
        }
      : options.event;
  const token = options.token ?? 'ghs_own';
  return {
    messageType: 'RunnerJobRequest',
    plan: {
      planId: options.planId ?? '5b1f0c7e-2a4d-4c39-9e60-000000000001',
      planType: 'actions',
      version: 0,
    },
    timeline: { id: '5b1f0c7e-2a4d-4c39-9e60-000000000001', changeId: 0, location: null },
    jobId: options.jobId ?? 'e0a94d52-77c1-5b0e-8f3a-000000000001',
    jobDisplayName: 'deploy / ship (linux, 22)',
    jobName: 'linux_22',
    requestId: 0,
    lockedUntil: '0001-01-01T00:00:00',
    futureField: { nested: [1, { jobId: 'decoy' }] },
    actionsEnvironment: { name: 'production', url: { type: 3, expr: 'steps.ship.outputs.url' } },
    contextData: {
      github: context({
        ref: 'refs/pull/42/merge',
        sha: '1'.repeat(40),
        repository: 'acme/widget',
        repository_id: '4711',
        repository_visibility: 'private',
        run_id: '123456789012',
        run_attempt: '2',
        actor: 'dev-one',
        head_ref: 'feature/x',
        base_ref: 'main',
        event_name: 'pull_request',
        server_url: 'https://github.com',
        ref_protected: false,
        workflow_ref: 'acme/widget/.github/workflows/release.yml@refs/pull/42/merge',
        ...options.github,
        ...(event === null ? {} : { event: { ...decoy, ...event } }),
      }),
      job: context({
        workflow_ref: 'acme/shared/.github/workflows/deploy.yml@refs/tags/v3',
        check_run_id: 88,
      }),
      matrix: {
        t: 2,
        d: [
          { k: 'os', v: { t: 0, s: 'linux' } },
          { k: 'node', v: 22 },
          { k: 'debug', v: { t: 3, b: false } },
          { k: 'list', v: { t: 1 } },
        ],
      },
      needs: context({}),
    },
    variables: {
      'system.github.job': { value: 'ship' },
      'system.github.token.permissions': { value: '{"Contents":"read","Metadata":"read","IdToken":"write"}' },
      'system.github.token': { value: token, isSecret: true },
      github_token: { value: token, isSecret: true },
      DEPLOY_KEY: { value: 'user-secret', isSecret: true },
      'system.runnerGroupName': { value: 'linux-build' },
    },
    resources: {
      endpoints: [
        { name: 'Other', authorization: { parameters: { AccessToken: 'another' } } },
        {
          name: 'SystemVssConnection',
          url: 'https://run.actions.githubusercontent.com/77/',
          authorization: {
            scheme: 'OAuth',
            parameters: { AccessToken: options.runtimeToken ?? 'head.body.signature' },
          },
          data: { GenerateIdTokenUrl: 'https://run.actions.githubusercontent.com/77//idtoken/a/b' },
        },
      ],
    },
    mask: [{ type: 'regex', value: 'user-secret' }],
    steps: [
      step('1', '__actions_checkout', {
        type: 'repository',
        name: 'actions/checkout',
        ref: 'v4',
        repositoryType: 'GitHub',
      }),
      { ...step('2', 'meta', { type: 'script' }), displayNameToken: { type: 0, lit: 'Compute version' } },
      step('3', '__acme_tools_scan', {
        type: 'repository',
        name: 'acme/tools',
        path: 'scan',
        ref: '4'.repeat(40),
      }),
      step('4', '__self', { type: 'repository', path: './.github/actions/local', repositoryType: 'self' }),
      step('5', 'ship', { type: 'containerRegistry', image: 'registry.example.test/ship:2' }),
    ],
  };
}

const step = (id: string, contextName: string, reference: Value) => ({
  type: 'action',
  id: `a1000000-0000-4000-8000-00000000000${id}`,
  name: contextName,
  contextName,
  reference,
  inputs: {
    type: 2,
    map: [{ Key: { type: 0, lit: 'script' }, Value: { type: 0, lit: 'echo user-secret' } }],
  },
});

export interface GitlabJobOptions {
  readonly ref?: string;
  readonly ref_type?: string;
}

/** The answer to `POST /api/v4/jobs/request`. */
export function gitlabMessage(options: GitlabJobOptions = {}): Record<string, Value> {
  const variable = (key: string, value: string) => ({
    key,
    value,
    public: true,
    file: false,
    masked: false,
    raw: false,
  });
  return {
    id: 55_001,
    token: 'glcbt-own',
    allow_git_fetch: true,
    job_info: {
      name: 'deploy: [eu]',
      stage: 'deploy',
      pipeline_id: 7001,
      project_id: 301,
      project_name: 'widget',
      project_full_path: 'acme/sub/widget',
      time_in_queue_seconds: 1.25,
      future: { id: 'evil/evil' },
    },
    git_info: {
      repo_url: 'https://gitlab-ci-token:glcbt-own@gitlab.corp.example/acme/sub/widget.git',
      ref: options.ref ?? 'refs/merge-requests/9/head',
      sha: '5'.repeat(40),
      ref_type: options.ref_type ?? 'branch',
      protected: false,
    },
    variables: [
      variable('CI_PROJECT_PATH', 'acme/sub/widget'),
      variable('CI_PROJECT_VISIBILITY', 'private'),
      variable('CI_PIPELINE_SOURCE', 'merge_request_event'),
      variable('CI_MERGE_REQUEST_SOURCE_PROJECT_PATH', 'outside/widget'),
      variable('CI_ENVIRONMENT_NAME', 'review/9'),
      variable('CI_CONFIG_PATH', '.gitlab-ci.yml'),
      variable('GITLAB_USER_LOGIN', 'dev-one'),
      variable('DEPLOY_KEY', 'user-secret'),
      variable('CI_ENVIRONMENT_NAME', 'evil/evil'),
      variable('CI_MERGE_REQUEST_SOURCE_PROJECT_PATH', 'acme/sub/widget'),
    ],
    steps: [
      { name: 'script', script: ['echo user-secret'], when: 'on_success' },
      { name: 'after_script', script: [] },
    ],
    image: { name: 'registry.example.test/build:1' },
    credentials: [{ type: 'registry', username: 'gitlab-ci-token', password: 'glcbt-own' }],
  };
}
