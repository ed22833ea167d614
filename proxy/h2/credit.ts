// Window of the client that is kept for our own answers: taken from its own WINDOW_UPDATEs of the connection, so that
// the upstream's view and this pool are never more than the client's window together (RFC 9113 §6.9).

const poolBytes = 4_096;

/** Credit for bodies of refusals. */
export class AnswerCredit {
  #pool = 0;

  /** The client opened the connection's window by so much: what of it goes on to the upstream. */
  skim(increment: number): number {
    const kept = Math.min(poolBytes - this.#pool, increment);
    this.#pool += kept;
    return increment - kept;
  }

  /** Takes credit for a whole body, if there is enough. */
  take(bytes: number): boolean {
    if (bytes > this.#pool) return false;
    this.#pool -= bytes;
    return true;
  }
}
