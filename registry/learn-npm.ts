// Publish times out of npm packuments (github.com/npm/registry, "package metadata"). The abbreviated form says only when
// the package changed last.

import type { AnswerStream } from '../flow/asked-request.ts';
import { jsonStream } from './answer-reader.ts';
import type { Learning } from './registry-request.ts';
import { readTime } from './times.ts';

/** Learns `time` and `modified` of one package as they pass. */
export function learnPackument({ times, timeClass, registry }: Learning, purl: string): AnswerStream {
  return jsonStream(2, (path, kind, text) => {
    if (kind !== 'string') return;
    const timeMs = path.length === 2 && path[0] === 'time' ? readTime(text) : null;
    const modifiedMs = path.length === 1 && path[0] === 'modified' ? readTime(text) : null;
    if (modifiedMs !== null) times.learnBound(registry, purl, { timeMs: modifiedMs, timeClass });
    if (timeMs === null) return;
    if (path[1] === 'modified') times.learnBound(registry, purl, { timeMs, timeClass });
    else if (path[1] !== 'created') times.learn(registry, purl, String(path[1]), { timeMs, timeClass });
  });
}
