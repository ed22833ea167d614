// Upload times of files out of Python indexes: the simple API in JSON (PEP 700) and the JSON API.

import type { AnswerStream } from '../flow/asked-request.ts';
import { jsonStream } from './answer-reader.ts';
import { pypiPurl } from './purl.ts';
import { readFileName } from './pypi-names.ts';
import type { FileFacts } from './pypi-names.ts';
import type { Learning } from './registry-request.ts';
import { readTime } from './times.ts';

/** The version of a file that an index lists under a project; null when its name says another one. */
export function versionOfFile(purl: string, file: string): string | null {
  for (let facts: FileFacts | null = readFileName(file); facts !== null; facts = facts.other) {
    if (pypiPurl(facts.name) === purl) return facts.version;
  }
  return null;
}

/** Learns the files of one project as they pass: `files[]`, `urls[]` or `releases{}[]`. */
export function learnProject({ times, timeClass, registry }: Learning, purl: string): AnswerStream {
  let file: string | null = null;
  let timeMs: number | null = null;
  const listOf = (path: readonly (string | number)[]): number =>
    path[0] === 'files' || path[0] === 'urls' ? 2 : path[0] === 'releases' ? 3 : -1;
  return jsonStream(4, (path, kind, text) => {
    const depth = listOf(path);
    if (kind === 'string' && path.length === depth + 1) {
      const field = path[depth];
      if (field === 'filename') file = text;
      else if (field === 'upload-time' || field === 'upload_time_iso_8601') timeMs = readTime(text);
    } else if (kind === 'object' && path.length === depth) {
      const version = file === null ? null : versionOfFile(purl, file);
      if (version !== null && timeMs !== null)
        times.learn(registry, purl, version, { timeMs, timeClass }, file);
      file = null;
      timeMs = null;
    }
  });
}
