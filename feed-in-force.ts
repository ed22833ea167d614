// The malware feed inside the gateway: control reads the operator's files and writes one image of them; each worker
// looks at that one file. Until there is one every package counts as malicious, as without a policy everything is blocked.

import { readFileSync } from 'node:fs';
import type { Logger } from 'pino';
import type { Meter } from './flow/ports.ts';
import { FileWatch, fingerprint } from './policy/bundle-file.ts';
import type { MalwareLookup } from './registry/evidence.ts';
import { openFeedImage } from './registry/malware-feed.ts';
import { WatchedFeed } from './registry/watch-feed.ts';
import { writeWhole } from './store/state-directory.ts';

const lookEveryMs = 2000;
const imageLookEveryMs = 500;

export interface FeedSource {
  readonly files: readonly string[];
  /** Where workers look for the image. */
  readonly image: string;
  readonly log: Logger;
  readonly meter: Meter;
}

/** Control's side: says why it is not ready, or null. */
export class FeedInForce {
  readonly #source: FeedSource;
  readonly #feed: WatchedFeed;
  #isWritten = false;

  constructor(source: FeedSource) {
    this.#source = source;
    this.#feed = new WatchedFeed({
      paths: source.files,
      intervalMs: lookEveryMs,
      onRead: ({ feed, advisories, skipped, problems, problemCount }) => {
        writeWhole(source.image, feed.toImage(), 0o640);
        this.#isWritten = true;
        source.meter.count('sallyport_malware_feed_reloads_total', { result: 'ok' });
        source.meter.gauge('sallyport_malware_feed_packages', feed.count);
        source.log.info({ packages: feed.count, advisories, skipped }, 'malware feed read');
        if (problemCount > 0)
          source.log.warn({ problems, problemCount }, 'parts of the malware feed cannot be read');
      },
      onError: (error) => {
        source.meter.count('sallyport_malware_feed_reloads_total', { result: 'invalid' });
        const kept = this.#isWritten
          ? 'the last good one stays in force'
          : 'every package counts as malicious';
        source.log.error({ err: error }, `the malware feed cannot be read; ${kept}`);
      },
    });
  }

  /** Reads the feed, and watches it; nothing where no files are named. */
  async start(): Promise<void> {
    if (this.#source.files.length > 0) await this.#feed.start();
  }

  get problem(): string | null {
    const isMissing = this.#source.files.length > 0 && !this.#isWritten;
    return isMissing ? 'the malware feed has not been read' : null;
  }
}

/** What stands for an advisory while there is no feed. */
export const noFeedYet: MalwareLookup = { find: () => 'malware-feed-unavailable' };

/** A worker's side: the last good feed, or what stands for it; null where none is configured. */
export function followFeed(isConfigured: boolean, image: string, log: Logger): () => MalwareLookup | null {
  if (!isConfigured) return () => null;
  let current: MalwareLookup = noFeedYet;
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
  const watch = new FileWatch(() => fingerprint(image), imageLookEveryMs, read);
  read();
  return () => current;
}
