// The questions about flows that pages and the API ask of the store, the same for both databases. Lists come in pages; a
// page may be short where little was found in the time that a question has, and then says where the next one begins.

import { type Kysely, type SelectQueryBuilder } from 'kysely';
import { narrowFlows, numbersOf, windowsOf, type FlowFilter } from './flow-filter.ts';
import {
  flowAccesses,
  flowCertainties,
  flowKinds,
  flowModes,
  flowProtocols,
  flowSources,
  flowVerdicts,
  idBytes,
  idText,
} from './flow-row.ts';
import { ownedRepositories, type Owners } from './owned-rows.ts';
import type { Page, PageRequest } from './page-cursor.ts';
import type { FlowTable, FlowTables, StoreTables } from './tables.ts';

export type { FlowFilter } from './flow-filter.ts';

/** Where flows lie: by days, the newest first. */
export interface FlowSource {
  days(): Promise<readonly string[]>;
  /** The flows of one day. */
  on(day: string): SelectQueryBuilder<FlowTables, 'flow', object>;
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
  readonly repositoryId: number | null;
  readonly repository: string | null;
  readonly source: (typeof flowSources)[number] | null;
  readonly certainty: (typeof flowCertainties)[number] | null;
  readonly isConflict: boolean;
  readonly isInfrastructure: boolean;
  readonly stepNumber: number | null;
  readonly step: string | null;
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
  /** What is shown of one flow alone; absent in lists unless asked for. */
  readonly detail?: unknown;
}

export interface FlowPageRequest extends PageRequest {
  readonly isOldestFirst?: boolean;
  readonly withDetail?: boolean;
}

/** How long a question looks before it answers with what it has. */
const usualBudgetMs = 250;

export class StoreReader {
  readonly #main: Kysely<StoreTables>;
  readonly #flows: FlowSource;
  readonly #budgetMs: number;

  constructor(main: Kysely<StoreTables>, flows: FlowSource, budgetMs = usualBudgetMs) {
    this.#main = main;
    this.#flows = flows;
    this.#budgetMs = budgetMs;
  }

