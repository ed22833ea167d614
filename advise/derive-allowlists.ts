// What other projects must let each job of a GitLab do: their allowlists of job tokens, as (target project,
// permission), from what the job's runs did with its own token. The job's own project needs no entry.

import type { FlowRecord } from '../flow/flow.ts';
import type { Job } from '../flow/job.ts';
import type { Operation, Touch } from '../flow/operation.ts';
import { type Uncounted, whyUncounted } from './count-call.ts';
import type { CallCount, DeriveOptions, UnknownCall } from './derive-permissions.ts';

/** What one permission of a target is needed for. */
export interface AllowlistPermission {
  /** `READ_PACKAGES`, `ADMIN_RELEASES`; null: the entry alone is enough (git, LFS, images). */
  readonly permission: string | null;
  readonly calls: readonly CallCount[];
}

export interface AllowlistTarget {
  /** Path of the project, or of an image below it; `#` with a number; of packages of a group its path. */
  readonly target: string;
  readonly kind: 'project' | 'image' | 'group';
  readonly permissions: readonly AllowlistPermission[];
}

/** What no permission of a job's token grants, or nobody knows. */
export interface BeyondAllowlist extends CallCount {
  readonly target: string;
  /** `api`, `read_api`; null: not known. */
  readonly needs: string | null;
  readonly method: UnknownCall['method'];
  readonly path: UnknownCall['path'];
}

export interface JobAllowlists {
  readonly server: string;
  /** The source project, which the entries name. */
  readonly project: string | null;
  readonly job: string | null;
  readonly runs: number;
  /** Calls on other projects that were counted. */
  readonly calls: number;
  readonly targets: readonly AllowlistTarget[];
  readonly beyond: readonly BeyondAllowlist[];
  readonly notCounted: Readonly<Partial<Record<Uncounted, number>>>;
}

interface Counted {
  readonly operation: string;
  readonly runs: Set<string | null>;
  calls: number;
}

interface Entry {
  readonly target: string;
  readonly kind: AllowlistTarget['kind'];
  readonly permissions: Map<string | null, Map<string, Counted>>;
}

interface JobCalls {
  readonly job: Job;
  readonly runs: Set<string | null>;
  readonly entries: Map<string, Entry>;
  readonly beyond: Map<
    string,
    { readonly row: Omit<BeyondAllowlist, 'calls' | 'runs'>; readonly counted: Counted }
  >;
  readonly notCounted: Map<Uncounted, number>;
  calls: number;
}

/** Derives from closed records of requests; jobs in the order of their names. Memory grows with distinct calls. */
export async function deriveAllowlists(
  records: AsyncIterable<FlowRecord> | Iterable<FlowRecord>,
  options: DeriveOptions = {},
): Promise<readonly JobAllowlists[]> {
  const jobs = new Map<string, JobCalls>();
  for await (const record of records) {
    const { job, operation, kind, phase } = record;
    if (kind !== 'request' || phase !== 'closed' || operation?.platform !== 'gitlab') continue;
    if (job?.platform !== 'gitlab' || job.server !== operation.server) continue;
    if (!(options.isWanted?.(record) ?? true)) continue;
    count(jobs, record, job, operation, options.isNew?.(record) ?? false);
  }
  const sorted = [...jobs].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return sorted.map(([, calls]) => conclude(calls));
}

function count(
  jobs: Map<string, JobCalls>,
  record: FlowRecord,
  job: Job,
  operation: Operation,
  isNew: boolean,
): void {
  const key = JSON.stringify([job.server, job.repository?.toLowerCase() ?? null, job.name]);
  const known = jobs.get(key) ?? start(job);
  jobs.set(key, known);
  known.runs.add(job.runId);
  // `widens` speaks of the job's own project; here the others count.
  const why = whyUncounted(
    { record, job, operation: { ...operation, widens: operation.credential === 'job' } },
    isNew,
  );
  if (why !== null) {
    known.notCounted.set(why, (known.notCounted.get(why) ?? 0) + 1);
    return;
  }
  const others = operation.touches.flatMap((touch) => otherOf(touch, job) ?? []);
  if (others.length > 0) known.calls += 1;
  for (const other of others) add(known, record, operation, other);
}

