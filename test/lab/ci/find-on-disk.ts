// A search of everything that lies below a directory, whatever it is, for texts that must not be there.

import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

/** Files below the directory that contain one of these, by their path from there. */
export function findOnDisk(directory: string, forms: readonly Buffer[]): string[] {
  return readdirSync(directory, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => {
      const bytes = readFileSync(path);
      return forms.some((form) => bytes.includes(form));
    })
    .map((path) => relative(directory, path));
}
