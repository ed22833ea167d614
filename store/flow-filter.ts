// Which flows are asked for: names become numbers once, and what an index cannot narrow is looked for piece by piece, so
// that a question for something rare ends in time and says how far it came.

import { sql, type Kysely, type SelectQueryBuilder } from 'kysely';
import { flowKinds, flowVerdicts } from './flow-row.ts';
import { likePart, ownedRepositories, type Owners } from './owned-rows.ts';
import type { FlowTables, StoreTables } from './tables.ts';

/** What has to hold of a flow; what is left out may be anything. */
export interface FlowFilter {
  readonly job?: number;
  /** Jobs of one run; a job that has none is named by `job`. */
  readonly run?: { readonly repository: number; readonly runId: string };
  readonly repository?: number;
  readonly owners?: Owners;
  readonly host?: string;
  /** A part of the host's name. */
  readonly search?: string;
  /** A part of the path, without regard to case. */
  readonly path?: string;
  readonly address?: string;
  readonly runner?: string;
  readonly gateway?: string;
  readonly verdict?: (typeof flowVerdicts)[number];
  readonly kind?: (typeof flowKinds)[number];
  readonly method?: string;
  readonly rule?: string;
  readonly reason?: string;
  readonly operation?: string;
  readonly isAttributed?: boolean;
  readonly isInfrastructure?: boolean;
  /** Milliseconds since 1970: from (inclusive) and until (exclusive) its beginning. */
  readonly fromMs?: number;
  readonly untilMs?: number;
}

/** The numbers of the names in a filter. */
export interface FilterNumbers {
  readonly hosts: readonly number[] | null;
  readonly runners: readonly number[] | null;
  readonly gateways: readonly number[] | null;
  readonly jobs: readonly number[] | null;
  readonly repositories: readonly number[] | null;
  readonly words: Readonly<Record<'method' | 'rule' | 'reason' | 'operation', number | null>>;
}

/** A part of a day, by the least id of its beginning and of what comes after it. */
export interface FlowWindow {
  readonly day: string;
  readonly from: Buffer;
  readonly until: Buffer;
}

const dayMs = 86_400_000;
const pieceMs = 3_600_000;
const maxHosts = 500;
const maxJobs = 2_000;
const noWords = { method: null, rule: null, reason: null, operation: null };

/** Null: a name that nobody has, so that nothing is found. */
export async function numbersOf(
  main: Kysely<StoreTables>,
  filter: FlowFilter,
): Promise<FilterNumbers | null> {
  const found = {
    hosts: await hostsOf(main, filter),
    runners: await idsOf(filter.runner, (address) =>
      main.selectFrom('runner').select('id').where('address', '=', address),
    ),
    gateways: await idsOf(filter.gateway, (name) =>
      main.selectFrom('gateway').select('id').where('name', '=', name),
    ),
    jobs: await jobsOf(main, filter),
    repositories: await repositoriesOf(main, filter),
    words: await wordsOf(main, filter),
  };
  if (found.words === null) return null;
  const lists = [found.hosts, found.runners, found.gateways, found.jobs, found.repositories];
  return lists.some((list) => list?.length === 0) ? null : { ...found, words: found.words };
}

interface Finding {
  execute(): Promise<{ id: number }[]>;
}

async function idsOf(name: string | undefined, find: (name: string) => Finding): Promise<number[] | null> {
  return name === undefined ? null : (await find(name).execute()).map(({ id }) => id);
}

async function hostsOf(main: Kysely<StoreTables>, { host, search }: FlowFilter): Promise<number[] | null> {
  if (host === undefined && search === undefined) return null;
  let query = main.selectFrom('host').select('id');
  if (host !== undefined) query = query.where('name', '=', host);
  if (search !== undefined) query = query.where(sql<boolean>`name like ${likePart(search)} escape '!'`);
  const rows = await query.orderBy('id').limit(maxHosts).execute();
  return rows.map(({ id }) => id);
}

async function jobsOf(main: Kysely<StoreTables>, { job, run }: FlowFilter): Promise<number[] | null> {
  if (run === undefined) return job === undefined ? null : [job];
  const rows = await main
    .selectFrom('job')
    .select('id')
    .where('repository_id', '=', run.repository)
    .where('run_id', '=', run.runId)
    .orderBy('id')
    .limit(maxJobs)
    .execute();
  return rows.map(({ id }) => id).filter((id) => job === undefined || id === job);
}

async function repositoriesOf(
  main: Kysely<StoreTables>,
  { repository, owners = null }: FlowFilter,
): Promise<readonly number[] | null> {
  const owned = await ownedRepositories(main, owners);
  if (repository === undefined) return owned;
  return owned === null || owned.includes(repository) ? [repository] : [];
}

async function wordsOf(
  main: Kysely<StoreTables>,
  filter: FlowFilter,
): Promise<FilterNumbers['words'] | null> {
  const { method, rule, reason, operation } = filter;
  const wanted = Object.entries({ method, rule, reason, operation }).filter(([, text]) => text !== undefined);
  if (wanted.length === 0) return noWords;
  const texts = [...new Set(wanted.map(([, text]) => text!))];
  const rows = await main.selectFrom('word').selectAll().where('text', 'in', texts).execute();
  if (rows.length < texts.length) return null;
  const ids = new Map(rows.map(({ id, text }) => [text, id]));
  return { ...noWords, ...Object.fromEntries(wanted.map(([key, text]) => [key, ids.get(text!)!])) };
}

