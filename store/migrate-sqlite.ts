// Brings a SQLite file to the newest shape, one step in one transaction each. Steps are files `NNNN-name.sql`; what was
// applied is kept with its digest, so that a changed step, a gap, or a file of a newer program is refused, never guessed at.

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { SallyportError } from '../flow/errors.ts';

export interface MigrationStep {
  readonly number: number;
  readonly name: string;
  readonly sql: string;
  readonly digest: string;
}

/** The steps of a folder in their order. @throws SallyportError internal when one is missing */
export function readSteps(folder: string): readonly MigrationStep[] {
  const steps = readdirSync(folder)
    .filter((name) => /^\d{4}-[a-z0-9-]+\.sql$/.test(name))
    .toSorted()
    .map((name): MigrationStep => {
      const sql = readFileSync(join(folder, name), 'utf8');
      const digest = createHash('sha256').update(sql).digest('hex');
      return { number: Number(name.slice(0, 4)), name, sql, digest };
    });
  steps.forEach(({ number, name }, at) => {
    if (number !== at + 1) throw new SallyportError('internal', `a step is missing before ${name}`);
  });
  return steps;
}

const damaged = new Set([11, 26]);

/**
 * Opens or makes a file of the newest shape. Whatever is there and cannot be used is left as it is. @throws SallyportError
 * usage when it is damaged, no database, or another program's
 */
export function openMigrated(path: string, pragmas: string, steps: readonly MigrationStep[]): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: 5_000 });
  try {
    database.exec(pragmas);
    migrate(database, steps, path);
    return database;
  } catch (error) {
    database.close();
    if (error instanceof Error && 'errcode' in error && damaged.has(Number(error.errcode) & 255))
      throw refuse(path, 'it is damaged or no database: move it away, or restore a backup', error);
    throw error;
  }
}

/** Applies what is missing. @throws SallyportError usage when the file was made by a newer program or by another one */
function migrate(database: DatabaseSync, steps: readonly MigrationStep[], file: string): void {
  database.exec(
    'create table if not exists migration (number integer primary key, name text not null, digest text not null, applied_ms integer not null) strict',
  );
  const count = requireKnown(database, steps, file);
  const note = database.prepare('insert into migration values (?, ?, ?, ?)');
  for (const step of steps.slice(count))
    inTransaction(database, () => {
      database.exec(step.sql);
      note.run(step.number, step.name, step.digest, Date.now());
    });
}

/** How many steps a file has. @throws SallyportError usage when they are not the first of ours */
export function requireKnown(database: DatabaseSync, steps: readonly MigrationStep[], file: string): number {
  const applied = database.prepare('select number, name, digest from migration order by number').all();
  if (applied.length > steps.length)
    throw refuse(file, 'a newer version of this program wrote it: upgrade, or restore a backup of before');
  applied.forEach(({ name, digest }, at) => {
    if (steps[at]!.digest !== digest)
      throw refuse(file, `its step ${String(name)} is another one than this program’s: restore a backup`);
  });
  return applied.length;
}

/** Runs a function in one write transaction; whatever it throws undoes all of it. */
export function inTransaction<T>(database: DatabaseSync, run: () => T): T {
  database.exec('begin immediate');
  try {
    const result = run();
    database.exec('commit');
    return result;
  } catch (error) {
    // A failed commit (a full disk) may have ended the transaction already.
    if (database.isTransaction) database.exec('rollback');
    throw error;
  }
}

const refuse = (file: string, why: string, cause?: unknown): SallyportError =>
  new SallyportError('usage', `${file} cannot be used: ${why}`, cause);
