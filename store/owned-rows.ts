// Whose rows are whose: a caller who is limited to owners is answered with what belongs to repositories of theirs alone.
// An owner is the first part of a repository's path, which is kept in lower case.

import { sql, type Kysely, type RawBuilder } from 'kysely';
import type { StoreTables } from './tables.ts';

/** Null: all of them. An empty list: none. */
export type Owners = readonly string[] | null;

const maxRepositories = 10_000;

/** Whether a path, of this column, belongs to one of the owners. */
export function isOwned(column: string, owners: readonly string[]): RawBuilder<boolean> {
  if (owners.length === 0) return sql<boolean>`1 = 0`;
  const one = owners.map((owner) => sql`${sql.ref(column)} like ${`${escapeLike(owner)}/%`} escape '!'`);
  return sql<boolean>`(${sql.join(one, sql` or `)})`;
}

/** The numbers of the owners' repositories, 10,000 at most; null: no limit. */
export async function ownedRepositories(
  main: Kysely<StoreTables>,
  owners: Owners,
): Promise<readonly number[] | null> {
  if (owners === null) return null;
  const rows = await main
    .selectFrom('repository')
    .select('id')
    .where(isOwned('repository.path', owners))
    .orderBy('id')
    .limit(maxRepositories)
    .execute();
  return rows.map(({ id }) => id);
}

/** A part of a text as a pattern of `like` (escape `!`), in lower case. */
export function likePart(part: string): string {
  return `%${escapeLike(part)}%`;
}

// `!` stands before what would be a pattern.
const escapeLike = (text: string): string => text.toLowerCase().replaceAll(/[!%_]/g, '!$&');
