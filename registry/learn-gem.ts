// When gems were published: `created_at` of the API, and of the compact index in its second version
// (guides.rubygems.org/rubygems-org-compact-index-api).

import type { AnswerStream } from '../flow/asked-request.ts';
import { jsonStream } from './answer-reader.ts';
import { learnLines } from './learn-lines.ts';
import type { Learning } from './registry-request.ts';
import { readTime } from './times.ts';

/** Learns `[{number, created_at}]`, or one of them. */
export function learnGemVersions({ times, timeClass, registry }: Learning, purl: string): AnswerStream {
  let version: string | null = null;
  let timeMs: number | null = null;
  let platform = 'ruby';
  const name = purl.slice('pkg:gem/'.length);
  return jsonStream(2, (path, kind, text) => {
    const field = path.at(-1);
    if (kind === 'string' && field === 'number') version = text;
    else if (kind === 'string' && field === 'platform') platform = text ?? '';
    else if (kind === 'string' && (field === 'created_at' || field === 'version_created_at'))
      timeMs = readTime(text);
    else if (kind === 'object' && path.length <= 1) {
      if (version !== null && timeMs !== null) {
        const file = `${name}-${version}${platform === 'ruby' ? '' : `-${platform}`}.gem`;
        times.learn(registry, purl, version, { timeMs, timeClass }, file);
      }
      version = null;
      timeMs = null;
      platform = 'ruby';
    }
  });
}

/** Learns lines `1.0.0-java dependency:>= 1|checksum:…,ruby:>= 3,created_at:2026-01-02T03:04:05Z`. */
export function learnGemInfo({ times, timeClass, registry }: Learning, purl: string): AnswerStream {
  const name = purl.slice('pkg:gem/'.length);
  return learnLines((line) => {
    const space = line.indexOf(' ');
    const stated = /[|,]created_at:([0-9T:.Z+ -]{16,40})(?:,|$)/.exec(line);
    const timeMs = readTime(stated?.[1] ?? null);
    if (space <= 0 || timeMs === null) return;
    const number = line.slice(0, space);
    const dash = number.indexOf('-');
    const version = dash < 0 ? number : number.slice(0, dash);
    times.learn(registry, purl, version, { timeMs, timeClass }, `${name}-${number}.gem`);
  });
}
