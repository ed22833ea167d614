// A copy of an embedded store in a folder, and a store made of one. The copy is of one moment: whoever writes to the store
// rests meanwhile. Each file has its digest in a list that is written last, so that half a copy is none.

import { createHash } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  createReadStream,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { backup, DatabaseSync } from 'node:sqlite';
import { SallyportError } from '../flow/errors.ts';
import { readSteps, requireKnown } from './migrate-sqlite.ts';
import { holdLock } from './sqlite-lock.ts';

const listName = 'backup.json';
const fileForm = /^(?:main|flows\/\d{4}-\d{2}-\d{2})\.db$/;

/** What a backup holds. */
export interface BackupList {
  readonly v: 1;
  /** ISO 8601, UTC. */
  readonly made: string;
  readonly program: string;
  readonly files: readonly BackupFile[];
}

interface BackupFile {
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** Copies the store of a folder into another, which must be new or empty. @throws SallyportError usage */
export async function makeBackup(folder: string, target: string, program: string): Promise<BackupList> {
  requireStore(folder);
  requireEmpty(target, 'name a new folder');
  mkdirSync(join(target, 'flows'), { recursive: true, mode: 0o700 });
  chmodSync(target, 0o700);
  const files: BackupFile[] = [];
  for (const name of ['main.db', ...daysOf(folder)]) {
    await copyDatabase(join(folder, name), join(target, name));
    files.push(await describe(target, name));
  }
  const list: BackupList = { v: 1, made: new Date().toISOString(), program, files };
  writeFileSync(join(target, listName), `${JSON.stringify(list, null, 2)}\n`, { mode: 0o600 });
  return list;
}

/** @throws SallyportError usage where there is none */
export function requireStore(folder: string): void {
  if (!existsSync(join(folder, 'main.db')))
    throw new SallyportError('usage', `${folder} holds no store: name the sallyport.yaml of the gateway`);
}

const daysOf = (folder: string): string[] =>
  readdirSync(join(folder, 'flows'))
    .map((name) => `flows/${name}`)
    .filter((name) => fileForm.test(name))
    .toSorted();

async function copyDatabase(from: string, to: string): Promise<void> {
  const source = new DatabaseSync(from, { readOnly: true, timeout: 5_000 });
  try {
    // With what is in its log; some pages at a time.
    await backup(source, to, { rate: 2_000 });
    chmodSync(to, 0o600);
  } finally {
    source.close();
  }
}

async function describe(folder: string, name: string): Promise<BackupFile> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(join(folder, name))) hash.update(chunk as Buffer);
  return { name, bytes: statSync(join(folder, name)).size, sha256: hash.digest('hex') };
}

/** Whose the files of a store are. */
export interface StoreOwner {
  readonly user: number;
  readonly group: number;
}

/**
 * Makes the store of a folder, where there is none, of a backup that is whole and that this program can read.
 * @throws SallyportError usage; nothing is there then that was not before
 */
export async function restoreBackup(source: string, folder: string, owner: StoreOwner): Promise<BackupList> {
  const list = readList(source);
  for (const file of list.files) await requireWhole(source, file);
  requireNoStore(folder);
  const fresh = join(dirname(folder), `.${basename(folder)}.restoring-${process.pid}`);
  try {
    mkdirSync(join(fresh, 'flows'), { recursive: true, mode: 0o700 });
    for (const { name } of list.files) {
      copyFileSync(join(source, name), join(fresh, name));
      chmodSync(join(fresh, name), 0o600);
    }
    for (const path of ['', 'flows', ...list.files.map(({ name }) => name)])
      chownSync(join(fresh, path), owner.user, owner.group);
    chmodSync(fresh, 0o700);
    rmSync(folder, { recursive: true, force: true });
    renameSync(fresh, folder);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
  return list;
}

function readList(source: string): BackupList {
  const path = join(source, listName);
  const refuse = (why: string, cause?: unknown) =>
    new SallyportError('usage', `${source} is no backup: ${why}`, cause);
  let list: Partial<BackupList>;
  try {
    list = JSON.parse(readFileSync(path, 'utf8')) as Partial<BackupList>; // its shape is looked at below
  } catch (error) {
    throw refuse(`${listName} is missing or cut; it is written last`, error);
  }
  if (list.v !== 1) throw refuse('a newer version of this program made it: upgrade first');
  const { files } = list;
  const isList = Array.isArray(files) && files.every((file) => fileForm.test(String(file?.name)));
  if (!isList || !files.some(({ name }) => name === 'main.db')) throw refuse(`${listName} names other files`);
  return list as BackupList; // looked at just now
}

async function requireWhole(source: string, { name, bytes, sha256 }: BackupFile): Promise<void> {
  const path = join(source, name);
  const broken = (why: string) =>
    new SallyportError('usage', `${path} cannot be restored: ${why}; take another backup`);
  if (lstatSync(path, { throwIfNoEntry: false })?.isFile() !== true) throw broken('it is missing');
  const found = await describe(source, name);
  if (found.bytes !== bytes || found.sha256 !== sha256) throw broken('it is not as it was written');
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    const [check] = database.prepare('pragma quick_check(1)').all();
    if (check?.['quick_check'] !== 'ok') throw broken('it is damaged');
    const kind = name === 'main.db' ? 'main' : 'day';
    requireKnown(database, readSteps(join(import.meta.dirname, 'migrations', kind)), path);
  } finally {
    database.close();
    for (const end of ['-wal', '-shm']) rmSync(`${path}${end}`, { force: true });
  }
}

function requireNoStore(folder: string): void {
  if (existsSync(join(folder, 'lock.db'))) holdLock(folder).close();
  if (existsSync(join(folder, 'main.db')))
    throw new SallyportError(
      'usage',
      `${folder} holds a store, which is not overwritten: end the gateway and move the folder away`,
    );
  const rest = existsSync(folder) ? readdirSync(folder).filter((name) => name !== 'lock.db') : [];
  if (rest.length > 0) requireEmpty(folder, 'move what is there away');
}

function requireEmpty(folder: string, remedy: string): void {
  if (existsSync(folder) && readdirSync(folder).length > 0)
    throw new SallyportError('usage', `${folder} is not empty: ${remedy}`);
}
