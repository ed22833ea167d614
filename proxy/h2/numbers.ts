// The numbers of streams on both sides: the client’s own for both, until a request that waited was overtaken, and how
// far either is served once it goes away (RFC 9113 §5.1.1, §6.8).

import { errors, frameHeaderBytes, makeGoaway, makeRstStream, noLastId } from './frames.ts';
import type { Outlet } from './outlet.ts';
import type { Streams } from './streams.ts';
import { numberAt } from './walk.ts';
import type { Fate } from './walk.ts';

/** What one connection has counted. */
export class Numbers {
  /** Highest stream of the client that began, and the highest that is or will be served. */
  maxId = 0;
  lastServedId = noLastId;
  /** Highest number that the upstream has seen. */
  upstreamMaxId = 0;
  isRenumbered = false;
  /** Highest number that the upstream will serve. */
  #lastTakenId = noLastId;
  /** The upstream's GOAWAY, which named a last stream, went to the client. */
  hasUpstreamSaid = false;
  readonly #streams: Streams;
  readonly #toClient: Outlet;

  constructor(streams: Streams, toClient: Outlet) {
    this.#streams = streams;
    this.#toClient = toClient;
  }

  /** The upstream goes away; the client is told with its own numbers (RFC 9113 §6.8). */
  takeGoaway(bytes: Buffer, at: number, length: number): Fate {
    const last = numberAt(bytes, at + frameHeaderBytes) & 0x7fff_ffff;
    const code = numberAt(bytes, at + frameHeaderBytes + 4);
    const lastServed = this.#streams.lastServedBy(last, this.isRenumbered);
    for (const id of this.isRenumbered ? this.#streams.servedAbove(last, lastServed) : []) {
      this.#toClient.inject(makeRstStream(id, errors.refusedStream));
    }
    this.lastServedId = Math.min(this.lastServedId, lastServed);
    this.#lastTakenId = Math.min(this.#lastTakenId, last);
    this.#streams.abandonAbove(last);
    this.hasUpstreamSaid = last < noLastId;
    // Debug data of a server is for nobody here.
    return length === 8 && !this.isRenumbered ? true : makeGoaway(this.lastServedId, code);
  }

  // One that went later has a higher number already (RFC 9113 §5.1.1): from then on the two sides count apart.
  #upstreamIdOf(id: number): number {
    return this.isRenumbered || id < this.upstreamMaxId ? this.upstreamMaxId + 2 : id;
  }

  /** False when the upstream, which goes away, would not serve this stream, or no number is left for it. */
  mayForward(id: number): boolean {
    return this.#upstreamIdOf(id) <= this.#lastTakenId;
  }

  /** The number by which the upstream gets to know the client's stream, which mayForward has let. */
  next(id: number): number {
    const next = this.#upstreamIdOf(id);
    if (next !== id && !this.isRenumbered) {
      this.isRenumbered = true;
      this.#streams.renumber();
    }
    this.upstreamMaxId = next;
    return next;
  }
}
