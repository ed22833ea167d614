// What an upload to a Python package index publishes: fields of its form (docs.pypi.org/api/upload).

import type { Held } from '../flow/held.ts';
import { readMultipart } from './multipart.ts';

export interface PypiUpload {
  readonly action: string;
  readonly name: string;
  readonly version: string;
}

/** Reads the form; null when it is opaque, malformed, or names a field twice. */
export function readPypiUpload(contentType: string, held: Held): PypiUpload | null {
  if (held.kind === 'opaque') return null;
  const parts = readMultipart(contentType, held.body);
  if (parts === null) return null;
  const field = (name: string): string | null => {
    const found = parts.filter((part) => part.name === name);
    return found.length === 1 && found[0]!.body.length <= 512 ? found[0]!.body.toString('utf8') : null;
  };
  const [action, name, version] = [field(':action'), field('name'), field('version')];
  if (action === null || name === null || version === null) return null;
  return /^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$/.test(name) ? { action, name, version } : null;
}
