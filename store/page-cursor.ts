// Lists come in pages; a cursor is where the last one ended, and says nothing to anybody else.

export interface PageRequest {
  /** 1 to 1,000. */
  readonly limit: number;
  readonly cursor: string | null;
}

export interface Page<T> {
  readonly items: readonly T[];
  readonly next: string | null;
}

/** A page of what was found, which is one row more than the limit where there is a next page. */
export function pageOf<T>(
  rows: readonly T[],
  limit: number,
  key: (row: T) => readonly [number, number],
): Page<T> {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  const next = rows.length > limit && last !== undefined ? writeCursor(key(last)) : null;
  return { items, next };
}

const writeCursor = (key: readonly [number, number]): string =>
  Buffer.from(JSON.stringify(key)).toString('base64url');

/** Null: from the beginning; undefined: no cursor of ours. */
export function readCursor(cursor: string | null): readonly [number, number] | null | undefined {
  if (cursor === null) return null;
  if (cursor.length > 100) return undefined;
  const match = /^\[(\d{1,16}),(\d{1,16})\]$/.exec(Buffer.from(cursor, 'base64url').toString());
  return match === null ? undefined : [Number(match[1]), Number(match[2])];
}
