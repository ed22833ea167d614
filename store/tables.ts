// The tables of the store as its queries see them: the same names and columns in SQLite and PostgreSQL. Times are
// milliseconds since 1970 (UTC); codes are positions in the lists of flow-row.ts.

import type { Generated } from 'kysely';

export interface StoreTables {
  host: { id: Generated<number>; name: string };
  word: { id: Generated<number>; text: string };
  gateway: { id: Generated<number>; fleet: string; name: string; first_ms: number; last_ms: number };
  runner: { id: Generated<number>; fleet: string; address: string; first_ms: number; last_ms: number };
  repository: {
    id: Generated<number>;
    platform: string;
    server: string;
    path: string;
    shown: string;
    platform_id: string | null;
  };
  definition: { id: Generated<number>; repository_id: number; workflow: string; name: string };
  job: JobTable;
  roll_hour: Sums & { hour_ms: number; kind: number; verdict: number };
  roll_day: Sums & { day: string; host_id: number; verdict: number };
  roll_day_repository: Sums & { repository_id: number; day: string; host_id: number; verdict: number };
  roll_hour_repository: Sums & { repository_id: number; hour_ms: number; kind: number; verdict: number };
  roll_day_runner: { runner_id: number; day: string; is_attributed: number; n: number };
  job_host: { job_id: number; host_id: number; first_ms: number; last_ms: number; n: number };
  seen_host: { host_id: number; first_ms: number; last_ms: number; n: number };
  seen: { definition_id: number; host_id: number; first_ms: number; last_ms: number; n: number };
  segment: { gateway: string; name: string; bytes: number };
  counter: { name: string; value: number };
  step: StepTable;
  job_event: JobEventTable;
  policy_bundle: { revision: string; at_ms: number; bundle: string };
  policy_revision: {
    id: Generated<number>;
    revision: string;
    at_ms: number;
    fleet: string;
    gateway: string;
  };
  audit: {
    id: string;
    at_ms: number;
    actor: string;
    address: string;
    action: string;
    target: string;
    reason: string;
    outcome: string;
  };
  api_token: TokenTable;
  login: {
    digest: string;
    name: string;
    role: string;
    owners: string | null;
    created_ms: number;
    used_ms: number;
  };
  setting: { name: string; value: string };
  gateway_state: { fleet: string; gateway: string; kind: string; at_ms: number; body: string };
}

interface TokenTable {
  id: string;
  digest: string;
  label: string;
  role: string;
  owners: string | null;
  created_ms: number;
  expires_ms: number;
  used_ms: number | null;
  revoked_ms: number | null;
}

interface StepTable {
  job_id: number;
  key: string;
  number: number | null;
  name: string;
  state: string;
  started_ms: number | null;
  ended_ms: number | null;
  place: number | null;
  at_ms: number;
}

interface JobEventTable {
  id: Uint8Array;
  job_id: number;
  at_ms: number;
  gateway_id: number;
  runner_id: number;
  what: string;
  detail: string | null;
}

interface Sums {
  n: number;
  sent: number;
  received: number;
}

interface JobTable {
  id: Generated<number>;
  key: string;
  definition_id: number;
  repository_id: number;
  run_id: string | null;
  ref: string | null;
  event: string | null;
  environment: string | null;
  actor: string | null;
  called_workflow: string | null;
  runner_group: string | null;
  is_fork: number | null;
  is_protected: number | null;
  is_private: number | null;
  source: string;
  certainty: string;
  gateway_id: number;
  runner_id: number;
  started_ms: number;
  last_ms: number;
  flows: number;
  blocked: number;
  would_block: number;
  sent: number;
  received: number;
  run_attempt: string | null;
  stage: string | null;
  sha: string | null;
  head_ref: string | null;
  base_ref: string | null;
  agent: string | null;
  matrix: string | null;
  granted: string | null;
  uses: string | null;
  has_identity: number | null;
  until_ms: number | null;
  ended_ms: number | null;
  conclusion: string | null;
  is_heard: Generated<number>;
  conflicts: Generated<number>;
}

/** The flows of one day in SQLite, of all days in PostgreSQL. */
export interface FlowTables {
  flow: FlowTable;
}

export interface FlowTable {
  id: Uint8Array;
  kind: number;
  opened_ms: number;
  closed_ms: number | null;
  parent: Uint8Array | null;
  gateway_id: number;
  runner_id: number;
  job_id: number | null;
  repository_id: number | null;
  host_id: number | null;
  address: string | null;
  port: number | null;
  protocol: number;
  verdict: number;
  mode: number;
  reason_id: number;
  rule_id: number | null;
  scope_id: number | null;
  revision_id: number | null;
  method_id: number | null;
  path: string | null;
  status: number | null;
  operation_id: number | null;
  access: number | null;
  sent: number | null;
  received: number | null;
  total_ms: number | null;
  attempts: number | null;
  ended_id: number | null;
  detail: string | null;
  source: number | null;
  certainty: number | null;
  is_conflict: number | null;
  is_infrastructure: number | null;
  step_number: number | null;
  step_id: number | null;
}

/** Columns of a flow, in the order in which both writers fill them. */
export const flowColumns = [
  ...([
    'id',
    'kind',
    'opened_ms',
    'closed_ms',
    'parent',
    'gateway_id',
    'runner_id',
    'job_id',
    'repository_id',
  ] as const),
  ...([
    'host_id',
    'address',
    'port',
    'protocol',
    'verdict',
    'mode',
    'reason_id',
    'rule_id',
    'scope_id',
    'revision_id',
  ] as const),
  ...([
    'method_id',
    'path',
    'status',
    'operation_id',
    'access',
    'sent',
    'received',
    'total_ms',
    'attempts',
  ] as const),
  ...([
    'ended_id',
    'detail',
    'source',
    'certainty',
    'is_conflict',
    'is_infrastructure',
    'step_number',
    'step_id',
  ] as const),
] satisfies readonly (keyof FlowTable)[];
