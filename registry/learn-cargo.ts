// When crates were published: `created_at` of the API, and `pubtime` of the index where a registry writes it.

import type { AnswerStream } from '../flow/asked-request.ts';
import { jsonStream } from './answer-reader.ts';
import { learnLines } from './learn-lines.ts';
import { cargoPurl, packageKey } from './purl.ts';
import type { Learning } from './registry-request.ts';
import { readTime } from './times.ts';

/** Learns `versions[]` or `version{}` of one crate. */
export function learnCrateApi({ times, timeClass, registry }: Learning, purl: string): AnswerStream {
  let version: string | null = null;
  let timeMs: number | null = null;
  let isOwn = true;
  return jsonStream(3, (path, kind, text) => {
    const depth = path[0] === 'versions' ? 2 : path[0] === 'version' ? 1 : -1;
    if (depth < 0) return;
    const field = path[depth];
    if (kind === 'string' && path.length === depth + 1) {
      if (field === 'num') version = text;
      else if (field === 'created_at') timeMs = readTime(text);
      else if (field === 'crate') isOwn = packageKey(cargoPurl(text ?? '')) === packageKey(purl);
    } else if (kind === 'object' && path.length === depth) {
      if (isOwn && version !== null && timeMs !== null) {
        times.learn(registry, purl, version, { timeMs, timeClass });
      }
      version = null;
      timeMs = null;
      isOwn = true;
    }
  });
}

/** Learns a file of the index: one JSON object a line. */
export function learnCrateIndex({ times, timeClass, registry }: Learning, purl: string): AnswerStream {
  return learnLines((line) => {
    if (!line.includes('"pubtime"')) return;
    let version: string | null = null;
    let timeMs: number | null = null;
    const scan = jsonStream(1, (path, kind, text) => {
      if (kind !== 'string') return;
      if (path[0] === 'vers') version = text;
      else if (path[0] === 'pubtime') timeMs = readTime(text);
    });
    scan.push(Buffer.from(line));
    if (version !== null && timeMs !== null) times.learn(registry, purl, version, { timeMs, timeClass });
  });
}
