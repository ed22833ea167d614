// A request of HTTP/1 that waits for its own body: how much of what is gathered belongs to it, and what it comes to.

import type { Held, HoldLimits } from '../flow/held.ts';
import { dechunk } from './dechunk.ts';
import { byChunks, byLength } from './framing.ts';
import type { Framer } from './framing.ts';
import type { RequestHead } from './head.ts';
import { Hold } from './hold.ts';

/** Follows the body without taking it: the very bytes go on once it is decided. */
export class HeldBody {
  readonly #limits: HoldLimits;
  readonly #coding: string;
  readonly #isChunked: boolean;
  readonly #framer: Framer;
  #seen = 0;
  /** Its decision is being made. */
  isDeciding = false;

  constructor(head: RequestHead, coding: string, limits: HoldLimits) {
    this.#limits = limits;
    this.#coding = coding;
    this.#isChunked = head.bodyBytes < 0;
    this.#framer = this.#isChunked ? byChunks() : byLength(head.bodyBytes);
  }

  /** The body is all there. */
  get isWhole(): boolean {
    return this.#framer.isDone;
  }

  /** Looks at what was gathered since; `ready` when it can be decided, `broken` when it is no body. */
  follow(gathered: Buffer): 'more' | 'ready' | 'broken' {
    const end = this.#framer.feed(gathered, this.#seen);
    if (end < 0) return 'broken';
    this.#seen = end;
    if (this.#framer.isDone) return 'ready';
    return gathered.length > this.#limits.maxBytes ? 'ready' : 'more';
  }

  /** What the body came to. Called once, and rejected never. */
  decode(gathered: Buffer): Promise<Held> {
    this.isDeciding = true;
    const hold = new Hold(this.#limits, this.#coding);
    const raw = gathered.subarray(0, this.#seen);
    if (this.isWhole) {
      hold.push(this.#isChunked ? dechunk(raw) : raw);
      return hold.end();
    }
    const detail = 'the body is larger than what is held';
    return Promise.resolve({ kind: 'opaque', detail, raw: [raw] });
  }
}
