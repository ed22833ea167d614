// The smallest `permissions:` block of each job, from what its runs did: the calls behind every line, what could not
// be decided, what no key grants, and the routes that nobody knows, which are listed and never guessed.

import type { FlowRecord } from '../flow/flow.ts';
import type { Operation, Permission } from '../flow/operation.ts';
import { isNothing, type NeedSet } from '../platform/need-sets.ts';
import { choosePermissions, chosenOf } from './choose-permissions.ts';
import {
  type Call,
  isCheckout,
  isUnattributed,
  readCall,
  type Uncounted,
  whyUncounted,
} from './count-call.ts';
import { resolveNeeds } from './resolve-needs.ts';

/** How often an operation was called, and in how many runs. */
export interface CallCount {
  readonly operation: string;
  readonly calls: number;
  readonly runs: number;
}

export interface PermissionLine {
  readonly key: string;
  readonly level: 'read' | 'write';
  /** Calls that need the key, most first, with the level that each needs. */
  readonly calls: readonly (CallCount & { readonly level: 'read' | 'write' })[];
}

/** Calls with several alternatives, between which neither the request nor its answer decided. */
export interface Undecided extends CallCount {
  readonly alternatives: NeedSet;
  /** The one that the chosen permissions give. */
  readonly chosen: Permission;
}

/** What no key of a workflow grants. */
export interface Ungrantable extends CallCount {
  readonly needs: string;
}

/** Calls whose needs nobody knows. */
export interface UnknownCall extends CallCount {
  readonly method: string;
  readonly path: string;
  /** What GitHub's own header named, for people to look at. */
  readonly accepted: NeedSet | null;
}

export interface JobPermissions {
  readonly server: string;
  readonly repository: string | null;
  readonly workflow: string | null;
  readonly job: string | null;
  readonly runs: number;
  /** Calls that were counted. */
  readonly calls: number;
  readonly permissions: Permission;
  /** `contents: read` stands because the repository was checked out, whether or not it needed a token. */
  readonly checkout: boolean;
  readonly lines: readonly PermissionLine[];
  readonly undecided: readonly Undecided[];
  readonly ungrantable: readonly Ungrantable[];
  readonly unknown: readonly UnknownCall[];
  readonly notCounted: Readonly<Partial<Record<Uncounted, number>>>;
}

export interface Derivation {
  readonly jobs: readonly JobPermissions[];
  /** Requests to GitHub of no known job. */
  readonly unattributed: number;
}

export interface DeriveOptions {
  /** True for a record whose destination is new against a stable baseline. */
  readonly isNew?: (record: FlowRecord) => boolean;
  /** True for records that are asked for. */
  readonly isWanted?: (record: FlowRecord) => boolean;
}

/** Derives from closed records of requests; jobs in the order of their names. Memory grows with distinct calls. */
export async function derivePermissions(
  records: AsyncIterable<FlowRecord> | Iterable<FlowRecord>,
  options: DeriveOptions = {},
): Promise<Derivation> {
  const jobs = new Map<string, JobCalls>();
  let unattributed = 0;
  for await (const record of records) {
    if (isUnattributed(record)) unattributed += 1;
    const call = readCall(record);
    if (call !== null && (options.isWanted?.(record) ?? true)) count(jobs, call, options);
  }
  const sorted = [...jobs].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return { jobs: sorted.map(([, calls]) => conclude(calls)), unattributed };
}

/** Calls that are alike in everything that is told of them. */
interface Alike {
  readonly operation: Operation;
  readonly needs: NeedSet;
  readonly method: string;
  readonly path: string;
  readonly runs: Set<string | null>;
  calls: number;
}

interface JobCalls {
  readonly first: Call;
  readonly runs: Set<string | null>;
  readonly alike: Map<string, Alike>;
  readonly notCounted: Map<Uncounted, number>;
  checkout: boolean;
}

function count(jobs: Map<string, JobCalls>, call: Call, options: DeriveOptions): void {
  const { job, record } = call;
  const key = JSON.stringify([job.server, job.repository?.toLowerCase() ?? null, job.workflow, job.name]);
  const known = jobs.get(key) ?? start(call);
  jobs.set(key, known);
  known.runs.add(job.runId);
  if (isCheckout(call)) known.checkout = true;
  const why = whyUncounted(call, options.isNew?.(record) ?? false);
  if (why === null) add(known, call);
  else known.notCounted.set(why, (known.notCounted.get(why) ?? 0) + 1);
}

function start(first: Call): JobCalls {
  return { first, runs: new Set(), alike: new Map(), notCounted: new Map(), checkout: false };
}

function add(known: JobCalls, { record, job, operation }: Call): void {
  const needs = resolveNeeds(operation, job.private === false);
  const isUnknown = operation.sureness === 'unknown';
  const method = isUnknown ? (record.http?.method ?? '') : '';
  const path = isUnknown ? (record.http?.path ?? '') : '';
  const key = JSON.stringify([operation.name, needs, operation.ungrantable, method, path]);
  const alike = known.alike.get(key) ?? { operation, needs, method, path, runs: new Set(), calls: 0 };
  alike.calls += 1;
  alike.runs.add(job.runId);
  known.alike.set(key, alike);
}

function conclude(known: JobCalls): JobPermissions {
  const { job } = known.first;
  const all = [...known.alike.values()].toSorted(byCalls);
  const checkout: readonly NeedSet[] = known.checkout ? [[{ contents: 'read' }]] : [];
  const permissions = sortKeys(choosePermissions([...all.map(({ needs }) => needs), ...checkout]));
  return {
    server: job.server,
    repository: job.repository,
    workflow: job.workflow,
    job: job.name,
    runs: known.runs.size,
    calls: all.reduce((sum, { calls }) => sum + calls, 0),
    permissions,
    checkout: known.checkout,
    lines: Object.entries(permissions).map(([key, level]) => ({
      key,
      level,
      calls: behind(key, all, permissions),
    })),
    undecided: all.flatMap((alike) => undecidedOf(alike, permissions)),
    ungrantable: all.flatMap((alike) =>
      alike.operation.ungrantable.map((needs) => ({ needs, ...countOf(alike) })),
    ),
    unknown: all.filter(({ operation }) => operation.sureness === 'unknown').map(unknownOf),
    notCounted: Object.fromEntries([...known.notCounted].toSorted(([a], [b]) => (a < b ? -1 : 1))),
  };
}

function byCalls(a: Alike, b: Alike): number {
  return b.calls - a.calls || (a.operation.name + a.path < b.operation.name + b.path ? -1 : 1);
}

function countOf({ operation, calls, runs }: Alike): CallCount {
  return { operation: operation.name, calls, runs: runs.size };
}

function behind(key: string, all: readonly Alike[], permissions: Permission): PermissionLine['calls'] {
  return all.flatMap((alike) => {
    const level = chosenOf(alike.needs, permissions)?.[key];
    return level === undefined ? [] : [{ ...countOf(alike), level }];
  });
}

function undecidedOf(alike: Alike, permissions: Permission): Undecided[] {
  const chosen = chosenOf(alike.needs, permissions);
  if (alike.needs.length < 2 || chosen === null || isNothing([chosen])) return [];
  return [{ ...countOf(alike), alternatives: alike.needs, chosen }];
}

function unknownOf(alike: Alike): UnknownCall {
  const { method, path, operation } = alike;
  return { ...countOf(alike), method, path, accepted: operation.accepted ?? null };
}

function sortKeys(permission: Permission): Permission {
  return Object.fromEntries(Object.entries(permission).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
