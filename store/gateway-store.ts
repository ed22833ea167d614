// What gateways of one store share: settings that the first of them makes, what each tells the others, and the policies
// that were in force. The same over both databases.

import type { Kysely } from 'kysely';
import type { StoreTables } from './tables.ts';

/** What one gateway told last, of one kind. */
export interface GatewayState {
  readonly fleet: string;
  readonly gateway: string;
  readonly atMs: number;
  readonly body: string;
}

export class GatewayStore {
  readonly #main: Kysely<StoreTables>;

  /** `main` must be one that may write. */
  constructor(main: Kysely<StoreTables>) {
    this.#main = main;
  }

  async setting(name: string): Promise<string | null> {
    const query = this.#main.selectFrom('setting').select('value').where('name', '=', name);
    return (await query.executeTakeFirst())?.value ?? null;
  }

  /** Keeps a value unless there is one; answers the one that holds from now on, for all gateways. */
  async settleSetting(name: string, value: string): Promise<string> {
    const insert = this.#main.insertInto('setting').values({ name, value });
    await insert.onConflict((on) => on.doNothing()).execute();
    return (await this.setting(name)) ?? value;
  }

  async setSetting(name: string, value: string): Promise<void> {
    const insert = this.#main.insertInto('setting').values({ name, value });
    await insert.onConflict((on) => on.column('name').doUpdateSet({ value })).execute();
  }

  /** Replaces what this gateway told of this kind. */
  async tellState(kind: string, { fleet, gateway, atMs, body }: GatewayState): Promise<void> {
    const row = { fleet, gateway, kind, at_ms: atMs, body };
    const insert = this.#main.insertInto('gateway_state').values(row);
    await insert
      .onConflict((on) => on.columns(['fleet', 'gateway', 'kind']).doUpdateSet({ at_ms: atMs, body }))
      .execute();
  }

  /** What all gateways told of this kind since then. */
  async states(kind: string, sinceMs: number): Promise<readonly GatewayState[]> {
    const rows = await this.#main
      .selectFrom('gateway_state')
      .select(['fleet', 'gateway', 'at_ms as atMs', 'body'])
      .where('kind', '=', kind)
      .where('at_ms', '>=', sinceMs)
      .orderBy('fleet')
      .orderBy('gateway')
      .limit(1_000)
      .execute();
    return rows;
  }

  /** Notes that a policy came into force at a gateway; its text is kept once. */
  async addRevision({ fleet, gateway, atMs, body }: GatewayState, revision: string): Promise<void> {
    await this.#main
      .insertInto('policy_bundle')
      .values({ revision, at_ms: atMs, bundle: body })
      .onConflict((on) => on.doNothing())
      .execute();
    const row = { revision, at_ms: atMs, fleet, gateway };
    await this.#main.insertInto('policy_revision').values(row).execute();
  }
}
