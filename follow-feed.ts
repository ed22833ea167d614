// A worker's side of the malware feed: it looks at the images that control writes. Until there is one of each feed that
// is named, every package counts as malicious, as without a policy everything is blocked; the operator may say otherwise.

import { readFileSync } from 'node:fs';
import type { Logger } from 'pino';
import type { Config } from './config.ts';
import { FileWatch, fingerprint } from './policy/bundle-file.ts';
import type { MalwareLookup } from './registry/evidence.ts';
import { openFeedImage } from './registry/malware-feed.ts';
import { fetchedFeedImage, type StateDirectory } from './store/state-directory.ts';

const lookEveryMs = 500;

/** What stands for an advisory while there is no feed. */
export const noFeedYet: MalwareLookup = { find: () => 'malware-feed-unavailable' };

/** All feeds that the configuration names, as they are at the moment; null: no package is in any. */
export function followFeeds(
  { files, fetched, untilLoaded }: Config['malware'],
  state: Pick<StateDirectory, 'malwareFile' | 'policy'>,
  log: Logger,
): () => MalwareLookup | null {
  const images = [
    ...(files.length > 0 ? [state.malwareFile] : []),
    ...(fetched === null ? [] : [fetchedFeedImage(state, fetched.id)]),
  ];
  const missing = untilLoaded === 'allow' ? null : noFeedYet;
  const [first, second] = images.map((image) => followImage(image, missing, log));
  if (first === undefined) return () => null;
  if (second === undefined) return first;
  return () => either(first(), second());
}

function either(first: MalwareLookup | null, second: MalwareLookup | null): MalwareLookup | null {
  if (first === null || second === null) return first ?? second;
  return { find: (purl, version) => first.find(purl, version) ?? second.find(purl, version) };
}

/** The last good feed of one image, or what stands for it. */
function followImage(image: string, missing: MalwareLookup | null, log: Logger): () => MalwareLookup | null {
  let current = missing;
  const read = (): void => {
    try {
      const feed = openFeedImage(readFileSync(image));
      if (feed === null) log.error({ image }, 'the image of the malware feed is none');
      else current = feed;
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return;
      log.error({ err: error }, 'the image of the malware feed cannot be read');
      // No descriptor was free, perhaps: at the next look again.
      watch.settle('');
    }
  };
  const watch = new FileWatch(() => fingerprint(image), lookEveryMs, read);
  read();
  return () => current;
}
