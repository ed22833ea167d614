// The answer of `acquirejob`: a whole job message after the field list of public captures (actions/runner 2.336.0), with
// secrets wherever a real one has them.

import { Names, type Json } from './any-json.ts';
import type { LabJob, LabStep } from './job.ts';
import type { Secrets } from './secrets.ts';
import type { Seeded } from './seeded.ts';

export interface GithubHosts {
  /** With a slash at the end. */
  readonly runService: string;
  readonly results: string;
  readonly launch: string;
}

export interface MadeMessage {
  readonly message: Json;
  readonly jobToken: string;
  readonly runtimeToken: string;
}

/** `paddingBytes` is how much the event tells besides. */
export function makeMessage(
  job: LabJob,
  hosts: GithubHosts,
  secrets: Secrets,
  random: Seeded,
  paddingBytes = 2000,
): MadeMessage {
  const jobToken = secrets.jobToken();
  const runtimeToken = secrets.runtimeToken({
    scp: `Actions.Results:${job.planId}:${job.jobId}`,
    orch_id: `${job.planId}.${job.name}.__default`,
    exp: 4_000_000_000,
  });
  const message: Json = {
    messageType: 'PipelineAgentJobRequest',
    plan: { planId: job.planId, planType: 'actions', version: 0, artifactUri: '', artifactLocation: '' },
    timeline: { id: job.planId, changeId: 0, location: null },
    jobId: job.jobId,
    jobDisplayName: `${job.name} (any)`,
    jobName: '__default',
    requestId: 0,
    lockedUntil: '0001-01-01T00:00:00',
    billingOwnerId: 'O_lab',
    contextData: new Names(contexts(job, secrets, random, paddingBytes)),
    variables: new Names(variables(job, hosts, jobToken, secrets)),
    resources: { endpoints: [endpoint(job, hosts, runtimeToken)] },
    mask: [
      { type: 'regex', value: secrets.any() },
      { type: 'regex', value: jobToken },
    ],
    steps: job.steps.map((step) => stepOf(step, secrets)),
    environmentVariables: [mapToken({ STAGE: secrets.any() })],
    defaults: [mapToken({ run: mapToken({ shell: 'bash' }) })],
    fileTable: [job.workflow],
    jobContainer: random.chance(0.2)
      ? mapToken({ image: 'build:1', credentials: mapToken({ password: secrets.any() }) })
      : null,
    jobServiceContainers: null,
    jobOutputs: random.chance(0.3)
      ? mapToken({ version: { type: 3, expr: 'steps.meta.outputs.version' } })
      : null,
    snapshot: null,
    workspace: random.chance(0.5) ? { clean: 'all' } : {},
    ...(job.environment === null ? {} : { actionsEnvironment: { name: job.environment, url: null } }),
    dependencies: [],
    enableDebugger: false,
    debuggerTunnel: random.chance(0.2) ? { tunnelId: 'x', token: secrets.any() } : null,
  };
  return { message, jobToken, runtimeToken };
}

const mapToken = (entries: Readonly<Record<string, Json>>): Json => ({
  type: 2,
  map: Object.entries(entries).map(([key, value]) => ({
    Key: { type: 0, lit: key },
    Value: typeof value === 'string' ? { type: 0, file: 1, line: 3, col: 9, lit: value } : value,
  })),
});

function stepOf(step: LabStep, secrets: Secrets): Json {
  const [name = '', ref = ''] = (step.uses ?? '').split('@');
  const [owner = '', repository = '', ...path] = name.split('/');
  const reference: Json =
    step.uses === null
      ? { type: 'script' }
      : {
          type: 'repository',
          name: `${owner}/${repository}`,
          ref,
          repositoryType: 'GitHub',
          ...(path.length > 0 ? { path: path.join('/') } : {}),
        };
  // What an action is told, or a shell.
  const inputs: Readonly<Record<string, Json>> =
    step.uses === null
      ? { script: `${step.script}\n# ${secrets.any()}`, shell: 'bash' }
      : { args: step.script, token: secrets.any() };
  return {
    type: 'action',
    id: step.id,
    name: step.contextName,
    contextName: step.contextName,
    displayNameToken: step.title,
    condition: 'success()',
    continueOnError: false,
    timeoutInMinutes: null,
    environment: mapToken({ SECRET: secrets.any() }),
    reference,
    inputs: mapToken(inputs),
  };
}

