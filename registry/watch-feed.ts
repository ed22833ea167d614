// Keeps a malware feed as its files say: looked at again and again, read anew when one has changed, and the last good one
// kept where they are broken.

import { createHash } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { FeedReading } from './gather-feed.ts';
import type { MalwareFeed } from './malware-feed.ts';
import { readMalwareFeed } from './read-feed.ts';

export interface WatchOptions {
  readonly paths: readonly string[];
  readonly intervalMs: number;
  onRead(reading: FeedReading): void;
  onError(error: unknown): void;
}

const retryMs = 60_000;
/** Files of one folder that are looked at each; of larger folders only whether files came or went. */
const maxStats = 2000;

export class WatchedFeed {
  readonly #options: WatchOptions;
  #timer: NodeJS.Timeout | null = null;
  #signature = '';
  #feed: MalwareFeed | null = null;
  #isStopped = false;
  #failed: { readonly signature: string; readonly atMs: number } | null = null;
  #lastError = '';

  constructor(options: WatchOptions) {
    this.#options = options;
  }

  /** The last feed that could be read, or null before the first. */
  get current(): MalwareFeed | null {
    return this.#feed;
  }

  /** Reads the feed once, then watches it; resolves after the first reading, whether it was good or not. */
  async start(): Promise<void> {
    await this.review();
    this.#wait();
  }

  stop(): void {
    this.#isStopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  /** Looks at the files now, and reads them if they have changed. */
  async review(): Promise<void> {
    try {
      const signature = await signatureOf(this.#options.paths);
      if (signature === this.#signature || this.#hasFailedLately(signature)) return;
      this.#failed = { signature, atMs: performance.now() };
      const reading = await readMalwareFeed(this.#options.paths);
      this.#options.onRead(reading);
      this.#feed = reading.feed;
      // What changed while it was read is read again at the next look.
      this.#signature = signature;
      this.#failed = null;
      this.#lastError = '';
    } catch (error) {
      const text = String(error);
      if (text !== this.#lastError) this.#options.onError(error);
      this.#lastError = text;
    }
  }

  // What could not be read for another reason than its own text is tried again, but not at every look.
  #hasFailedLately(signature: string): boolean {
    return this.#failed?.signature === signature && performance.now() - this.#failed.atMs < retryMs;
  }

  #wait(): void {
    if (this.#isStopped) return;
    this.#timer = setTimeout(() => void this.review().then(() => this.#wait()), this.#options.intervalMs);
    this.#timer.unref();
  }
}

async function signatureOf(paths: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  const add = async (path: string): Promise<void> => {
    const found = await stat(path);
    hash.update(`${path}\0${found.ino}\0${found.size}\0${found.mtimeMs}\n`);
    if (!found.isDirectory()) return;
    const entries = await readdir(path, { withFileTypes: true });
    const isLarge = entries.length > maxStats;
    for (const entry of entries) if (entry.isDirectory() || !isLarge) await add(join(path, entry.name));
  };
  for (const path of paths) await add(path);
  return hash.digest('hex');
}
