// A stand-in of GitHub's services for runners: broker, run service, launch, results receiver, signed storage, archives.
// It is written from public captures and the runner's source, not from what the gateway reads of it.

import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { Lab } from '../lab.ts';
import { runIpBatch } from '../../../netns/ip.ts';
import { WebServer } from '../../../netns/web-server.ts';
import { bodyOf, readCall, sendJson, sendText, type Call } from './answering.ts';
import { Names, writeJson, type Json } from './any-json.ts';
import { makeMessage, type MadeMessage } from './github-message.ts';
import type { LabJob } from './job.ts';
import type { Secrets } from './secrets.ts';
import { Seeded } from './seeded.ts';

/** The hosts of github.com. */
export const githubHosts = {
  broker: 'broker.actions.githubusercontent.com',
  launch: 'launch.actions.githubusercontent.com',
  results: 'results-receiver.actions.githubusercontent.com',
  blob: 'productionresultssa7.blob.core.windows.net',
  api: 'api.github.com',
  codeload: 'codeload.github.com',
  web: 'github.com',
} as const;
const runHosts = [1, 2, 3].map((at) => `run-actions-${at}-azure-eastus.actions.githubusercontent.com`);

export interface GithubServiceOptions {
  readonly lab: Lab;
  readonly seed: number;
  readonly secrets: Secrets;
  /** How long a poll is held without a job. Default: 50 seconds, as the broker does. */
  readonly holdMs?: number;
  /** How long a job is the runner's without another word. Default: ten minutes, as the run service has it. */
  readonly leaseMs?: number;
}

/** A job that waits for an agent, or has one. */
interface Offer extends MadeMessage {
  readonly job: LabJob;
  /** Path of its own on the run service. */
  readonly key: string;
  readonly runUrl: string;
  /** The message as it is sent. */
  readonly text: string;
  state: 'waiting' | 'sent' | 'acquired' | 'completed';
}

interface Agent {
  readonly name: string;
  readonly waiting: Offer[];
  sessionId: string | null;
  /** Answers the poll that is held. */
  poll: (() => void) | null;
}

/** Address of every host of GitHub's in the lab; what else leads there has answers that are made up. */
export const githubAddress = '93.184.216.83';

export class GithubService {
  readonly offers: Offer[] = [];
  /** Answers that a job may have made up, by host and path. */
  readonly madeUp = new Map<string, Json>();
  /** Bodies of what is kept in storage, by path. */
  readonly stored = new Map<string, string>();
  readonly calls: Call[] = [];
  readonly #options: GithubServiceOptions;
  readonly #random: Seeded;
  readonly #agents = new Map<string, Agent>();
  readonly #server: WebServer;
  #lastMessage = 9_100_000_000_000_000_000n;

