// One program at a time writes to an embedded store: two that count batches by themselves would count flows twice.

import { chmodSync, chownSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { SallyportError } from '../flow/errors.ts';

/**
 * Holds the store of this folder until it is closed, or its process ends however it may. @throws SallyportError usage
 * when another program has it
 */
export function holdLock(folder: string): DatabaseSync {
  const path = join(folder, 'lock.db');
  const lock = new DatabaseSync(path, { timeout: 1_000 });
  try {
    lock.exec('pragma locking_mode = exclusive; begin exclusive');
    chmodSync(path, 0o600);
    // What root makes beside the files of control must not keep control out.
    const { uid, gid } = statSync(folder);
    if (process.getuid?.() === 0) chownSync(path, uid, gid);
    return lock;
  } catch (error) {
    lock.close();
    const code = error instanceof Error && 'errcode' in error ? Number(error.errcode) & 255 : 0;
    if (code !== 5) throw error;
    const why = 'another program has it open: end that one, or name another folder';
    throw new SallyportError('usage', `${folder} cannot be used: ${why}`, error);
  }
}
