// How much is answered at the same time: whoever asks for much and reads slowly, on many connections, would fill the memory.

import type { ServerResponse } from 'node:http';
import type { Actor } from './auth/role.ts';
import { ProblemError } from './problem.ts';

export interface RoomLimits {
  readonly inAll: number;
  readonly ofOne: number;
}

/** What is held, in whatever it is counted by: in all, and of each caller. */
export class AnswerRoom {
  readonly #limits: RoomLimits;
  readonly #ofOne = new Map<string, number>();
  #inAll = 0;

  constructor(limits: RoomLimits) {
    this.#limits = limits;
  }

  /** Holds so much until the answer is called, which is to be called once. @throws ProblemError rate-limit: there is no room */
  take(actor: Actor | null, size: number): () => void {
    const who = actor?.name ?? '';
    const own = (this.#ofOne.get(who) ?? 0) + size;
    if (own > this.#limits.ofOne || this.#inAll + size > this.#limits.inAll)
      throw new ProblemError('rate-limit', 'too much is being answered already', { 'retry-after': '5' });
    this.#inAll += size;
    this.#ofOne.set(who, own);
    return () => this.#give(who, size);
  }

  /** Holds so much until a response is over. @throws ProblemError rate-limit */
  hold(actor: Actor | null, size: number, response: ServerResponse): void {
    if (response.closed) return;
    response.once('close', this.take(actor, size));
  }

  #give(who: string, size: number): void {
    this.#inAll -= size;
    const left = (this.#ofOne.get(who) ?? 0) - size;
    if (left > 0) this.#ofOne.set(who, left);
    else this.#ofOne.delete(who);
  }
}

/** Things that are gathered for answers longer than a page. */
export const gathered = new AnswerRoom({ inAll: 80_000, ofOne: 40_000 });
