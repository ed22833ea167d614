// Flows that a store is filled with: one a second over two days, of forty hosts, five runners and six runs.

import type { FlowRecord } from '../../flow/flow.ts';
import type { Job } from '../../flow/job.ts';
import { uuidv7 } from '../../flow/uuid.ts';

/** When the first of them begins: an hour before midnight. */
export const firstMs = Date.UTC(2026, 10, 23, 23, 0);

/** Of three in four flows; six runs. */
const job: Job = {
  platform: 'github',
  server: 'github.com',
  repository: 'Acme/App',
  repositoryId: '1',
  workflow: '.github/workflows/ci.yml',
  calledWorkflow: null,
  ref: 'refs/heads/main',
  event: 'push',
  environment: null,
  name: 'build',
  runId: '7',
  runnerGroup: null,
  actor: 'dev',
  fork: false,
  protected: true,
  private: true,
};

/** The two records of one flow; every tenth is blocked, every seventh would have been. */
export function flow(serial: number): { opened: FlowRecord; closed: FlowRecord } {
  const openedMs = firstMs + serial * 1_000;
  const isBlocked = serial % 10 === 0;
  const wouldBe = !isBlocked && serial % 7 === 0;
  const opened: FlowRecord = {
    v: 1,
    id: uuidv7(openedMs),
    phase: 'opened',
    kind: serial % 3 === 0 ? 'dns' : 'request',
    time: new Date(openedMs).toISOString(),
    parent: null,
    gateway: 'gw',
    fleet: 'default',
    runner: `10.77.0.${serial % 5}`,
    job: serial % 4 === 0 ? null : { ...job, runId: `${serial % 6}` },
    attribution: { source: 'declared', certainty: 'certain' },
    process: null,
    destination: { host: `h${serial % 40}.example`, address: null, port: 443, protocol: 'https' },
    operation: null,
    http: { method: 'GET', path: `/${serial}`, version: '1.1', status: null },
    dns: null,
    tls: null,
    packet: null,
    evidence: [],
    decision: {
      verdict: isBlocked || wouldBe ? 'block' : 'allow',
      enforced: !wouldBe,
      mode: wouldBe ? 'audit' : 'block',
      rule: 'r',
      scope: null,
      reason: 'rule',
    },
    policyRevision: '0123456789ab',
    bytes: null,
    timings: null,
    ended: null,
  };
  const time = new Date(openedMs + 250).toISOString();
  return {
    opened,
    closed: { ...opened, phase: 'closed', time, bytes: { sent: serial, received: 2 * serial } },
  };
}
