// GitHub's runner as the network sees it, a program: a listener that asks the broker for jobs, and for each a worker
// that fetches actions, tells of steps and runs them. Order and content of its calls are those of actions/runner 2.336.0.
// `actions-runner.ts PLAN`, a RunnerPlan as JSON; it writes what it does (said.ts).

import { randomUUID } from 'node:crypto';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { call, field, newAgent, textField, type Answered, type Asked } from './calls.ts';
import { say } from './said.ts';
import { Seeded } from './seeded.ts';
import { marked, readScript, Traffic, type Targets, type Whose } from './traffic.ts';

export interface RunnerPlan {
  readonly seed: number;
  readonly broker: string;
  /** One after the other on this machine, each takes so many jobs and leaves. */
  readonly agents: readonly { readonly id: number; readonly name: string; readonly jobs: number }[];
  readonly targets: Targets;
  /** Why what it does may be recorded as nobody's. */
  readonly unsure?: string;
}

/** What the listener knows of the job that it got. */
interface Taken {
  readonly jobId: string;
  readonly planId: string;
  readonly message: unknown;
  readonly serviceUrl: string;
  readonly token: string;
  readonly whose: Whose;
}

const plan = JSON.parse(process.argv[2] ?? '{}') as RunnerPlan; // the test wrote it
const random = new Seeded(plan.seed);
const traffic = new Traffic(plan.targets, random);
const unsure = plan.unsure === undefined ? {} : { unsure: plan.unsure };
const nobody: Whose = { job: null, step: null, infrastructure: null };
/** Of the process that the listener is; one after another here. */
let instance = '';

/** Headers of the listener or of a worker. */
function asRunner(token: string, orchestration = ''): Record<string, string> {
  const product = 'GitHubActionsRunner-linux-x64/2.336.0';
  return {
    authorization: `Bearer ${token}`,
    accept: 'application/json',
    'x-actions-session': instance,
    'user-agent': `${orchestration}${product} ClientId/${instance} (Linux; X64)`,
  };
}

class Listener {
  readonly #agent: RunnerPlan['agents'][number];
  readonly #connections = newAgent();
  readonly #token: string;
  #sessionId = '';

  constructor(agent: RunnerPlan['agents'][number]) {
    this.#agent = agent;
    this.#token = `listener-${agent.name}`;
    instance = randomUUID();
  }

  async run(): Promise<void> {
    await this.#open();
    await traffic.make({ requests: random.below(2), packets: 0 }, nobody);
    for (let jobs = 0; jobs < this.#agent.jobs; jobs++) {
      const body = await this.#poll();
      const taken = await this.#acquire(body);
      if (taken === null) continue;
      await this.#work(taken);
    }
    await this.#ask('DELETE', 'session').catch(() => null);
    this.#connections.destroy();
  }

