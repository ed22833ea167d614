// The log of a GitLab job as its runner sends it, piece after piece: each says by Content-Range where it belongs, so that
// what is cut between two of them is found all the same.

import { LRUCache } from 'lru-cache';
import type { AskedRequest, Understanding } from '../../flow/asked-request.ts';
import { watchLog, type LogWatcher } from '../logs/watch-log.ts';

const maxTraces = 512;

interface Trace {
  readonly watcher: LogWatcher;
  /** Where the next piece begins. */
  next: number;
}

/** Logs that go on; one for each server. */
export class Traces {
  readonly #traces = new LRUCache<string, Trace>({ max: maxTraces });

  /** What a call means, with a reader of its body where that is a log (docs.gitlab.com, “Jobs”: append to a trace). */
  watch(meaning: Understanding, request: AskedRequest, jobId: string): Understanding {
    const range = /^(\d{1,15})-(\d{1,15})(?:\/|$)/.exec(request.header('content-range') ?? '');
    if (range === null) return { ...meaning, watch: watchLog() };
    const [from, next] = [Number(range[1]), Number(range[2]) + 1];
    const known = this.#traces.get(jobId);
    const watcher = known?.next === from && known.watcher.isWaiting ? known.watcher : watchLog({ from });
    this.#traces.set(jobId, { watcher, next });
    return { ...meaning, watch: watcher };
  }
}