function endpoint(job: LabJob, hosts: GithubHosts, runtimeToken: string): Json {
  const feed = new URL('_ws/ingest.sock', hosts.results).href.replace('https:', 'wss:');
  return {
    name: 'SystemVssConnection',
    url: hosts.runService,
    isReady: true,
    isShared: false,
    authorization: { scheme: 'OAuth', parameters: new Names({ AccessToken: runtimeToken }) },
    data: new Names({
      CacheServerUrl: 'https://artifactcache.actions.githubusercontent.com/LAB/',
      ConnectivityChecks: '["https://broker.actions.githubusercontent.com/health"]',
      FeedStreamUrl: feed,
      GenerateIdTokenUrl: `${hosts.runService}/idtoken/${job.planId}/${job.jobId}?api-version=2.0`,
      PipelinesServiceUrl: 'https://pipelinesghubeus1.actions.githubusercontent.com/LAB/',
      ResultsServiceUrl: hosts.results,
    }),
  };
}

function variables(
  job: LabJob,
  hosts: GithubHosts,
  jobToken: string,
  secrets: Secrets,
): Record<string, Json> {
  const open = (value: string): Json => ({ value });
  const secret = (value: string): Json => ({ value, isSecret: true });
  const called = job.calledWorkflow === null ? [] : splitWorkflow(job.calledWorkflow);
  return {
    'system.github.job': open(job.name),
    'system.github.token.permissions': open('{"Contents":"read","Metadata":"read","Packages":"read"}'),
    'system.github.token': secret(jobToken),
    github_token: secret(jobToken),
    DEPLOY_KEY: secret(secrets.any()),
    'system.github.job2': secret(secrets.any()),
    PASSWORD: secret(secrets.any()),
    'system.github.launch_endpoint': open(hosts.launch),
    'system.github.results_endpoint': open(hosts.results),
    'system.orchestrationId': open(`${job.planId}.${job.name}.__default`),
    'system.runnerGroupName': open(job.runnerGroup),
    'system.runnerEnvironment': open('self-hosted'),
    actions_use_bearer_token_for_codeload: open('false'),
    ...(called.length === 0
      ? {}
      : {
          'system.workflowFileFullPath': open(called[0]!),
          'system.workflowFileRef': open(called[1]!),
          'system.workflowFileSha': open('3'.repeat(40)),
        }),
  };
}

const splitWorkflow = (text: string): string[] => text.split('@');

/** A value of a context, in one of the forms that its converter reads. */
function contextValue(value: unknown, random: Seeded): Json {
  if (value === null) return null;
  if (typeof value === 'string')
    return random.chance(0.1) ? random.pick([{ t: 0, s: value }, { s: value }]) : value;
  if (typeof value === 'boolean') return random.chance(0.1) ? { t: 3, b: value } : value;
  if (typeof value === 'number') return random.chance(0.1) ? { t: 4, n: value } : value;
  if (Array.isArray(value))
    return value.length === 0 && random.chance(0.5)
      ? { t: 1 }
      : { t: 1, a: value.map((item) => contextValue(item, random)) };
  // What is left is a dictionary.
  const pairs = random.shuffled(Object.entries(value as Readonly<Record<string, unknown>>));
  if (pairs.length === 0 && random.chance(0.5)) return { t: 2 };
  return {
    t: random.chance(0.05) ? 5 : 2,
    d: pairs.map(
      ([k, v]) =>
        new Names(random.chance(0.2) ? { v: contextValue(v, random), k } : { k, v: contextValue(v, random) }),
    ),
  };
}

