// Whether programs of Debian that a test speaks to are there: what cannot be installed is a printed skip.

import { existsSync } from 'node:fs';
import { join } from 'node:path';

const folders = ['/usr/bin', '/usr/sbin', '/bin', '/sbin', '/usr/local/bin'];

/** Why a test is skipped, or false when all of the programs are there. */
export function missingProgram(...names: readonly string[]): string | false {
  const missing = names.filter((name) => !folders.some((folder) => existsSync(join(folder, name))));
  return missing.length === 0 ? false : `${missing.join(', ')} could not be installed`;
}
