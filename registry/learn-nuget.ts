// When NuGet packages were published, out of registrations (learn.microsoft.com/nuget/api/registration-base-url-resource).

import type { AnswerStream } from '../flow/asked-request.ts';
import { jsonStream } from './answer-reader.ts';
import { nugetPurl } from './purl.ts';
import type { Learning } from './registry-request.ts';
import { readTime } from './times.ts';
import { normaliseNugetVersion } from './version-order.ts';

/** Learns the catalogue entries of an index or page; of one version’s leaf `published`. */
export function learnRegistration(
  { times, timeClass, registry }: Learning,
  purl: string,
  leafVersion: string | null,
): AnswerStream {
  let version: string | null = null;
  let timeMs: number | null = null;
  let isOwn = true;
  const learn = (of: string | null): void => {
    // What was taken off the lists says 1900, which no time is taken for.
    if (isOwn && of !== null && timeMs !== null)
      times.learn(registry, purl, normaliseNugetVersion(of), { timeMs, timeClass });
    version = null;
    timeMs = null;
    isOwn = true;
  };
  return jsonStream(6, (path, kind, text) => {
    const field = path.at(-1);
    const isEntry = path.at(-2) === 'catalogEntry';
    if (kind === 'string' && isEntry && field === 'version') version = text;
    else if (kind === 'string' && isEntry && field === 'published') timeMs = readTime(text);
    else if (kind === 'string' && isEntry && field === 'id') isOwn = nugetPurl(text ?? '') === purl;
    else if (kind === 'object' && field === 'catalogEntry') learn(version);
    else if (kind === 'string' && path.length === 1 && field === 'published') {
      timeMs = readTime(text);
      learn(leafVersion);
    }
  });
}