  private constructor(options: GithubServiceOptions) {
    this.#options = options;
    this.#random = new Seeded(options.seed);
    this.#server = new WebServer({
      namespace: options.lab.topology.internet,
      addresses: [githubAddress],
      http: [],
      https: [443],
      authority: options.lab.origins.authority,
      answer: (request, response, { host }) => {
        void readCall(request, host)
          .then((call) => this.#answer(call, response))
          .catch(() => response.destroy()); // who asked has gone
      },
    });
  }

  static async start(options: GithubServiceOptions): Promise<GithubService> {
    runIpBatch(options.lab.topology.internet, [`addr add ${githubAddress}/32 dev lo`]);
    for (const host of [...Object.values(githubHosts), ...runHosts])
      options.lab.origins.names.set(host, { a: [githubAddress] });
    const service = new GithubService(options);
    await service.#server.start();
    return service;
  }

  close(): void {
    this.#server.close();
  }

  /** Hands a job to the agent of this name as soon as it asks. */
  offer(agentName: string, job: LabJob, paddingBytes?: number): Offer {
    const offer = this.#make(job, paddingBytes);
    const agent = this.#agent(agentName);
    agent.waiting.push(offer);
    agent.poll?.();
    return offer;
  }

  /** As if somebody had been told of the job: it may be acquired. */
  handOver(job: LabJob): Offer {
    const offer = this.#make(job);
    offer.state = 'sent';
    return offer;
  }

  #make(job: LabJob, paddingBytes?: number): Offer {
    const key = String(1_000_000 + this.offers.length * 7 + this.#random.below(7));
    const runUrl = `https://${this.#random.pick(runHosts)}/${key}/`;
    const hosts = {
      runService: runUrl,
      results: `https://${githubHosts.results}/`,
      launch: `https://${githubHosts.launch}`,
    };
    const made = makeMessage(job, hosts, this.#options.secrets, this.#random, paddingBytes);
    const text = writeJson(made.message, this.#random);
    const offer: Offer = { ...made, job, key, runUrl, text, state: 'waiting' };
    this.offers.push(offer);
    return offer;
  }

  /** Jobs whose end the runner told. */
  completed(): LabJob[] {
    return this.offers.filter(({ state }) => state === 'completed').map(({ job }) => job);
  }

  #agent(name: string): Agent {
    const known = this.#agents.get(name) ?? { name, waiting: [], sessionId: null, poll: null };
    this.#agents.set(name, known);
    return known;
  }

  async #answer(call: Call, response: ServerResponse): Promise<void> {
    this.calls.push(call);
    const { host } = call;
    const madeUp = this.madeUp.get(`${host}${call.path}`);
    if (madeUp !== undefined) return this.#send(response, 200, madeUp);
    if (host === githubHosts.broker) return this.#answerBroker(call, response);
    if (runHosts.includes(host)) return this.#answerRun(call, response);
    if (host === githubHosts.results) return this.#answerResults(call, response);
    if (host === githubHosts.launch) return this.#answerLaunch(call, response);
    if (host === githubHosts.blob) return this.#answerBlob(call, response);
    return answerForge(call, response);
  }

  #send(response: ServerResponse, status: number, value: Json, headers = {}): Promise<void> {
    return sendJson(response, this.#random, status, value, headers);
  }

  async #answerBroker(call: Call, response: ServerResponse): Promise<void> {
    const { method, path } = call;
    if (method === 'POST' && path === '/session') return this.#openSession(call, response);
    const agent = [...this.#agents.values()].find(
      ({ name, sessionId }) =>
        sessionId !== null &&
        `Bearer listener-${name}` === call.authorization &&
        (sessionId === call.query.get('sessionId') || path === '/session'),
    );
    if (agent === undefined)
      return this.#send(response, 401, {
        source: 'actions-broker-listener',
        errorKind: 'RunnerSessionInvalid',
        statusCode: 401,
        errorMessage: 'session is not known',
      });
    if (method === 'DELETE' && path === '/session') {
      agent.sessionId = null;
      return void response.writeHead(204).end();
    }
    if (method === 'GET' && path === '/message') return this.#holdPoll(call, agent, response);
    if (method === 'POST' && path === '/acknowledge') return this.#send(response, 200, {});
    response.writeHead(404).end();
  }

  #openSession(call: Call, response: ServerResponse): Promise<void> {
    const body = bodyOf(call) as { readonly ownerName: string; readonly agent: { readonly name: string } }; // as runners send it
    const agent = this.#agent(body.agent.name);
    // Somebody who polls has one; whoever died has left none behind.
    if (agent.sessionId !== null && agent.poll !== null)
      return this.#send(response, 409, {
        source: 'actions-broker-listener',
        errorKind: 'SessionConflict',
        statusCode: 409,
        errorMessage: 'the runner has a session',
      });
    agent.sessionId = this.#random.guid();
    return this.#send(response, 201, {
      sessionId: agent.sessionId,
      ownerName: body.ownerName,
      assignmentQueued: false,
      orchestrationId: '',
    });
  }

  #holdPoll(call: Call, agent: Agent, response: ServerResponse): void {
    const isBusy = call.query.get('status') === 'Busy';
    const end = (): void => {
      clearTimeout(timer);
      if (agent.poll === look) agent.poll = null;
    };
    const timer = setTimeout(() => {
      end();
      response.writeHead(202).end();
    }, this.#options.holdMs ?? 50_000);
    const look = (): void => {
      const offer = isBusy ? undefined : agent.waiting.shift();
      if (offer === undefined) return;
      end();
      offer.state = 'sent';
      void this.#send(response, 200, this.#brokerMessage(offer)).catch(() => response.destroy());
    };
    response.once('close', end);
    agent.poll = look;
    look();
  }

  #brokerMessage({ job, runUrl }: Offer): Json {
    const body = {
      runner_request_id: job.jobId,
      run_service_url: runUrl,
      billing_owner_id: 'O_lab',
      should_acknowledge: this.#random.chance(0.5),
    };
    const messageId = ++this.#lastMessage;
    return { messageId, messageType: 'RunnerJobRequest', body: JSON.stringify(body) };
  }

  async #answerRun(call: Call, response: ServerResponse): Promise<void> {
    const [, key = '', verb = ''] = call.path.split('/');
    const offer = this.offers.find((offer) => offer.key === key);
    const refuse = (statusCode: number): Promise<void> =>
      this.#send(response, statusCode, {
        source: 'actions-run-service',
        statusCode,
        errorMessage: 'this is not to be had',
      });
    if (offer === undefined || call.method !== 'POST') return refuse(404);
    if (verb === 'acquirejob') {
      if (bodyOf(call)['jobMessageId'] !== offer.job.jobId) return refuse(404);
      if (offer.state !== 'sent') return refuse(409);
      offer.state = 'acquired';
      const headers = {
        'x-plan-id': offer.job.planId,
        'x-job-name': encodeURIComponent(offer.job.name),
        'x-github-actions-orchestration-id': `${offer.job.planId}.${offer.job.name}.__default`,
      };
      return sendText(response, this.#random, 200, offer.text, headers);
    }
    const isOwn =
      call.authorization === `Bearer ${offer.runtimeToken}` && bodyOf(call)['jobId'] === offer.job.jobId;
    if (!isOwn) return refuse(401);
    if (verb === 'renewjob') return this.#send(response, 200, { lockedUntil: this.#lockedUntil() });
    if (verb === 'completejob') {
      offer.state = 'completed';
      return void response.writeHead(204).end();
    }
    return refuse(404);
  }

  /** Nine digits after the second, as the service writes them. */
  #lockedUntil(): string {
    const until = new Date(Date.now() + (this.#options.leaseMs ?? 600_000)).toISOString();
    return until.replace('Z', `${String(this.#random.below(1e6)).padStart(6, '0')}Z`);
  }

  async #answerResults(call: Call, response: ServerResponse): Promise<void> {
    const [service = '', verb = ''] = call.path.replace('/twirp/', '').split('/');
    const offer = this.offers.find(({ runtimeToken }) => call.authorization === `Bearer ${runtimeToken}`);
    if (offer === undefined)
      return this.#send(response, 401, { code: 'unauthenticated', msg: 'no token of a job' });
    const { planId, jobId } = offer.job;
    const path = `actions-results/${planId}/workflow-job-run-${jobId}`;
    const answers: Readonly<Record<string, () => Json>> = {
      WorkflowStepsUpdate: () => ({ ok: true }),
      GetStepLogsSignedBlobURL: () =>
        this.#blob('logs_url', `${path}/logs/steps/step-${this.#random.hex(8)}.txt`),
      GetJobLogsSignedBlobURL: () =>
        this.#blob('logs_url', `${path}/logs/job/job-${this.#random.hex(8)}.txt`),
      CreateStepLogsMetadata: () => ({ ok: true }),
      CreateJobLogsMetadata: () => ({ ok: true }),
      CreateArtifact: () => ({
        ok: true,
        signed_upload_url: this.#signed(`${path}/artifacts/${this.#random.hex(8)}.zip`),
      }),
    };
    const answer =
      service.startsWith('github.actions.results.api.v1.') || service === 'results.services.receiver.Receiver'
        ? answers[verb]
        : undefined;
    if (answer === undefined) return this.#send(response, 404, { code: 'bad_route', msg: call.path });
    return sendJson(response, this.#random, 200, answer(), {}, true);
  }

  #blob(field: string, path: string): Json {
    return {
      [field]: this.#signed(path),
      blob_storage_type: 'BLOB_STORAGE_TYPE_AZURE',
      soft_size_limit: '1048576',
    };
  }

  #signed(path: string): string {
    const [start, end] = [-5, 3600].map((seconds) =>
      new Date(Date.now() + seconds * 1000).toISOString().slice(0, 19),
    );
    const query = new URLSearchParams({
      se: `${end}Z`,
      sig: this.#options.secrets.any(),
      sp: 'cw',
      spr: 'https',
      sr: 'b',
      st: `${start}Z`,
      sv: '2025-11-05',
    });
    return `https://${githubHosts.blob}/${path}?${query.toString()}`;
  }

  #answerBlob(call: Call, response: ServerResponse): void {
    if (call.method === 'PUT') this.stored.set(call.path, call.body);
    response.writeHead(call.method === 'PUT' ? 201 : 404).end();
  }

  async #answerLaunch(call: Call, response: ServerResponse): Promise<void> {
    const [, planId, jobId] =
      /^\/actions\/build\/([^/]+)\/jobs\/([^/]+)\/runnerresolve\/actions$/.exec(call.path) ?? [];
    if (planId === undefined) return this.#send(response, 404, {});
    const { actions } = bodyOf(call) as { readonly actions: readonly { action: string; version: string }[] }; // as runners ask
    const entries = actions.map(({ action, version }): [string, Json] => {
      const sha = createHash('sha1').update(`${action}@${version} ${jobId}`).digest('hex');
      const at = `https://${githubHosts.api}/repos/${action}`;
      const authentication = { token: this.#options.secrets.jobToken(), expires_at: '2100-01-01T00:00:00Z' };
      const urls = { tar_url: `${at}/tarball/${sha}`, zip_url: `${at}/zipball/${sha}` };
      return [
        `${action}@${version}`,
        { name: action, resolved_name: action, resolved_sha: sha, version, ...urls, authentication },
      ];
    });
    // The names are the keys.
    return sendJson(
      response,
      this.#random,
      200,
      { actions: new Names(Object.fromEntries(entries)) },
      {},
      true,
    );
  }
}

/** Archives as GitHub hands them out; anything else is taken. */
function answerForge(call: Call, response: ServerResponse): void {
  const [, repository, sha] = /^\/repos\/([^/]+\/[^/]+)\/tarball\/(\w+)$/.exec(call.path) ?? [];
  if (call.host === githubHosts.api && sha !== undefined) {
    const location = `https://${githubHosts.codeload}/${repository}/legacy.tar.gz/${sha}?token=x`;
    return void response.writeHead(302, { location }).end();
  }
  response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
}
