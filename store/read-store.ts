// The questions that pages and the API ask of the store, the same for both databases. Lists come in pages; a cursor is
// where the last one ended, and says nothing to anybody else.

import { type Kysely, type SelectQueryBuilder } from 'kysely';
import {
  flowAccesses,
  flowKinds,
  flowModes,
  flowProtocols,
  flowVerdicts,
  idBytes,
  idText,
} from './flow-row.ts';
import type { Page, PageRequest } from './page-cursor.ts';
import type { FlowTable, FlowTables, StoreTables } from './tables.ts';

/** Where flows lie: by days, the newest first. */
export interface FlowSource {
  days(): Promise<readonly string[]>;
  /** The flows of one day. */
  on(day: string): SelectQueryBuilder<FlowTables, 'flow', object>;
}

export interface FlowFilter {
  readonly job?: number;
  readonly repository?: number;
  readonly host?: string;
  readonly runner?: string;
  readonly verdict?: (typeof flowVerdicts)[number];
  readonly kind?: (typeof flowKinds)[number];
  /** Milliseconds since 1970: from (inclusive) and until (exclusive) its beginning. */
  readonly fromMs?: number;
  readonly untilMs?: number;
}

export interface StoredFlow {
  readonly id: string;
  readonly kind: (typeof flowKinds)[number];
  readonly openedMs: number;
  readonly closedMs: number | null;
  readonly parent: string | null;
  readonly gateway: string;
  readonly runner: string;
  readonly job: number | null;
  readonly host: string | null;
  readonly address: string | null;
  readonly port: number | null;
  readonly protocol: (typeof flowProtocols)[number];
  readonly verdict: (typeof flowVerdicts)[number];
  readonly mode: (typeof flowModes)[number];
  readonly reason: string;
  readonly rule: string | null;
  readonly scope: string | null;
  readonly revision: string | null;
  readonly method: string | null;
  readonly path: string | null;
  readonly status: number | null;
  readonly operation: string | null;
  readonly access: (typeof flowAccesses)[number] | null;
  readonly sent: number | null;
  readonly received: number | null;
  readonly totalMs: number | null;
  readonly attempts: number | null;
  readonly ended: string | null;
  /** What is shown of one flow alone; absent in lists. */
  readonly detail?: unknown;
}

const dayMs = 86_400_000;

export class StoreReader {
  readonly #main: Kysely<StoreTables>;
  readonly #flows: FlowSource;

  constructor(main: Kysely<StoreTables>, flows: FlowSource) {
    this.#main = main;
    this.#flows = flows;
  }

