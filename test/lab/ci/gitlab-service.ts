// A stand-in of GitLab as its runners see it: jobs by `/api/v4/jobs/request`, their updates and traces. It is written from
// gitlab-runner's source, not from what the gateway reads of it.

import type { ServerResponse } from 'node:http';
import type { Lab } from '../lab.ts';
import { runIpBatch } from '../../../netns/ip.ts';
import { WebServer } from '../../../netns/web-server.ts';
import { bodyOf, readCall, sendJson, type Call } from './answering.ts';
import { Names, type Json } from './any-json.ts';
import type { Secrets } from './secrets.ts';
import { Seeded } from './seeded.ts';

/** A job as the lab knows it. */
export interface LabPipelineJob {
  readonly id: number;
  readonly project: string;
  readonly projectId: number;
  readonly pipelineId: number;
  readonly name: string;
  readonly stage: string;
  /** Short, as GitLab sends it, or `refs/merge-requests/N/head`. */
  readonly ref: string;
  readonly refType: 'branch' | 'tag';
  readonly isProtected: boolean;
  readonly source: string;
  /** Project that a merge request comes from. */
  readonly sourceProject: string | null;
  readonly environment: string | null;
  readonly sha: string;
  /** What the job does to the network (traffic.ts). */
  readonly script: string;
}

interface Offer {
  readonly job: LabPipelineJob;
  readonly token: string;
  readonly text: Json;
  state: 'waiting' | 'running' | 'success' | 'failed';
  trace: string;
}

export const gitlabHost = 'gitlab.com';
const address = '93.184.216.84';

export function drawPipelineJob(random: Seeded, script: string): LabPipelineJob {
  const isMerge = random.chance(0.3);
  const project = random.pick(['acme/group/widget', 'acme/site', 'Example.Group/sub-1/data_lake']);
  return {
    id: 55_000 + random.below(1e6),
    project,
    projectId: 301 + random.below(1000),
    pipelineId: 7001 + random.below(1e6),
    name: random.pick(['deploy: [eu]', 'build', 'test 1/2']),
    stage: 'deploy',
    ref: isMerge
      ? `refs/merge-requests/${1 + random.below(99)}/head`
      : random.pick(['main', 'v1.0', 'feature/x']),
    refType: 'branch',
    isProtected: !isMerge && random.chance(0.5),
    source: isMerge ? 'merge_request_event' : 'push',
    sourceProject: isMerge ? random.pick([project, 'outside/widget']) : null,
    environment: random.chance(0.3) ? 'review/9' : null,
    sha: random.hex(40),
    script,
  };
}

export class GitlabService {
  readonly offers: Offer[] = [];
  readonly calls: Call[] = [];
  readonly #random: Seeded;
  readonly #secrets: Secrets;
  readonly #server: WebServer;

