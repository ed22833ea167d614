// How a fetched malware feed stands: kept by control beside its image, read by its next start and by `check`.

import { readFileSync } from 'node:fs';
import type { Config } from './config.ts';
import type { Validators } from './registry/fetch-feed.ts';
import { fetchedFeedImage, statePaths } from './store/state-directory.ts';

/** What is known of the feed in force; kept beside its image, and told to the operator. */
export interface FeedStatus extends Validators {
  /** Of the whole URL: its validators speak of no other one. */
  readonly source: string;
  readonly packages: number;
  /** The most that it ever named. */
  readonly most: number;
  /** When it was taken, and when its server last said that it still holds, in milliseconds since 1970. */
  readonly takenMs: number;
  readonly confirmedMs: number;
  /** Why the last attempt came to nothing; null when it did not. */
  readonly problem: string | null;
}

/** Beside the image: `malware-<id>.json`. */
export function statusFile(image: string): string {
  return image.replace(/\.current$/, '.json');
}

/** Reads what an earlier control kept; null when there is nothing, or nothing readable. */
export function readFeedStatus(image: string): FeedStatus | null {
  try {
    const value: unknown = JSON.parse(readFileSync(statusFile(image), 'utf8'));
    // Control is the only writer of this file; its shape is FeedStatus.
    return typeof value === 'object' && value !== null && 'confirmedMs' in value
      ? (value as FeedStatus)
      : null;
  } catch {
    return null;
  }
}

/** The same in a sentence for whoever checks a configuration; empty where no feed is fetched. */
export function tellFeed({ state, malware }: Config, nowMs: number): readonly string[] {
  const { fetched, untilLoaded } = malware;
  if (fetched === null) return [];
  const status = readFeedStatus(fetchedFeedImage(statePaths(state), fetched.id));
  const effect =
    untilLoaded === 'allow' ? 'no package counts as malicious' : 'every package counts as malicious';
  if (status === null) return [`malware feed ${fetched.shown}: never fetched; ${effect} until it is`];
  const age = tellAge(Math.max(0, nowMs - status.confirmedMs));
  const problem = status.problem === null ? '' : `; the last attempt came to nothing: ${status.problem}`;
  return [`malware feed ${fetched.shown}: ${status.packages} packages, confirmed ${age} ago${problem}`];
}

function tellAge(ms: number): string {
  const minutes = Math.floor(ms / 60_000);
  return minutes < 120
    ? `${minutes} min`
    : minutes < 2880
      ? `${Math.floor(minutes / 60)} h`
      : `${Math.floor(minutes / 1440)} days`;
}