  #ask(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Answered> {
    const asked: Asked = { method, headers: asRunner(this.#token), agent: this.#connections };
    return call(`https://${plan.broker}/${path}`, {
      ...asked,
      ...(body === undefined ? {} : { body }),
      ...(signal ? { signal } : {}),
    });
  }

  async #open(): Promise<void> {
    const { id, name } = this.#agent;
    const ownerName = `${name} (PID: ${process.pid})`;
    const agent = {
      id,
      name,
      version: '2.336.0',
      osDescription: 'Linux 6.8.0-lab',
      ephemeral: null,
      status: 0,
      provisioningState: null,
    };
    const zeros = '00000000-0000-0000-0000-000000000000';
    for (;;) {
      const answer = await this.#ask('POST', 'session', {
        sessionId: zeros,
        ownerName,
        agent,
        useFipsEncryption: false,
      });
      if (answer.status === 201) {
        this.#sessionId = textField(JSON.parse(answer.text), 'sessionId');
        return;
      }
      if (answer.status !== 409) throw new Error(`session: ${answer.status} ${answer.text}`);
      await sleep(300); // thirty seconds in reality
    }
  }

  #query(status: string): string {
    return `sessionId=${this.#sessionId}&status=${status}&runnerVersion=2.336.0&os=Linux&architecture=X64&disableUpdate=true`;
  }

  /** The body of the message that brings a job. */
  async #poll(): Promise<unknown> {
    for (;;) {
      const answer = await this.#ask('GET', `message?${this.#query('Online')}`);
      if (answer.status === 202) continue;
      if (answer.status !== 200) throw new Error(`message: ${answer.status} ${answer.text}`);
      const message: unknown = JSON.parse(answer.text);
      if (textField(message, 'messageType') === 'RunnerJobRequest')
        return JSON.parse(textField(message, 'body'));
    }
  }

  async #acquire(body: unknown): Promise<Taken | null> {
    const jobId = textField(body, 'runner_request_id');
    const runUrl = textField(body, 'run_service_url');
    if (field(body, 'should_acknowledge') === true)
      await this.#ask('POST', `acknowledge?${this.#query('Online')}`, { runnerRequestId: jobId });
    const mark = new URL(`${runUrl}acquirejob`).pathname;
    const own: Whose = { job: jobId, step: null, infrastructure: true };
    const asked = {
      jobMessageId: jobId,
      runnerOS: 'Linux',
      billingOwnerId: textField(body, 'billing_owner_id'),
    };
    // Whose it is, its answer tells.
    const before: Whose = { ...own, unsure: 'before' };
    const headers = asRunner(this.#token);
    const answer = await marked(mark, before, `${runUrl}acquirejob`, {
      method: 'POST',
      headers,
      body: asked,
      agent: this.#connections,
    });
    if (answer.status !== 200) return null;
    const message: unknown = JSON.parse(answer.text);
    const [endpoint] = field(message, 'resources', 'endpoints') as readonly unknown[]; // every message has one
    say({ said: 'job', job: jobId, at: 'acquired' });
    return {
      jobId,
      planId: textField(message, 'plan', 'planId'),
      message,
      serviceUrl: textField(endpoint, 'url'),
      token: textField(endpoint, 'authorization', 'parameters', 'AccessToken'),
      whose: { ...own, ...unsure },
    };
  }

  async #work(taken: Taken): Promise<void> {
    // Before the worker starts.
    await renew(taken);
    const busy = new AbortController();
    const polled = this.#ask('GET', `message?${this.#query('Busy')}`, undefined, busy.signal).catch(
      () => null,
    );
    const worker = new Worker(taken);
    let conclusion = 'succeeded';
    try {
      await worker.run();
    } catch (error) {
      if (!(error instanceof WorkerCrash)) throw error;
      // The listener speaks for a worker that died.
      conclusion = 'failed';
    }
    await complete(taken, conclusion);
    busy.abort();
    await polled;
    // What nobody may take for the job's any more.
    await traffic.make({ requests: random.below(2), packets: 0 }, nobody);
  }
}

class WorkerCrash extends Error {}

const ids = ({ planId, jobId }: Taken) => ({ planId, jobId });

async function renew(taken: Taken): Promise<void> {
  const url = `${taken.serviceUrl}renewjob`;
  const headers = asRunner(taken.token);
  await marked(new URL(url).pathname, taken.whose, url, { method: 'POST', headers, body: ids(taken) });
}

async function complete(taken: Taken, conclusion: string): Promise<void> {
  const url = `${taken.serviceUrl}completejob`;
  const body = {
    ...ids(taken),
    conclusion,
    outputs: {},
    stepResults: [],
    annotations: [],
    telemetry: [],
    billingOwnerId: 'O_lab',
  };
  for (let attempt = 0; attempt < 5; attempt++) {
    const asked = { method: 'POST', headers: asRunner(taken.token), body };
    const { status } = await marked(new URL(url).pathname, taken.whose, url, asked);
    if (status === 204) return say({ said: 'job', job: taken.jobId, at: 'completed' });
    if (status === 401 || status === 404) return;
    await sleep(1000); // five to fifteen seconds in reality
  }
}

