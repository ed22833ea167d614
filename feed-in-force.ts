// Control's side of the malware feed: reads the operator's files, has the feed of a URL fetched, writes one image of each
// for the workers, and says how things stand.

import type { Logger } from 'pino';
import type { Config, Upstream } from './config.ts';
import type { FetchedFeed } from './feed-config.ts';
import type { FeedFromUrl } from './feed-from-url.ts';
import type { Meter } from './flow/ports.ts';
import { WatchedFeed } from './registry/watch-feed.ts';
import { fetchedFeedImage, writeWhole, type StateDirectory } from './store/state-directory.ts';

const lookEveryMs = 2000;
/** What one fetch may take, redirects and all. */
const fetchMs = 900_000;

export interface FeedSource {
  readonly config: Config;
  readonly state: StateDirectory;
  readonly upstreams: readonly Upstream[];
  readonly secrets: FeedSecrets;
  readonly log: Logger;
  readonly meter: Meter;
}

/** What control is told besides the configuration. */
export interface FeedSecrets {
  /** Value of Authorization for the feed's server, or null. */
  readonly authorization: string | null;
  /** `user:secret` for the proxy in front, or null. */
  readonly upstreamProxy: string | null;
}

/** How a fetched feed stands, for `/ready`. */
export interface FeedFacts {
  readonly feed: string;
  readonly packages: number | null;
  /** Since its server last said that it holds. */
  readonly ageSeconds: number | null;
  readonly problem: string | null;
}

export class FeedInForce {
  readonly #source: FeedSource;
  readonly #files: WatchedFeed;
  #fetched: FeedFromUrl | null = null;
  #areFilesRead = false;
  readonly #counts = { files: 0, fetched: 0 };

  constructor(source: FeedSource) {
    this.#source = source;
    this.#files = this.#watchFiles();
  }

  /** Reads the feeds, and watches them; nothing where none is named. */
  async start(): Promise<void> {
    const { files, fetched } = this.#source.config.malware;
    await Promise.all([
      files.length > 0 ? this.#files.start() : null,
      fetched === null ? null : this.#startFetching(fetched),
    ]);
  }

  /** Why the gateway is not ready: what is named could never be read, and that was to block. */
  get problems(): readonly string[] {
    const { files, fetched, untilLoaded } = this.#source.config.malware;
    if (untilLoaded === 'allow') return [];
    return [
      ...(files.length > 0 && !this.#areFilesRead ? ['the malware feed has not been read'] : []),
      ...(fetched !== null && this.#status === null ? ['the malware feed was never fetched'] : []),
    ];
  }

  /** How the fetched feed stands; null where none is named. Its age goes into the metrics. */
  tell(): FeedFacts | null {
    const { fetched } = this.#source.config.malware;
    if (fetched === null) return null;
    const status = this.#status;
    const ageSeconds =
      status === null ? null : Math.max(0, Math.round((Date.now() - status.confirmedMs) / 1000));
    if (ageSeconds !== null) this.#source.meter.gauge('sallyport_malware_feed_age_seconds', ageSeconds);
    const problem = this.#fetched?.problem ?? null;
    return { feed: fetched.shown, packages: status?.packages ?? null, ageSeconds, problem };
  }

  get #status() {
    return this.#fetched?.status ?? null;
  }

  async #startFetching(fetched: FetchedFeed): Promise<void> {
    const { config, state, upstreams, secrets, log } = this.#source;
    const [{ FeedFromUrl }, { feedConnector }] = await Promise.all([
      import('./feed-from-url.ts'),
      import('./feed-connection.ts'),
    ]);
    this.#fetched = new FeedFromUrl({
      request: {
        // Kept from workers alone.
        url: fetched.url!,
        authorization: secrets.authorization,
        maxBytes: fetched.maxBytes,
        limitMs: fetchMs,
        connect: feedConnector({ config, upstreams, proxySecret: secrets.upstreamProxy }),
      },
      shown: fetched.shown,
      image: fetchedFeedImage(state, fetched.id),
      refreshMs: fetched.refreshMs,
      log,
      onAttempt: (result, packages) => this.#count('fetched', result, packages),
    });
    await this.#fetched.start();
  }

  #count(from: 'files' | 'fetched', result: 'ok' | 'same' | 'failed' | 'invalid', packages: number): void {
    const { meter } = this.#source;
    meter.count('sallyport_malware_feed_reloads_total', { result });
    this.#counts[from] = packages;
    meter.gauge('sallyport_malware_feed_packages', this.#counts.files + this.#counts.fetched);
  }

  #watchFiles(): WatchedFeed {
    const { config, state, log } = this.#source;
    return new WatchedFeed({
      paths: config.malware.files,
      intervalMs: lookEveryMs,
      onRead: ({ feed, advisories, skipped, problems, problemCount }) => {
        writeWhole(state.malwareFile, feed.toImage(), 0o640);
        this.#areFilesRead = true;
        this.#count('files', 'ok', feed.count);
        log.info({ packages: feed.count, advisories, skipped }, 'malware feed read');
        if (problemCount > 0)
          log.warn({ problems, problemCount }, 'parts of the malware feed cannot be read');
      },
      onError: (error) => {
        this.#count('files', 'invalid', this.#counts.files);
        const kept = this.#areFilesRead
          ? 'the last good one stays in force'
          : config.malware.untilLoaded === 'allow'
            ? 'no package counts as malicious'
            : 'every package counts as malicious';
        log.error({ err: error }, `the malware feed cannot be read; ${kept}`);
      },
    });
  }
}
