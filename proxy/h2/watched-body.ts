// The body of a stream that is read along: payload of its DATA frames without their padding (RFC 9113 §6.1).

import type { BodyWatcher } from '../../flow/asked-request.ts';
import { BodyWatching, type Watched } from '../body-watching.ts';
import { Payload } from './payload.ts';

/** One body on its way to the upstream. */
export class WatchedBody {
  readonly payload = new Payload();
  readonly watching: BodyWatching;

  constructor(watched: Watched, watcher: BodyWatcher, coding: string | null) {
    this.watching = new BodyWatching(watched, watcher, coding, false);
  }

  /** A piece of a DATA frame, padding included. */
  send(bytes: Buffer, start: number, end: number): void {
    this.payload.cut(start, end);
    this.watching.push(bytes, this.payload.from, this.payload.to);
  }
}