  /** Flows, the newest first unless told. */
  async flows(filter: FlowFilter, request: FlowPageRequest): Promise<Page<StoredFlow>> {
    const { limit, cursor, isOldestFirst = false, withDetail = false } = request;
    const edge = cursor === null ? null : idBytes(cursor);
    const by = cursor !== null && edge === null ? null : await numbersOf(this.#main, filter);
    if (by === null) return { items: [], next: null };
    const windows = windowsOf(await this.#flows.days(), filter, edge, isOldestFirst);
    const rows: FlowTable[] = [];
    const endMs = performance.now() + this.#budgetMs;
    let at = 0;
    for (; at < windows.length && rows.length <= limit; at++) {
      let query = narrowFlows(this.#flows.on(windows[at]!.day), filter, by, windows[at]!);
      if (edge !== null) query = query.where('id', isOldestFirst ? '>' : '<', edge);
      const found = query.selectAll().orderBy('id', isOldestFirst ? 'asc' : 'desc');
      rows.push(...(await found.limit(limit + 1 - rows.length).execute()));
      if (performance.now() > endMs) break;
    }
    const items = await this.#name(rows.slice(0, limit));
    const reached = at < windows.length - 1 ? windows[at]! : null;
    const edgeOf = isOldestFirst ? reached?.until : reached?.from;
    const reachedEdge = edgeOf === undefined ? null : idText(edgeOf);
    return {
      items: withDetail ? items : items.map((item) => ({ ...item, detail: undefined })),
      next: rows.length > limit ? (items.at(-1)?.id ?? null) : reachedEdge,
    };
  }

  /** One flow with its detail; null where there is none, or it is not one of the owners'. */
  async flow(id: string, owners: Owners = null): Promise<StoredFlow | null> {
    const bytes = idBytes(id);
    if (bytes === null) return null;
    const day = new Date(bytes.readUIntBE(0, 6)).toISOString().slice(0, 10);
    if (!(await this.#flows.days()).includes(day)) return null;
    const rows = await this.#flows.on(day).selectAll().where('id', '=', bytes).execute();
    const owned = await ownedRepositories(this.#main, owners);
    const mayShow = ({ repository_id: repository }: FlowTable) =>
      owned === null || (repository !== null && owned.includes(repository));
    const [flow = null] = await this.#name(rows.filter(mayShow));
    return flow;
  }

  /** Several flows without their details, those that there are. */
  async flowsOf(ids: readonly string[]): Promise<readonly StoredFlow[]> {
    const byDay = new Map<string, Buffer[]>();
    for (const id of ids.slice(0, 1_000)) {
      const bytes = idBytes(id);
      if (bytes === null) continue;
      const day = new Date(bytes.readUIntBE(0, 6)).toISOString().slice(0, 10);
      byDay.set(day, [...(byDay.get(day) ?? []), bytes]);
    }
    const days = new Set(await this.#flows.days());
    const rows: FlowTable[] = [];
    for (const [day, wanted] of byDay)
      if (days.has(day))
        rows.push(...(await this.#flows.on(day).selectAll().where('id', 'in', wanted).execute()));
    const items = await this.#name(rows);
    return items.map((item) => ({ ...item, detail: undefined }));
  }

  /** Texts in place of numbers: each asked for once. */
  async #name(rows: readonly FlowTable[]): Promise<StoredFlow[]> {
    if (rows.length === 0) return [];
    const ids = (of: (row: FlowTable) => readonly (number | null)[]): number[] => [
      ...new Set(rows.flatMap(of).filter((id) => id !== null)),
    ];
    const main = this.#main;
    const find = async (table: 'host' | 'word' | 'gateway' | 'runner' | 'repository', wanted: number[]) => {
      if (wanted.length === 0) return () => null;
      const query = main.selectFrom(table).select([`${table}.id as id`, `${textOf[table]} as text`]);
      const found = await query.where(`${table}.id`, 'in', wanted).execute();
      const texts = new Map(found.map(({ id, text }) => [id, text]));
      return (id: number | null): string | null => (id === null ? null : (texts.get(id) ?? null));
    };
    const [host, word, gateway, runner, repository] = await Promise.all([
      find(
        'host',
        ids((row) => [row.host_id]),
      ),
      find('word', ids(wordsOf)),
      find(
        'gateway',
        ids((row) => [row.gateway_id]),
      ),
      find(
        'runner',
        ids((row) => [row.runner_id]),
      ),
      find(
        'repository',
        ids((row) => [row.repository_id]),
      ),
    ]);
    return rows.map((row) => ({
      ...plain(row),
      gateway: gateway(row.gateway_id) ?? '',
      runner: runner(row.runner_id) ?? '',
      host: host(row.host_id),
      repository: repository(row.repository_id),
      step: word(row.step_id),
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

const textOf = {
  host: 'host.name',
  word: 'word.text',
  gateway: 'gateway.name',
  runner: 'runner.address',
  repository: 'repository.shown',
} as const;

const wordsOf = (row: FlowTable) => [
  row.reason_id,
  row.rule_id,
  row.scope_id,
  row.revision_id,
  row.method_id,
  row.operation_id,
  row.ended_id,
  row.step_id,
];

function plain(row: FlowTable) {
  return {
    id: idText(row.id),
    kind: flowKinds[row.kind]!, // only its positions are written
    openedMs: row.opened_ms,
    closedMs: row.closed_ms,
    parent: row.parent === null ? null : idText(row.parent),
    job: row.job_id,
    repositoryId: row.repository_id,
    source: row.source === null ? null : flowSources[row.source]!,
    certainty: row.certainty === null ? null : flowCertainties[row.certainty]!,
    isConflict: row.is_conflict === 1,
    isInfrastructure: row.is_infrastructure === 1,
    stepNumber: row.step_number,
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
