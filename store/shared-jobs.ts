// Who runs where, as the gateways of a fleet tell each other through PostgreSQL: each writes its own rows, reads those of
// the others, and all make their hashes under one key.

import pg from 'pg';
import type { ClientBase, Pool, PoolConfig } from 'pg';

export type SharedKind = 'job' | 'ended' | 'manager' | 'conflict';

/** One row; `key` tells it from others of its kind, `entry` is JSON. */
export interface SharedRow {
  readonly kind: SharedKind;
  readonly key: string;
  readonly untilMs: number;
  readonly entry: string;
}

/** What another gateway wrote, and how long ago it was heard of last. */
export interface SharedGateway {
  readonly gateway: string;
  readonly ageMs: number;
  readonly keyId: string;
  readonly rows: readonly SharedRow[];
}

const maxRows = 32_768;
const answerMs = 5_000;

export class SharedJobs {
  readonly #pool: Pool;
  readonly #fleet: string;
  readonly #gateway: string;
  /** What this gateway’s rows are, as far as it knows; null: not at all. */
  #written: Map<string, SharedRow> | null = null;

  constructor(config: PoolConfig, fleet: string, gateway: string) {
    this.#pool = new pg.Pool({
      ...config,
      max: 2,
      connectionTimeoutMillis: answerMs,
      statement_timeout: answerMs,
      query_timeout: 2 * answerMs,
    });
    // A connection that breaks while it is idle is made again when it is needed.
    this.#pool.on('error', () => {});
    // One that breaks in use fails what it was asked besides.
    this.#pool.on('connect', (client) => client.on('error', () => {}));
    this.#fleet = fleet;
    this.#gateway = gateway;
  }

  /** The fleet’s key: the first that any of its gateways offered. */
  async key(own: Uint8Array): Promise<Buffer> {
    await this.#pool.query('insert into fleet_key values ($1, $2) on conflict do nothing', [
      this.#fleet,
      Buffer.from(own),
    ]);
    const { rows } = await this.#pool.query<{ key: Buffer }>('select key from fleet_key where fleet = $1', [
      this.#fleet,
    ]);
    return rows[0]!.key; // written just now, or before
  }

  /** Says that this gateway is there, and makes its rows these; only what differs is written. */
  async write(rows: readonly SharedRow[], keyId: string): Promise<void> {
    const wanted = new Map(rows.slice(0, maxRows).map((row) => [nameOf(row), row]));
    await this.#within(async (client) => {
      await client.query(
        `insert into live_gateway values ($1, $2, clock_timestamp(), $3)
          on conflict (fleet, gateway) do update set seen_at = excluded.seen_at, key_id = excluded.key_id`,
        [this.#fleet, this.#gateway, keyId],
      );
      if (this.#written === null) await this.#clear(client);
      const written = this.#written ?? new Map<string, SharedRow>();
      await this.#remove(
        client,
        [...written].filter(([name]) => !wanted.has(name)).map(([, row]) => row),
      );
      await this.#put(
        client,
        [...wanted].filter(([name, row]) => !isSame(written.get(name), row)).map(([, row]) => row),
      );
    });
    this.#written = wanted;
  }

  /** What this gateway itself wrote before it was started, for one that begins without a state directory. */
  async mine(nowMs: number): Promise<readonly SharedRow[]> {
    const { rows } = await this.#pool.query<StoredRow>(
      `select gateway, kind, key, until_ms, entry from live_job
        where fleet = $1 and gateway = $2 and until_ms > $3 order by until_ms desc limit ${maxRows}`,
      [this.#fleet, this.#gateway, nowMs],
    );
    return rows.map(toShared);
  }

  /** What the others wrote, without rows past their time at `nowMs`. */
  async others(nowMs: number): Promise<readonly SharedGateway[]> {
    const { rows: gateways } = await this.#pool.query<{ gateway: string; key_id: string; age_ms: number }>(
      `select gateway, key_id, extract(epoch from clock_timestamp() - seen_at)::float8 * 1000 as age_ms
        from live_gateway where fleet = $1 and gateway <> $2 order by gateway limit 256`,
      [this.#fleet, this.#gateway],
    );
    if (gateways.length === 0) return [];
    const { rows } = await this.#pool.query<StoredRow>(
      `select gateway, kind, key, until_ms, entry from live_job
        where fleet = $1 and gateway <> $2 and until_ms > $3 order by until_ms desc limit ${maxRows}`,
      [this.#fleet, this.#gateway, nowMs],
    );
    return gateways.map(({ gateway, key_id, age_ms }) => ({
      gateway,
      keyId: key_id,
      ageMs: age_ms,
      rows: rows.filter((row) => row.gateway === gateway).map(toShared),
    }));
  }

  async close(): Promise<void> {
    await this.#pool.end();
  }

  async #clear(client: ClientBase): Promise<void> {
    await client.query('delete from live_job where fleet = $1 and gateway = $2', [
      this.#fleet,
      this.#gateway,
    ]);
  }

  async #remove(client: ClientBase, rows: readonly SharedRow[]): Promise<void> {
    if (rows.length === 0) return;
    await client.query(
      `delete from live_job where fleet = $1 and gateway = $2 and (kind, key) in
        (select * from unnest($3::text[], $4::text[]))`,
      [this.#fleet, this.#gateway, rows.map(({ kind }) => kind), rows.map(({ key }) => key)],
    );
  }

  async #put(client: ClientBase, rows: readonly SharedRow[]): Promise<void> {
    if (rows.length === 0) return;
    await client.query(
      `insert into live_job select $1, $2, kind, key, until_ms, entry
        from unnest($3::text[], $4::text[], $5::bigint[], $6::text[]) as n (kind, key, until_ms, entry)
        on conflict (fleet, gateway, kind, key) do update set until_ms = excluded.until_ms, entry = excluded.entry`,
      [
        this.#fleet,
        this.#gateway,
        rows.map(({ kind }) => kind),
        rows.map(({ key }) => key),
        rows.map(({ untilMs }) => untilMs),
        rows.map(({ entry }) => entry),
      ],
    );
  }

  // What became of the rows of a write that failed nobody knows: the next one writes all of them.
  async #within(run: (client: ClientBase) => Promise<void>): Promise<void> {
    const client = await this.#pool.connect();
    try {
      await client.query('begin');
      await run(client);
      await client.query('commit');
      client.release();
    } catch (error) {
      this.#written = null;
      client.release(true);
      throw error;
    }
  }
}

interface StoredRow extends Omit<SharedRow, 'untilMs'> {
  readonly gateway: string;
  /** Whole numbers of 64 bits come as text. */
  readonly until_ms: string | number;
}

const toShared = ({ kind, key, until_ms, entry }: StoredRow): SharedRow => ({
  kind,
  key,
  untilMs: Number(until_ms),
  entry,
});

const nameOf = ({ kind, key }: SharedRow): string => `${kind} ${key}`;
const isSame = (a: SharedRow | undefined, b: SharedRow): boolean =>
  a !== undefined && a.untilMs === b.untilMs && a.entry === b.entry;