function start(job: Job): JobCalls {
  return { job, runs: new Set(), entries: new Map(), beyond: new Map(), notCounted: new Map(), calls: 0 };
}

type Other = Pick<Entry, 'target' | 'kind'>;

/** What is touched that is not the job's own; null for its own and for the platform. */
function otherOf(touch: Touch, job: Job): Other | null {
  const own = job.repository?.toLowerCase() ?? null;
  switch (touch.kind) {
    case 'repository': {
      const { owner, name, id } = touch;
      if (owner !== null && name !== null) {
        const target = `${owner}/${name}`;
        return target.toLowerCase() === own ? null : { target, kind: 'project' };
      }
      if (id === null) return { target: '(unknown)', kind: 'project' };
      return id === job.repositoryId ? null : { target: `#${id}`, kind: 'project' };
    }
    case 'image': {
      const target = touch.image.split('/').slice(1).join('/');
      const isOwn = own !== null && `${target.toLowerCase()}/`.startsWith(`${own}/`);
      return isOwn ? null : { target, kind: 'image' };
    }
    case 'owner':
      return { target: touch.owner ?? '(unknown)', kind: 'group' };
    default:
      return null;
  }
}

function add(known: JobCalls, record: FlowRecord, operation: Operation, { target, kind }: Other): void {
  const { name, sureness, ungrantable, needs } = operation;
  if (sureness === 'unknown' || ungrantable.length > 0) {
    const isUnknown = sureness === 'unknown';
    const row = {
      operation: name,
      target,
      needs: isUnknown ? null : ungrantable.join(', '),
      method: isUnknown ? (record.http?.method ?? '') : '',
      path: isUnknown ? (record.http?.path ?? '') : '',
    };
    const key = JSON.stringify(row);
    const found = known.beyond.get(key) ?? { row, counted: { operation: name, runs: new Set(), calls: 0 } };
    known.beyond.set(key, found);
    tick(found.counted, record);
    return;
  }
  const place = `${kind} ${target.toLowerCase()}`;
  const entry = known.entries.get(place) ?? { target, kind, permissions: new Map() };
  known.entries.set(place, entry);
  const spelt = needs.flatMap((set) => Object.entries(set).map(spellPermission));
  for (const permission of spelt.length === 0 ? [null] : spelt) {
    const calls = entry.permissions.get(permission) ?? new Map<string, Counted>();
    entry.permissions.set(permission, calls);
    const counted = calls.get(name) ?? { operation: name, runs: new Set(), calls: 0 };
    calls.set(name, counted);
    tick(counted, record);
  }
}

function tick(counted: Counted, record: FlowRecord): void {
  counted.calls += 1;
  counted.runs.add(record.job?.runId ?? null);
}

/** `READ_PACKAGES`, `ADMIN_TERRAFORM_STATE` ("Fine-grained permissions for CI/CD job tokens", docs.gitlab.com). */
export function spellPermission([key, level]: readonly [string, 'read' | 'write']): string {
  return `${level === 'read' ? 'READ' : 'ADMIN'}_${key.toUpperCase()}`;
}

function conclude({ job, runs, entries, beyond, notCounted, calls }: JobCalls): JobAllowlists {
  const byName = <T>([a]: readonly [string, T], [b]: readonly [string, T]): number => (a < b ? -1 : 1);
  return {
    server: job.server,
    project: job.repository,
    job: job.name,
    runs: runs.size,
    calls,
    targets: [...entries].toSorted(byName).map(([, entry]) => concludeTarget(entry)),
    beyond: [...beyond].toSorted(byName).map(([, { row, counted }]) => ({ ...row, ...countOf(counted) })),
    notCounted: Object.fromEntries([...notCounted].toSorted(byName)),
  };
}

function concludeTarget({ target, kind, permissions }: Entry): AllowlistTarget {
  const sorted = [...permissions].toSorted(([a], [b]) => ((a ?? '') < (b ?? '') ? -1 : 1));
  return {
    target,
    kind,
    permissions: sorted.map(([permission, calls]) => ({
      permission,
      calls: [...calls.values()]
        .map(countOf)
        .toSorted((a, b) => b.calls - a.calls || (a.operation < b.operation ? -1 : 1)),
    })),
  };
}

const countOf = ({ operation, calls, runs }: Counted): CallCount => ({ operation, calls, runs: runs.size });