  private constructor(lab: Lab, seed: number, secrets: Secrets) {
    this.#random = new Seeded(seed ^ 0x91);
    this.#secrets = secrets;
    this.#server = new WebServer({
      namespace: lab.topology.internet,
      addresses: [address],
      http: [],
      https: [443],
      authority: lab.origins.authority,
      answer: (request, response, { host }) => {
        void readCall(request, host)
          .then((call) => this.#answer(call, response))
          .catch(() => response.destroy()); // who asked has gone
      },
    });
  }

  static async start(lab: Lab, seed: number, secrets: Secrets): Promise<GitlabService> {
    runIpBatch(lab.topology.internet, [`addr add ${address}/32 dev lo`]);
    lab.origins.names.set(gitlabHost, { a: [address] });
    const service = new GitlabService(lab, seed, secrets);
    await service.#server.start();
    return service;
  }

  close(): void {
    this.#server.close();
  }

  /** Whichever runner asks next has it. */
  offer(job: LabPipelineJob): Offer {
    const token = this.#secrets.gitlabToken();
    const offer: Offer = {
      job,
      token,
      text: makeJob(job, token, this.#secrets, this.#random),
      state: 'waiting',
      trace: '',
    };
    this.offers.push(offer);
    return offer;
  }

  async #answer(call: Call, response: ServerResponse): Promise<void> {
    this.calls.push(call);
    if (call.method === 'POST' && call.path === '/api/v4/jobs/request') return this.#handOut(response);
    const [, id, kind] = /^\/api\/v4\/jobs\/(\d+)(\/trace)?$/.exec(call.path) ?? [];
    if (id === undefined)
      return void response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    const offer = this.offers.find(({ job }) => String(job.id) === id);
    if (offer === undefined || call.header('job-token') !== offer.token)
      return void response.writeHead(403).end();
    if (call.method === 'PATCH' && kind !== undefined) {
      offer.trace += call.body;
      return void response
        .writeHead(202, { 'job-status': 'running', range: `0-${offer.trace.length}` })
        .end();
    }
    const state = String(bodyOf(call)['state']);
    if (state === 'success' || state === 'failed') offer.state = state;
    response.writeHead(200, { 'job-status': 'running', 'x-gitlab-trace-update-interval': '3' }).end('null');
  }

  async #handOut(response: ServerResponse): Promise<void> {
    const offer = this.offers.find(({ state }) => state === 'waiting');
    if (offer === undefined)
      return void response.writeHead(204, { 'x-gitlab-last-update': this.#random.hex(16) }).end();
    offer.state = 'running';
    // Its names are those of a protocol.
    return sendJson(response, this.#random, 201, offer.text, {}, true);
  }
}

function makeJob(job: LabPipelineJob, token: string, secrets: Secrets, random: Seeded): Json {
  const [name = ''] = job.project.split('/').toReversed();
  const variable = (key: string, value: string, isPublic = true): Json => ({
    key,
    value,
    public: isPublic,
    file: false,
    masked: !isPublic,
    raw: false,
  });
  return {
    id: job.id,
    token,
    allow_git_fetch: true,
    job_info: {
      name: job.name,
      stage: job.stage,
      pipeline_id: job.pipelineId,
      project_id: job.projectId,
      project_name: name,
      project_full_path: job.project,
      namespace_id: 11,
      root_namespace_id: 10,
      organization_id: 1,
      instance_id: 'lab',
      instance_uuid: random.guid(),
      user_id: 21,
      scoped_user_id: null,
      time_in_queue_seconds: 1.25,
      project_jobs_running_on_instance_runners_count: '3',
      queue_size: 4,
      queue_depth: 1,
    },
    git_info: {
      repo_url: `https://gitlab-ci-token:${token}@${gitlabHost}/${job.project}.git`,
      repo_object_format: 'sha1',
      ref: job.ref,
      sha: job.sha,
      before_sha: '0'.repeat(40),
      ref_type: job.refType,
      refspecs: [`+refs/pipelines/${job.pipelineId}:refs/pipelines/${job.pipelineId}`],
      depth: 20,
      // Older servers do not say so here.
      ...(random.chance(0.7) ? { protected: job.isProtected } : {}),
    },
    runner_info: { uuid: random.guid(), timeout: 3600 },
    inputs: [{ key: 'target', value: { type: 'string', content: secrets.any(), sensitive: true } }],
    variables: [
      variable('CI_JOB_ID', String(job.id)),
      variable('CI_JOB_TOKEN', token, false),
      variable('CI_COMMIT_REF_PROTECTED', String(job.isProtected)),
      variable('CI_PROJECT_PATH', job.project),
      variable('CI_PIPELINE_SOURCE', job.source),
      ...(job.sourceProject === null
        ? []
        : [
            variable('CI_MERGE_REQUEST_SOURCE_PROJECT_PATH', job.sourceProject),
            variable('CI_MERGE_REQUEST_PROJECT_PATH', job.project),
          ]),
      ...(job.environment === null ? [] : [variable('CI_ENVIRONMENT_NAME', job.environment)]),
      variable('CI_CONFIG_PATH', '.gitlab-ci.yml'),
      variable('DEPLOY_KEY', secrets.any(), false),
      // Of the user's own, further down.
      variable('CI_COMMIT_REF_PROTECTED', 'true'),
      variable('CI_PROJECT_PATH', 'evil/decoy'),
    ],
    steps: [
      {
        name: 'script',
        script: [job.script, `# ${secrets.any()}`],
        timeout: 3600,
        when: 'on_success',
        allow_failure: false,
      },
      { name: 'after_script', script: ['true'], timeout: 300, when: 'always', allow_failure: true },
    ],
    image: { name: 'build:1', entrypoint: [''], pull_policy: ['if-not-present'], ports: [] },
    services: [
      { name: 'postgres:16', alias: 'db', variables: [variable('POSTGRES_PASSWORD', secrets.any(), false)] },
    ],
    artifacts: null,
    cache: [],
    credentials: [
      { type: 'registry', url: 'registry.gitlab.com', username: 'gitlab-ci-token', password: token },
    ],
    dependencies: [
      { id: 1, token: secrets.gitlabToken(), name: 'build', artifacts_file: { filename: 'a.zip', size: 1 } },
    ],
    features: { trace_sections: true, token_mask_prefixes: ['glpat-'], failure_reasons: ['script_failure'] },
    secrets: new Names({
      DB: {
        vault: {
          server: { url: 'https://vault.example', auth: { name: 'jwt', data: { jwt: secrets.any() } } },
        },
      },
    }),
    hooks: [{ name: 'pre_get_sources_script', script: [`# ${secrets.any()}`] }],
    policy_options: { execution_policy_job: false, policy_name: '' },
    suspend_options: {},
  };
}
