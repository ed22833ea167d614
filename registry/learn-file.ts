// The time that a file's own answer states, Last-Modified (RFC 9110 §8.8.2): all that a lock file leads to tells no other.
// A mirror may have made it anew; it is never earlier than the file.

import type { AnswerStream } from '../flow/asked-request.ts';
import type { OpenStream } from './answer-reader.ts';
import type { Meaning, RegistryRequest } from './registry-request.ts';

/** Learns from the answers that carry one package's file; undefined where they tell nothing. */
export function learnFileTime({ learning }: RegistryRequest, meaning: Meaning): OpenStream | undefined {
  const [touch, another] = meaning.touches;
  if (learning === null || another !== undefined || meaning.sureness !== 'known') return undefined;
  if (touch?.kind !== 'package' || touch.act !== 'install') return undefined;
  const { purl, version, file } = touch;
  // Archives of Debian state no times: what their mirrors say is when they were copied.
  if (purl === null || version === null || purl.startsWith('pkg:deb/')) return undefined;
  return (head): AnswerStream | null => {
    const timeMs = Date.parse(head.header('last-modified') ?? '');
    if (!Number.isNaN(timeMs))
      learning.times.learn(
        learning.registry,
        purl,
        version,
        { timeMs, timeClass: 'mirror-stated' },
        file ?? null,
      );
    return null;
  };
}
