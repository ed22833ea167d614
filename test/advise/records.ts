// Records of calls as a gateway writes them, for tests of what is derived of them.

import type { FlowRecord } from '../../flow/flow.ts';
import type { Job } from '../../flow/job.ts';
import type { Operation, Permission, Touch } from '../../flow/operation.ts';

export const build: Job = {
  platform: 'github',
  server: 'github.com',
  repository: 'acme/app',
  repositoryId: '1296269',
  workflow: '.github/workflows/ci.yml',
  calledWorkflow: null,
  ref: 'refs/heads/main',
  event: 'push',
  environment: null,
  name: 'build',
  runId: '1',
  runnerGroup: null,
  actor: 'octocat',
  fork: false,
  protected: true,
  private: true,
};

const own: Touch = { kind: 'repository', access: 'read', owner: 'acme', name: 'app', id: null, refs: null };

/** An understood call: its name and what it needs, all else as usual. */
export function operation(
  name: string,
  needs: readonly Permission[],
  other: Partial<Operation> = {},
): Operation {
  return {
    platform: 'github',
    server: 'github.com',
    name,
    access: 'read',
    touches: [own],
    needs,
    ungrantable: [],
    sureness: needs.length > 1 ? 'ambiguous' : 'known',
    widens: true,
    credential: 'job',
    detail: null,
    ...other,
  };
}

interface Told {
  readonly job?: Job | null;
  readonly run?: number;
  readonly status?: number | null;
  readonly method?: string;
  readonly path?: string;
  readonly decision?: Partial<FlowRecord['decision']>;
  readonly host?: string;
}

let made = 0;

/** The closed record of a call. */
export function call(called: Operation | null, told: Told = {}): FlowRecord {
  const { status = 200, method = 'GET', path = '/', host = 'api.github.com' } = told;
  const job = told.job === undefined ? build : told.job;
  made += 1;
  return {
    v: 1,
    id: `0199b2a4-0000-7000-8000-${String(made).padStart(12, '0')}`,
    phase: 'closed',
    kind: 'request',
    time: '2026-11-24T19:00:00.000Z',
    parent: null,
    gateway: 'gate',
    fleet: 'fleet',
    runner: '10.77.1.10',
    job: job === null ? null : { ...job, runId: String(told.run ?? 1) },
    attribution: {
      source: job === null ? 'none' : 'declared',
      certainty: job === null ? 'unknown' : 'certain',
    },
    process: null,
    destination: { host, address: '140.82.112.6', port: 443, protocol: 'https' },
    operation: called,
    http: { method, path, version: '2', status },
    dns: null,
    tls: null,
    packet: null,
    evidence: [],
    decision: {
      verdict: 'allow',
      enforced: true,
      mode: 'block',
      rule: 'own',
      scope: null,
      reason: 'rule',
      ...told.decision,
    },
    policyRevision: '0123456789ab',
    bytes: { sent: 1, received: 1 },
    timings: null,
    ended: null,
  };
}
