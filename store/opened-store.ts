// One of the two databases, opened: the same to whoever ingests, asks, and keeps it within its size.

import type { Kysely } from 'kysely';
import type { PoolConfig } from 'pg';
import type { FlowSink } from './ingest.ts';
import type { FlowSource } from './read-store.ts';
import type { DroppedFlows } from './sqlite-day.ts';
import type { StoreTables } from './tables.ts';

/** Where a store is. */
export type StoreSource =
  | { readonly kind: 'embedded'; readonly folder: string }
  | { readonly kind: 'postgres'; readonly config: PoolConfig };

export interface OpenedStore extends Required<FlowSink> {
  /** The days that have flows, the newest first. */
  days(): Promise<readonly string[]>;
  dropDay(day: string): Promise<void>;
  /** Drops flows of a kind among so many from an id on. */
  dropFlows(day: string, kind: number, after: Uint8Array, among: number): Promise<DroppedFlows>;
  /** After names were dropped by others than this: they have no numbers any more. */
  forgetNames(): void;
  sizeBytes(): Promise<number>;
  readonly reader: Kysely<StoreTables>;
  readonly writer: Kysely<StoreTables>;
  readonly flows: FlowSource;
  close(): Promise<void>;
}

/** @throws SallyportError when it is another program's, a newer one's, damaged, or away */
export async function openStore(source: StoreSource): Promise<OpenedStore> {
  return source.kind === 'embedded' ? openEmbedded(source.folder) : openPostgres(source.config);
}

async function openEmbedded(folder: string): Promise<OpenedStore> {
  const [{ SqliteStore }, { SqliteReader }] = await Promise.all([
    import('./sqlite-store.ts'),
    import('./sqlite-reader.ts'),
  ]);
  const store = new SqliteStore(folder);
  const reading = new SqliteReader(folder);
  return {
    write: async (records, offsets, jobs) => store.write(records, offsets, jobs),
    offsets: async (gateway) => store.offsets(gateway),
    forgetSegments: async (gateway, names) => store.forgetSegments(gateway, names),
    days: async () => store.days(),
    dropDay: async (day) => store.dropDay(day),
    dropFlows: async (day, kind, after, among) => store.dropFlows(day, kind, after, among),
    forgetNames: () => store.forgetNames(),
    sizeBytes: async () => store.sizeBytes(),
    reader: reading.main,
    writer: store.writer(),
    flows: reading.flows,
    close: async () => {
      await reading.close();
      store.close();
    },
  };
}

async function openPostgres(config: PoolConfig): Promise<OpenedStore> {
  const { PostgresStore } = await import('./postgres-store.ts');
  const store = await PostgresStore.open(config);
  return {
    write: (records, offsets, jobs) => store.write(records, offsets, jobs),
    offsets: (gateway) => store.offsets(gateway),
    forgetSegments: (gateway, names) => store.forgetSegments(gateway, names),
    days: () => store.days(),
    dropDay: (day) => store.dropDay(day),
    dropFlows: (day, kind, after, among) => store.dropFlows(day, kind, after, among),
    // It remembers none.
    forgetNames: () => {},
    sizeBytes: () => store.sizeBytes(),
    reader: store.main,
    writer: store.main,
    flows: store.flows,
    close: () => store.close(),
  };
}