  /** Flows, the newest first. */
  async flows(filter: FlowFilter, { limit, cursor }: PageRequest): Promise<Page<StoredFlow>> {
    const before = cursor === null ? null : idBytes(cursor);
    if (cursor !== null && before === null) return { items: [], next: null };
    const by = await this.#numbers(filter);
    if (by === null) return { items: [], next: null };
    const rows: FlowTable[] = [];
    for (const day of await this.#flows.days()) {
      if (!isInRange(day, filter, before)) continue;
      const query = narrow(this.#flows.on(day), filter, by, before);
      rows.push(
        ...(await query
          .selectAll()
          .orderBy('id', 'desc')
          .limit(limit + 1 - rows.length)
          .execute()),
      );
      if (rows.length > limit) break;
    }
    const shown = rows.slice(0, limit);
    const items = await this.#name(shown);
    return {
      items: items.map((item) => ({ ...item, detail: undefined })),
      next: rows.length > limit ? (items.at(-1)?.id ?? null) : null,
    };
  }

  async flow(id: string): Promise<StoredFlow | null> {
    const bytes = idBytes(id);
    if (bytes === null) return null;
    const day = new Date(bytes.readUIntBE(0, 6)).toISOString().slice(0, 10);
    if (!(await this.#flows.days()).includes(day)) return null;
    const rows = await this.#flows.on(day).selectAll().where('id', '=', bytes).execute();
    const [flow = null] = await this.#name(rows);
    return flow;
  }

  /** The numbers of names in a filter; null: a name that nobody has, so that nothing is found. */
  async #numbers(filter: FlowFilter): Promise<{ host?: number; runners?: number[] } | null> {
    const { host, runner } = filter;
    const found: { host?: number; runners?: number[] } = {};
    if (host !== undefined) {
      const row = await this.#main
        .selectFrom('host')
        .select('id')
        .where('name', '=', host)
        .executeTakeFirst();
      if (row === undefined) return null;
      found.host = row.id;
    }
    if (runner !== undefined) {
      const rows = await this.#main.selectFrom('runner').select('id').where('address', '=', runner).execute();
      if (rows.length === 0) return null;
      found.runners = rows.map(({ id }) => id);
    }
    return found;
  }

  /** Texts in place of numbers: each asked for once. */
  async #name(rows: readonly FlowTable[]): Promise<StoredFlow[]> {
    if (rows.length === 0) return [];
    const ids = (of: (row: FlowTable) => readonly (number | null)[]): number[] => [
      ...new Set(rows.flatMap(of).filter((id) => id !== null)),
    ];
    const main = this.#main;
    const [hosts, words, gateways, runners] = await Promise.all([
      main
        .selectFrom('host')
        .select(['id', 'name as text'])
        .where('id', 'in', orNone(ids((row) => [row.host_id])))
        .execute(),
      main
        .selectFrom('word')
        .select(['id', 'text'])
        .where('id', 'in', orNone(ids(wordsOf)))
        .execute(),
      main
        .selectFrom('gateway')
        .select(['id', 'name as text'])
        .where(
          'id',
          'in',
          ids((row) => [row.gateway_id]),
        )
        .execute(),
      main
        .selectFrom('runner')
        .select(['id', 'address as text'])
        .where(
          'id',
          'in',
          ids((row) => [row.runner_id]),
        )
        .execute(),
    ]);
    const reader = (found: readonly { id: number; text: string }[]) => {
      const texts = new Map(found.map(({ id, text }) => [id, text]));
      return (id: number | null): string | null => (id === null ? null : (texts.get(id) ?? null));
    };
    const [host, word, gateway, runner] = [reader(hosts), reader(words), reader(gateways), reader(runners)];
    return rows.map((row) => ({
      ...plain(row),
      gateway: gateway(row.gateway_id) ?? '',
      runner: runner(row.runner_id) ?? '',
      host: host(row.host_id),
      reason: word(row.reason_id) ?? '',
      rule: word(row.rule_id),
      scope: word(row.scope_id),
      revision: word(row.revision_id),
      method: word(row.method_id),
      operation: word(row.operation_id),
      ended: word(row.ended_id),
    }));
  }
}

const wordsOf = (row: FlowTable) => [
  row.reason_id,
  row.rule_id,
  row.scope_id,
  row.revision_id,
  row.method_id,
  row.operation_id,
  row.ended_id,
];

// `in ()` is no SQL; no row has this number.
const orNone = (ids: number[]): number[] => (ids.length === 0 ? [-1] : ids);

function plain(row: FlowTable) {
  return {
    id: idText(row.id),
    kind: flowKinds[row.kind]!, // only its positions are written
    openedMs: row.opened_ms,
    closedMs: row.closed_ms,
    parent: row.parent === null ? null : idText(row.parent),
    job: row.job_id,
    address: row.address,
    port: row.port,
    protocol: flowProtocols[row.protocol]!,
    verdict: flowVerdicts[row.verdict]!,
    mode: flowModes[row.mode]!,
    path: row.path,
    status: row.status,
    access: row.access === null ? null : flowAccesses[row.access]!,
    sent: row.sent,
    received: row.received,
    totalMs: row.total_ms,
    attempts: row.attempts,
    detail: row.detail === null ? null : (JSON.parse(row.detail) as unknown),
  };
}

function isInRange(day: string, { fromMs, untilMs }: FlowFilter, before: Buffer | null): boolean {
  const startMs = Date.parse(`${day}T00:00:00Z`);
  if (fromMs !== undefined && startMs + dayMs <= fromMs) return false;
  if (untilMs !== undefined && startMs >= untilMs) return false;
  return before === null || startMs <= before.readUIntBE(0, 6);
}

function narrow(
  query: SelectQueryBuilder<FlowTables, 'flow', object>,
  filter: FlowFilter,
  by: { readonly host?: number; readonly runners?: readonly number[] },
  before: Buffer | null,
): SelectQueryBuilder<FlowTables, 'flow', object> {
  const { job, repository, verdict, kind, fromMs, untilMs } = filter;
  let narrowed = query;
  if (before !== null) narrowed = narrowed.where('id', '<', before);
  if (job !== undefined) narrowed = narrowed.where('job_id', '=', job);
  if (repository !== undefined) narrowed = narrowed.where('repository_id', '=', repository);
  if (by.host !== undefined) narrowed = narrowed.where('host_id', '=', by.host);
  if (by.runners !== undefined) narrowed = narrowed.where('runner_id', 'in', by.runners);
  if (verdict !== undefined) narrowed = narrowed.where('verdict', '=', flowVerdicts.indexOf(verdict));
  if (kind !== undefined) narrowed = narrowed.where('kind', '=', flowKinds.indexOf(kind));
  if (fromMs !== undefined) narrowed = narrowed.where('opened_ms', '>=', fromMs);
  if (untilMs !== undefined) narrowed = narrowed.where('opened_ms', '<', untilMs);
  return narrowed;
}
