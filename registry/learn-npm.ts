// Publish times out of npm packuments (github.com/npm/registry, "package metadata"). The abbreviated form says only when
// the package changed last.

import type { AnswerStream } from '../flow/asked-request.ts';
import { jsonStream, nothingTold } from './answer-reader.ts';
import type { Learning } from './registry-request.ts';
import { readTime } from './times.ts';

/** Versions of one list that are kept until it has said when it changed last. */
const maxListed = 20_000;

/** Learns `time` of one package as it passes; where there is none, that every version listed is older than `modified`. */
export function learnPackument({ times, timeClass, registry }: Learning, purl: string): AnswerStream {
  const listed: string[] = [];
  let modifiedMs: number | null = null;
  let hasTimes = false;
  const scan = jsonStream(2, (path, kind, text) => {
    const [section, key] = path;
    if (path.length === 1 && section === 'modified') modifiedMs = readTime(text);
    if (path.length !== 2) return;
    if (section === 'versions' && kind === 'object' && listed.length < maxListed) listed.push(String(key));
    const timeMs = section === 'time' && kind === 'string' ? readTime(text) : null;
    if (timeMs === null || key === 'created' || key === 'modified') return;
    hasTimes = true;
    times.learn(registry, purl, String(key), { timeMs, timeClass });
  });
  return {
    push: (chunk) => scan.push(chunk),
    end() {
      if (modifiedMs !== null && !hasTimes) {
        for (const version of listed)
          times.learnAtLatest(registry, purl, version, { timeMs: modifiedMs, timeClass });
      }
      return nothingTold;
    },
  };
}
