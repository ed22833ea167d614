// A flow of the store as the record that it was, for those who ask records: what only the record had is null.

import type { Evidence } from '../flow/evidence.ts';
import { recordVersion, type FlowRecord } from '../flow/flow.ts';
import type { Job } from '../flow/job.ts';
import type { Operation } from '../flow/operation.ts';
import type { StoredJob } from '../store/read-jobs.ts';
import type { StoredFlow } from '../store/read-store.ts';

/** The record of an ended or open flow of this job. `flow` has its detail. */
export function recordOf(flow: StoredFlow, job: StoredJob): FlowRecord {
  const { operation = null, evidence = [] } = detailOf(flow);
  return {
    v: recordVersion,
    id: flow.id,
    phase: flow.closedMs === null ? 'opened' : 'closed',
    kind: flow.kind,
    time: new Date(flow.closedMs ?? flow.openedMs).toISOString(),
    parent: flow.parent,
    gateway: flow.gateway,
    fleet: '',
    runner: flow.runner,
    job: jobOf(job),
    attribution: { source: flow.source ?? 'none', certainty: flow.certainty ?? 'unknown' },
    process: null,
    destination: { host: flow.host, address: flow.address, port: flow.port, protocol: flow.protocol },
    operation,
    http:
      flow.method === null
        ? null
        : { method: flow.method, path: flow.path ?? '', version: '1.1', status: flow.status },
    dns: null,
    tls: null,
    packet: null,
    evidence,
    decision: {
      verdict: flow.verdict === 'allow' ? 'allow' : 'block',
      enforced: flow.verdict !== 'would-block',
      mode: flow.mode,
      rule: flow.rule,
      scope: flow.scope,
      // as: the store has the words of records.
      reason: flow.reason as FlowRecord['decision']['reason'],
    },
    policyRevision: flow.revision,
    bytes: flow.sent === null ? null : { sent: flow.sent, received: flow.received ?? 0 },
    timings: null,
    ended: flow.ended as FlowRecord['ended'], // the same
  };
}

function detailOf({ detail }: StoredFlow): { operation?: Operation; evidence?: readonly Evidence[] } {
  // Written by the store out of a record.
  return typeof detail === 'object' && detail !== null ? detail : {};
}

const orNull = (text: string): string | null => (text === '' ? null : text);

function jobOf(job: StoredJob): Job {
  return {
    platform: job.platform === 'gitlab' ? 'gitlab' : 'github',
    server: job.server,
    repository: job.repository,
    repositoryId: null,
    workflow: orNull(job.workflow),
    calledWorkflow: job.calledWorkflow,
    ref: job.ref,
    event: job.event,
    environment: job.environment,
    name: orNull(job.name),
    runId: job.runId,
    runnerGroup: job.runnerGroup,
    actor: job.actor,
    fork: job.isFork,
    protected: job.isProtected,
    private: null,
  };
}
