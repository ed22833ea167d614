// Files that hold secrets, one a line.

import { readFileSync } from 'node:fs';

/** The lines of a file without comments (#) and empty ones; null when it cannot be read. */
export function readSecretLines(path: string): string[] | null {
  try {
    const lines = readFileSync(path, 'utf8').split(/\r?\n/);
    return lines.filter((line) => line.trim() !== '' && !line.startsWith('#'));
  } catch {
    return null;
  }
}
