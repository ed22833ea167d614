// The malware feed of `malware.url` in control: fetched again and again, taken only when it is whole and no smaller than
// half of what is known, kept on disk for the next start.

import { createHash } from 'node:crypto';
import { readFileSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { fetchFeed, type FeedRequest, type Validators } from './registry/fetch-feed.ts';
import { readFeedStatus, statusFile, type FeedStatus } from './feed-status.ts';
import type { FeedReading } from './registry/gather-feed.ts';
import { openFeedImage } from './registry/malware-feed.ts';
import { readFeedFile } from './registry/read-feed-file.ts';
import { writeWhole } from './store/state-directory.ts';

export interface FeedUrlOptions {
  /** Without where it goes, which is ours to say. */
  readonly request: Omit<FeedRequest, 'previous' | 'path'>;
  /** For people. */
  readonly shown: string;
  readonly image: string;
  readonly refreshMs: number;
  readonly log: Logger;
  /** Called with `ok`, `same` or `failed` after each attempt. */
  onAttempt(result: 'ok' | 'same' | 'failed', packages: number): void;
}

const retryMs = { first: 60_000, most: 3_600_000 } as const;
/** Below so many packages a feed may lose more than half of them. */
const fewPackages = 10;

export class FeedFromUrl {
  readonly #options: FeedUrlOptions;
  readonly #source: string;
  readonly #stopped = new AbortController();
  #status: FeedStatus | null = null;
  #failures = 0;
  #lastProblem: string | null = null;

  constructor(options: FeedUrlOptions) {
    this.#options = options;
    this.#source = createHash('sha256').update(options.request.url).digest('hex');
  }

  /** The feed in force, or null: there never was one. */
  get status(): FeedStatus | null {
    return this.#status;
  }

  /** Why the last attempt came to nothing, or null. */
  get problem(): string | null {
    return this.#lastProblem;
  }

  /** Takes the kept copy, then fetches until stopped; resolves after the first attempt. */
  async start(): Promise<void> {
    this.#takeKept();
    await this.refresh();
    void this.#again();
  }

  stop(): void {
    this.#stopped.abort();
  }

  /** Fetches once. Never rejects: what is in force stays where nothing better came. */
  async refresh(): Promise<void> {
    const { image, request, log, shown, onAttempt } = this.#options;
    const path = `${image}.download`;
    try {
      const isSameUrl = this.#status?.source === this.#source;
      const previous = this.#status !== null && isSameUrl ? this.#status : null;
      const fetched = await fetchFeed({ ...request, previous, path });
      if (fetched.kind === 'same')
        this.#keepStatus({ ...this.#status!, confirmedMs: Date.now(), problem: null });
      else this.#take(await readFeedFile(fetched.path), fetched);
      this.#failures = 0;
      this.#lastProblem = null;
      onAttempt(fetched.kind === 'same' ? 'same' : 'ok', this.#status?.packages ?? 0);
    } catch (error) {
      this.#failures++;
      const problem = error instanceof Error ? error.message : String(error);
      if (problem !== this.#lastProblem) log.error({ feed: shown, problem }, this.#kept());
      this.#lastProblem = problem;
      if (this.#status !== null) this.#keepStatus({ ...this.#status, problem });
      onAttempt('failed', this.#status?.packages ?? 0);
    } finally {
      rmSync(path, { force: true });
    }
  }

  #kept(): string {
    return this.#status === null
      ? 'the malware feed could not be loaded, and there is no earlier one'
      : 'the malware feed could not be loaded; the last good one stays in force';
  }

  #take(reading: FeedReading, { etag, lastModified }: Validators): void {
    const { image, log, shown } = this.#options;
    const { feed, advisories, skipped, problems, problemCount } = reading;
    // The most that it ever named: it must not shrink to nothing by small steps either.
    const known = this.#status?.most ?? 0;
    if (known >= fewPackages && feed.count * 2 < known) {
      throw new Error(
        `the malware feed is not taken: it names ${feed.count} packages where it once named ${known}; ` +
          `stop the gateway and remove ${image} to take it all the same`,
      );
    }
    writeWhole(image, feed.toImage(), 0o640);
    const now = Date.now();
    const times = { takenMs: now, confirmedMs: now, problem: null };
    const counts = { packages: feed.count, most: Math.max(known, feed.count) };
    this.#keepStatus({ source: this.#source, ...counts, etag, lastModified, ...times });
    log.info({ feed: shown, packages: feed.count, advisories, skipped }, 'malware feed read');
    if (problemCount > 0) log.warn({ problems, problemCount }, 'parts of the malware feed cannot be read');
  }

  #keepStatus(status: FeedStatus): void {
    this.#status = status;
    try {
      writeWhole(statusFile(this.#options.image), JSON.stringify(status), 0o640);
    } catch (error) {
      // The next start then fetches anew; what is in force stays so.
      this.#options.log.warn({ err: error }, 'what is known of the malware feed cannot be written');
    }
  }

  /** What an earlier start left, if it is whole; copies of other feeds go. */
  #takeKept(): void {
    const { image, log, shown, onAttempt } = this.#options;
    removeOthers(image);
    const status = readFeedStatus(image);
    const feed = status === null ? null : tryOpen(image);
    if (status === null || feed === null) {
      // Workers must not go on with what control does not know.
      for (const file of [image, statusFile(image)]) rmSync(file, { force: true });
      return;
    }
    this.#status = { ...status, packages: feed.count, most: Math.max(status.most, feed.count) };
    log.info(
      { feed: shown, packages: feed.count, confirmedMs: status.confirmedMs },
      'kept malware feed in force',
    );
    onAttempt('same', feed.count);
  }

  async #again(): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      const waitMs =
        this.#failures === 0 ? this.#options.refreshMs : retryAfter(this.#failures, this.#options.refreshMs);
      // Gateways that started together do not ask together.
      await sleep(waitMs * (0.9 + Math.random() * 0.2), undefined, { signal, ref: false }).catch(
        () => undefined,
      );
      if (!signal.aborted) await this.refresh();
    }
  }
}

function retryAfter(failures: number, refreshMs: number): number {
  return Math.min(refreshMs, retryMs.most, retryMs.first * 2 ** Math.min(failures - 1, 16));
}

function tryOpen(image: string) {
  try {
    return openFeedImage(readFileSync(image));
  } catch {
    return null;
  }
}

function removeOthers(image: string): void {
  const folder = dirname(image);
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (/^malware-[0-9a-f]{12}\./.test(name) && path !== image && path !== statusFile(image))
      rmSync(path, { force: true });
  }
}
