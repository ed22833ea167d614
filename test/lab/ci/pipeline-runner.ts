// gitlab-runner with its shell executor as the network sees it, a program: asks for jobs, tells that each runs, runs it on
// this machine, sends its trace and its end. `pipeline-runner.ts PLAN`, a PipelinePlan as JSON; it writes said.ts.

import { existsSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { call, field, newAgent, textField, type Answered } from './calls.ts';
import { say } from './said.ts';
import { Seeded } from './seeded.ts';
import { marked, readScript, Traffic, type Targets, type Whose } from './traffic.ts';

export interface PipelinePlan {
  readonly seed: number;
  readonly server: string;
  readonly name: string;
  /** It leaves after so many. */
  readonly jobs: number;
  readonly executor: 'shell' | 'docker+machine' | 'kubernetes';
  readonly targets: Targets;
  readonly unsure?: string;
}

const plan = JSON.parse(process.argv[2] ?? '{}') as PipelinePlan; // the test wrote it
const random = new Seeded(plan.seed);
const traffic = new Traffic(plan.targets, random);
const connections = newAgent();
const info = {
  name: 'gitlab-runner',
  version: '19.4.0',
  revision: '00000000',
  platform: 'linux',
  architecture: 'amd64',
  executor: plan.executor,
  shell: 'bash',
  features: { variables: true, image: true, artifacts: true, trace_checksum: true },
  config: { gpus: '' },
};
const token = `glrt-${plan.name}`;
let lastUpdate = '';

function ask(): Promise<Answered> {
  const headers = {
    'runner-token': token,
    accept: 'application/json',
    'user-agent': 'gitlab-runner 19.4.0 (linux/amd64)',
  };
  const body = { info, token, system_id: `s_${plan.name}`, last_update: lastUpdate };
  return call(`https://${plan.server}/api/v4/jobs/request`, {
    method: 'POST',
    headers,
    body,
    agent: connections,
  });
}

async function update(id: number, jobToken: string, state: string, whose: Whose): Promise<void> {
  const path = `/api/v4/jobs/${id}`;
  const headers = { 'job-token': jobToken, accept: 'application/json' };
  await marked(path, whose, `https://${plan.server}${path}`, {
    method: 'PUT',
    headers,
    body: { info, token: jobToken, state, checksum: 'crc32:0a1b2c3d' },
    agent: connections,
  });
}

async function run(job: unknown): Promise<void> {
  const id = Number(field(job, 'id'));
  const jobToken = textField(job, 'token');
  const unsure = plan.unsure === undefined ? {} : { unsure: plan.unsure };
  const own: Whose = { job: String(id), step: null, infrastructure: true, ...unsure };
  say({ said: 'job', job: String(id), at: 'acquired' });
  await update(id, jobToken, 'running', own);
  const steps = field(job, 'steps') as readonly unknown[]; // every job has them
  const script = (field(steps[0], 'script') as readonly string[]).join('\n'); // likewise
  await traffic.make(readScript(script), { ...own, infrastructure: false });
  const hold = /hold (\S+)/.exec(script)?.[1];
  if (hold !== undefined) {
    writeFileSync(`${hold}.running`, '');
    while (!existsSync(`${hold}.go`)) await sleep(20);
  }
  const path = `/api/v4/jobs/${id}/trace`;
  const headers = { 'job-token': jobToken, 'content-range': '0-9', 'content-type': 'text/plain' };
  await marked(path, own, `https://${plan.server}${path}?debug_trace=false`, {
    method: 'PATCH',
    headers,
    body: 'all done\n\n',
    agent: connections,
  });
  await update(id, jobToken, 'success', own);
  say({ said: 'job', job: String(id), at: 'completed' });
  await traffic.make(
    { requests: random.below(2), packets: 0 },
    { job: null, step: null, infrastructure: null },
  );
}

for (let jobs = 0; jobs < plan.jobs;) {
  const answer = await ask();
  if (answer.status === 201) {
    jobs++;
    await run(JSON.parse(answer.text));
  } else if (answer.status === 204) {
    lastUpdate = 'x';
    await sleep(200); // three seconds in reality
  } else throw new Error(`jobs/request: ${answer.status} ${answer.text}`);
}
connections.destroy();