interface StepState {
  readonly external_id: string;
  readonly number: number;
  readonly name: string;
  status: number;
  conclusion: number;
  started_at: string | null;
  completed_at: string | null;
}

class Worker {
  readonly #taken: Taken;
  readonly #connections = newAgent();
  readonly #headers: Record<string, string>;
  readonly #results: string;
  #order = 0;

  constructor(taken: Taken) {
    this.#taken = taken;
    const orchestration = textField(taken.message, 'variables', 'system.orchestrationId', 'value');
    this.#headers = asRunner(taken.token, `OrchestrationId/${orchestration} `);
    this.#results = textField(taken.message, 'variables', 'system.github.results_endpoint', 'value');
  }

  async run(): Promise<void> {
    const steps = field(this.#taken.message, 'steps') as readonly unknown[]; // every message has them
    const setUp = newStep(randomUUID(), 1, 'Set up job');
    await this.#tell(begin(setUp));
    await this.#fetchActions(steps);
    let number = 2;
    let ended = end(setUp);
    for (const step of steps) {
      const state = newStep(textField(step, 'id'), number++, titleOf(step));
      // The end of one and the begin of the next go together.
      await this.#tell(ended, begin(state));
      await this.#runStep(step, state);
      ended = end(state);
    }
    const last = newStep(randomUUID(), number + 3, 'Complete job');
    await this.#tell(ended, begin(last));
    await this.#tell(end(last));
    await this.#keepLog('GetJobLogsSignedBlobURL');
    this.#connections.destroy();
  }

  async #runStep(step: unknown, state: StepState): Promise<void> {
    const script = scriptOf(step);
    const whose: Whose = {
      ...this.#taken.whose,
      infrastructure: false,
      step: { number: state.number, name: state.name },
    };
    const die = /crash (machine|worker)/.exec(script)?.[1];
    await traffic.make(readScript(script), whose, () => {
      if (die === 'machine') {
        say({ said: 'job', job: this.#taken.jobId, at: 'crashed' });
        process.exit(137);
      }
    });
    if (/forge (\S+)/.test(script)) await forge(script, whose);
    const hold = /hold (\S+)/.exec(script)?.[1];
    if (hold !== undefined) await stay(hold, this.#taken);
    if (die === 'worker') throw new WorkerCrash();
    if (random.chance(0.3)) await this.#keepLog('GetStepLogsSignedBlobURL', textField(step, 'id'));
    if (random.chance(0.2)) await renew(this.#taken);
  }

  /** `WorkflowStepsUpdate`; its queue is flushed before what follows. */
  async #tell(...steps: readonly StepState[]): Promise<void> {
    const body = { ...this.#ids(), change_order: ++this.#order, steps };
    const url = new URL(
      'twirp/github.actions.results.api.v1.WorkflowStepUpdateService/WorkflowStepsUpdate',
      this.#results,
    );
    // Its queue drops what it cannot send.
    await call(url.href, { method: 'POST', headers: this.#headers, body, agent: this.#connections }).catch(
      () => null,
    );
  }

  #ids() {
    const { planId, jobId } = this.#taken;
    return { workflow_run_backend_id: planId, workflow_job_run_backend_id: jobId };
  }

  async #keepLog(verb: string, stepId?: string): Promise<void> {
    const body = { ...this.#ids(), ...(stepId === undefined ? {} : { step_backend_id: stepId }) };
    const url = new URL(`twirp/results.services.receiver.Receiver/${verb}`, this.#results).href;
    const answer = await call(url, {
      method: 'POST',
      headers: this.#headers,
      body,
      agent: this.#connections,
    }).catch(() => null);
    if (answer?.status !== 200) return;
    const signed = textField(JSON.parse(answer.text), 'logs_url');
    const query = signed.includes('?') ? '&comp=block' : '?comp=block';
    await marked(new URL(signed).pathname, this.#taken.whose, `${signed}${query}`, {
      method: 'PUT',
      headers: { 'x-ms-blob-type': 'BlockBlob' },
      body: `${new Date().toISOString()} a line of the log\n`,
    });
  }

  async #fetchActions(steps: readonly unknown[]): Promise<void> {
    const wanted = steps
      .map((step) => field(step, 'reference'))
      .filter((reference) => textField(reference, 'type') === 'repository')
      .map((reference) => ({
        action: textField(reference, 'name'),
        version: textField(reference, 'ref'),
        path: textField(reference, 'path'),
      }));
    if (wanted.length === 0) return;
    const { planId, jobId, whose } = this.#taken;
    const launch = textField(this.#taken.message, 'variables', 'system.github.launch_endpoint', 'value');
    const path = `/actions/build/${planId}/jobs/${jobId}/runnerresolve/actions`;
    const answer = await marked(path, whose, `${launch}${path}`, {
      method: 'POST',
      headers: this.#headers,
      body: { actions: wanted },
    });
    if (answer.status !== 200) return;
    for (const entry of Object.values(field(JSON.parse(answer.text), 'actions') ?? {}))
      await this.#download(entry);
  }

  async #download(entry: unknown): Promise<void> {
    const token = Buffer.from(`x-access-token:${textField(entry, 'authentication', 'token')}`).toString(
      'base64',
    );
    const headers = { authorization: `Basic ${token}` };
    const url = textField(entry, 'tar_url');
    const first = await marked(new URL(url).pathname, this.#taken.whose, url, { headers });
    if (first.location !== '')
      await marked(new URL(first.location).pathname, this.#taken.whose, first.location, { headers });
  }
}

const now = (): string => new Date().toISOString();
const newStep = (id: string, number: number, name: string): StepState => ({
  external_id: id,
  number,
  name,
  status: 5,
  conclusion: 0,
  started_at: null,
  completed_at: null,
});
const begin = (step: StepState): StepState => ({ ...step, status: 3, started_at: now() });
const end = (step: StepState): StepState => ({
  ...step,
  status: 6,
  conclusion: 2,
  started_at: step.started_at ?? now(),
  completed_at: now(),
});

const titleOf = (step: unknown): string => {
  const token = field(step, 'displayNameToken');
  return typeof token === 'string' ? token : textField(token, 'lit');
};

/** The script of a step, or what its action is told. */
function scriptOf(step: unknown): string {
  const pairs = (field(step, 'inputs', 'map') ?? []) as readonly unknown[];
  const texts = pairs
    .map((pair) => field(pair, 'value'))
    .map((value) => (typeof value === 'string' ? value : textField(value, 'lit')));
  return texts.find((text) => text.includes('traffic')) ?? '';
}

/** Stays at a step until the test lets it go on: `hold PATH`; renews the job when it is told to. */
async function stay(path: string, taken: Taken): Promise<void> {
  writeFileSync(`${path}.running`, '');
  while (!existsSync(`${path}.go`)) {
    if (existsSync(`${path}.renew`)) {
      await renew(taken);
      rmSync(`${path}.renew`);
    }
    await sleep(20);
  }
}

/** A job that would be another one: `forge URL` has a message of its own made up by a server of its own. */
async function forge(script: string, whose: Whose): Promise<void> {
  const unsureWhose: Whose = { ...whose, unsure: 'forging' };
  for (const [, url = ''] of script.matchAll(/forge (\S+)/g)) {
    const mark = new URL(url).pathname;
    await marked(mark, unsureWhose, url, {
      method: 'POST',
      headers: asRunner('own'),
      body: { jobMessageId: randomUUID(), runnerOS: 'Linux', billingOwnerId: '' },
    });
    await traffic.make({ requests: 3, packets: 0 }, unsureWhose);
  }
}

for (const agent of plan.agents) await new Listener(agent).run();
