// When versions of Go modules were made, as their commits say: `.info` and `@latest` (go.dev/ref/mod).

import type { AnswerStream } from '../flow/asked-request.ts';
import { jsonStream, nothingTold } from './answer-reader.ts';
import type { Learning } from './registry-request.ts';
import { readTime } from './times.ts';

/** Learns `Version` and `Time` of one answer. */
export function learnInfo({ times, timeClass, registry }: Learning, purl: string): AnswerStream {
  let version: string | null = null;
  let timeMs: number | null = null;
  const scan = jsonStream(1, (path, kind, text) => {
    if (kind !== 'string') return;
    if (path[0] === 'Version') version = text;
    else if (path[0] === 'Time') timeMs = readTime(text);
  });
  return {
    push: (chunk) => scan.push(chunk),
    end() {
      if (version === null || timeMs === null) return nothingTold;
      const stated = timeClass === 'registry-stated' ? 'author-stated' : timeClass;
      times.learn(registry, purl, version, { timeMs, timeClass: stated });
      return nothingTold;
    },
  };
}