/** The parts of the days in which such flows may lie, in the order in which they are asked for. */
export function windowsOf(
  days: readonly string[],
  filter: FlowFilter,
  edge: Buffer | null,
  isOldestFirst: boolean,
): FlowWindow[] {
  const edgeMs = edge?.readUIntBE(0, 6) ?? null;
  const lastMs = Math.min(filter.untilMs ?? Infinity, isOldestFirst ? Infinity : (edgeMs ?? Infinity) + 1);
  const firstMs = Math.max(filter.fromMs ?? 0, isOldestFirst ? (edgeMs ?? 0) : 0);
  const stepMs = isNarrow(filter) ? dayMs : pieceMs;
  const windows = days.toSorted().flatMap((day) => {
    const startMs = Date.parse(`${day}T00:00:00Z`);
    return Array.from({ length: dayMs / stepMs }, (_, at) => ({
      day,
      fromMs: Math.max(startMs + at * stepMs, firstMs),
      untilMs: Math.min(startMs + (at + 1) * stepMs, lastMs),
    })).filter(({ fromMs, untilMs }) => fromMs < untilMs);
  });
  const ordered = isOldestFirst ? windows : windows.toReversed();
  const found = ordered.map(({ day, fromMs, untilMs }) => ({
    day,
    from: idAt(fromMs),
    until: idAt(untilMs),
  }));
  // A cursor may stand exactly where a part begins: that part is over, and would be its own next one.
  return edge === null || isOldestFirst ? found : found.filter(({ from }) => Buffer.compare(from, edge) < 0);
}

/** An index narrows it well enough for a day at a time, or any flow will do. */
function isNarrow(filter: FlowFilter): boolean {
  const { job, run, host, runner, repository } = filter;
  if (job !== undefined || run !== undefined || repository !== undefined) return true;
  const { search, path, address, gateway, method, rule, reason, operation } = filter;
  const rest = [search, path, address, gateway, method, rule, reason, operation, filter.isInfrastructure];
  const isFree = rest.every((value) => value === undefined);
  return isFree && (host !== undefined || runner !== undefined || isAnyFlow(filter));
}

const isAnyFlow = ({ kind, verdict, isAttributed, owners }: FlowFilter): boolean =>
  kind === undefined && verdict !== 'allow' && isAttributed === undefined && (owners ?? null) === null;

/** The least id of a time (RFC 9562, version 7). */
export function idAt(ms: number): Buffer {
  const id = Buffer.alloc(16);
  id.writeUIntBE(Math.min(Math.max(0, Math.floor(ms)), 0xffff_ffff_ffff), 0, 6);
  id[6] = 0x70;
  id[8] = 0x80;
  return id;
}

type FlowQuery = SelectQueryBuilder<FlowTables, 'flow', object>;

/** The query for the flows of one window. */
export function narrowFlows(
  query: FlowQuery,
  filter: FlowFilter,
  by: FilterNumbers,
  window: FlowWindow,
): FlowQuery {
  let narrowed = query.where('id', '>=', window.from).where('id', '<', window.until);
  for (const [column, ids] of [
    ['job_id', by.jobs],
    ['repository_id', by.repositories],
    ['host_id', by.hosts],
    ['runner_id', by.runners],
    ['gateway_id', by.gateways],
  ] as const)
    if (ids !== null) narrowed = narrowed.where(column, 'in', [...ids]);
  for (const [column, id] of [
    ['method_id', by.words.method],
    ['rule_id', by.words.rule],
    ['reason_id', by.words.reason],
    ['operation_id', by.words.operation],
  ] as const)
    if (id !== null) narrowed = narrowed.where(column, '=', id);
  return narrowPlain(narrowed, filter);
}

function narrowPlain(query: FlowQuery, filter: FlowFilter): FlowQuery {
  const { verdict, kind, address, path, isAttributed, isInfrastructure } = filter;
  let narrowed = query;
  if (verdict !== undefined) narrowed = narrowed.where('verdict', '=', flowVerdicts.indexOf(verdict));
  // As the index on what was not allowed has it, word for word: otherwise that is not used.
  if (verdict !== undefined && verdict !== 'allow') narrowed = narrowed.where(sql<boolean>`verdict > 0`);
  if (kind !== undefined) narrowed = narrowed.where('kind', '=', flowKinds.indexOf(kind));
  if (address !== undefined) narrowed = narrowed.where('address', '=', address);
  if (path !== undefined)
    narrowed = narrowed.where(sql<boolean>`lower(path) like ${likePart(path)} escape '!'`);
  if (isAttributed !== undefined) narrowed = narrowed.where('job_id', isAttributed ? 'is not' : 'is', null);
  if (isInfrastructure === true) narrowed = narrowed.where('is_infrastructure', '=', 1);
  if (isInfrastructure === false) narrowed = narrowed.where(sql<boolean>`coalesce(is_infrastructure, 0) = 0`);
  return narrowed;
}