function contexts(job: LabJob, secrets: Secrets, random: Seeded, paddingBytes: number): Record<string, Json> {
  const [workflow = '', calledRef = ''] = splitWorkflow(job.calledWorkflow ?? '');
  const [calledOwner = '', calledName = '', ...calledPath] = workflow.split('/');
  const own = `${job.repository}/${job.workflow}@${job.ref}`;
  const jobContext = {
    check_run_id: 88_000_000_000 + random.below(1e6),
    workflow_ref: job.calledWorkflow ?? own,
    workflow_sha: job.calledWorkflow === null ? job.sha : '3'.repeat(40),
    workflow_repository: job.calledWorkflow === null ? job.repository : `${calledOwner}/${calledName}`,
    workflow_file_path: job.calledWorkflow === null ? job.workflow : calledPath.join('/'),
  };
  if (calledRef === '' && job.calledWorkflow !== null) throw new Error('a called workflow has a reference');
  const all = {
    github: githubContext(job, secrets, random, paddingBytes),
    job: jobContext,
    inputs: { target: 'eu', secretish: secrets.any() },
    matrix: job.matrix,
    strategy: { 'fail-fast': true, 'job-index': 0, 'job-total': 1, 'max-parallel': 1 },
    needs: {},
    vars: { VARIABLE: secrets.any() },
  };
  return Object.fromEntries(Object.entries(all).map(([name, value]) => [name, contextValue(value, random)]));
}

function githubContext(job: LabJob, secrets: Secrets, random: Seeded, paddingBytes: number) {
  const [owner = ''] = job.repository.split('/');
  const [, kind = '', ...rest] = job.ref.split('/');
  return {
    ref: job.ref,
    sha: job.sha,
    repository: job.repository,
    repository_owner: owner,
    repository_owner_id: '70001',
    repository_id: job.repositoryId,
    repositoryUrl: `git://${job.server}/${job.repository}.git`,
    repository_visibility: job.isPrivate ? 'private' : 'public',
    run_id: job.runId,
    run_number: '57',
    run_attempt: job.runAttempt,
    retention_days: '90',
    artifact_cache_size_limit: '10',
    actor: job.actor,
    actor_id: '80001',
    triggering_actor: job.actor,
    workflow: 'A workflow',
    workflow_ref: `${job.repository}/${job.workflow}@${job.ref}`,
    workflow_sha: job.sha,
    head_ref: job.headRepository === null ? '' : 'feature/x',
    base_ref: job.headRepository === null ? '' : 'main',
    event_name: job.event,
    server_url: `https://${job.server}`,
    api_url: `https://api.${job.server}`,
    graphql_url: `https://api.${job.server}/graphql`,
    ref_name: rest.join('/'),
    ref_protected: job.isProtected,
    ref_type: kind === 'tags' ? 'tag' : 'branch',
    secret_source: 'Actions',
    event: eventOf(job, secrets, random, paddingBytes),
  };
}

/** The event repeats names of the context around it, with other values. */
function eventOf(job: LabJob, secrets: Secrets, random: Seeded, paddingBytes: number) {
  const repository = {
    id: 1,
    full_name: job.repository,
    name: 'decoy',
    fork: true,
    private: false,
    topics: [],
    license: null,
  };
  const head =
    job.headRepository === null
      ? {}
      : {
          pull_request: {
            title: 'text with "quotes", a \\ backslash, {"k":"repository","v":"evil/evil"} and €',
            head: {
              ref: 'feature/x',
              sha: '2'.repeat(40),
              repo: { ...repository, full_name: job.headRepository },
            },
            base: { ref: 'main', repo: repository },
          },
        };
  return {
    ref: 'refs/heads/decoy',
    sha: '9'.repeat(40),
    repository,
    sender: { login: 'decoy', id: 1 },
    workflow: 'decoy',
    actor: 'decoy',
    head_commit: { message: `Fix.\n\n${secrets.any()}`, author: { name: 'decoy' } },
    commits: Array.from({ length: Math.ceil(paddingBytes / 200) }, (_, at) => ({
      id: random.hex(40),
      message: `commit ${at} ${'x'.repeat(100)}`,
      distinct: true,
      added: [],
    })),
    ...head,
  };
}
