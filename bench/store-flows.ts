// Flows that a store is filled with for its measures: 200 repositories with three jobs each, some 2,000 hosts of which
// a job meets 36, days that are all alike. The same serial is the same flow but for its id.

import type { FlowRecord } from '../flow/flow.ts';
import type { Job } from '../flow/job.ts';
import { uuidv7 } from '../flow/uuid.ts';

const repositories = 200;
const hosts = 2_000;
const hostsOfJob = 36;
const flowsOfJob = 400;
const dayMs = 86_400_000;
const jobNames = ['build', 'test', 'release'];

/** Flows of a day of `perDay`, as their records say when they have ended. */
export function flowsOfDay(dayStartMs: number, perDay: number, from: number, count: number): FlowRecord[] {
  const records: FlowRecord[] = [];
  for (let at = from; at < Math.min(from + count, perDay); at++) records.push(flowAt(dayStartMs, perDay, at));
  return records;
}

/** The record that opened it. */
export function openedOf(closed: FlowRecord): FlowRecord {
  const time = new Date(Date.parse(closed.time) - 120).toISOString();
  return { ...closed, phase: 'opened', time, bytes: null, timings: null };
}

const jobs = new Map<string, Job>();

function jobOf(dayStartMs: number, number: number): Job {
  const key = `${dayStartMs} ${number}`;
  const known = jobs.get(key);
  if (known !== undefined) return known;
  if (jobs.size > 5_000) jobs.clear();
  const repository = (number * 7) % repositories;
  const job: Job = {
    platform: 'github',
    server: 'github.com',
    repository: `org${repository % 8}/repository-${repository}`,
    repositoryId: `${1_000 + repository}`,
    workflow: '.github/workflows/ci.yml',
    calledWorkflow: null,
    ref: number % 5 === 0 ? 'refs/heads/main' : `refs/heads/topic-${number % 50}`,
    event: number % 3 === 0 ? 'pull_request' : 'push',
    environment: null,
    name: jobNames[number % jobNames.length]!,
    runId: `${dayStartMs / dayMs}${Math.floor(number / jobNames.length)}`,
    runnerGroup: 'default',
    actor: `dev-${number % 40}`,
    fork: false,
    protected: false,
    private: true,
  };
  jobs.set(key, job);
  return job;
}

function flowAt(dayStartMs: number, perDay: number, at: number): FlowRecord {
  const number = Math.floor(at / flowsOfJob);
  const openedMs = dayStartMs + Math.floor((at / perDay) * dayMs);
  const nth = at % hostsOfJob;
  // A third of what a job meets, all jobs meet.
  const host = nth < 12 ? nth : (number * 31 + nth * 17) % hosts;
  const verdict = at % 50 === 0 ? 'block' : 'allow';
  return {
    v: 1,
    id: uuidv7(openedMs),
    phase: 'closed',
    kind: at % 3 === 0 ? 'dns' : at % 3 === 1 ? 'connection' : 'request',
    time: new Date(openedMs + 120).toISOString(),
    parent: null,
    gateway: `gateway-${number % 3}`,
    fleet: 'default',
    runner: `10.77.${(number % 100) >> 6}.${number % 64}`,
    job: at % 20 === 0 ? null : jobOf(dayStartMs, number),
    attribution: { source: 'job-message', certainty: 'certain', jobId: `github.com/${dayStartMs}-${number}` },
    process: null,
    destination: { host: `h${host}.example.com`, address: '93.184.216.34', port: 443, protocol: 'https' },
    operation: null,
    http:
      at % 3 === 2 ? { method: 'GET', path: `/packages/${at % 5_000}`, version: '1.1', status: 200 } : null,
    dns: null,
    tls: null,
    packet: null,
    evidence: [],
    decision: {
      verdict,
      enforced: verdict === 'block',
      mode: 'block',
      rule: verdict === 'block' ? null : `rule-${host % 60}`,
      scope: null,
      reason: verdict === 'block' ? 'no-rule' : 'rule',
    },
    policyRevision: '0123456789ab',
    bytes: { sent: 400 + (at % 900), received: 2_000 + (at % 90_000) },
    timings: null,
    ended: null,
  };
}
