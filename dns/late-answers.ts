// Answers to questions that had to wait, gathered until the event loop has seen what else has come and then sent
// together: under load an answer of its own would wake its reader each time.

import { batchSize } from './udp-drain.ts';
import type { Drain } from './udp-drain.ts';

export class LateAnswers {
  readonly #drain: Drain;
  readonly #fd: () => number;
  #count = 0;

  /** The drain is for nothing else; `fd` answers -1 when the socket is closed. */
  constructor(drain: Drain, fd: () => number) {
    this.#drain = drain;
    this.#fd = fd;
  }

  /** Takes an answer over UDP (at most 1232 bytes; copied) for a socket address. */
  add(answer: Uint8Array, name: Uint8Array): void {
    const slot = this.#count++;
    if (slot === 0) setImmediate(() => this.#flush());
    this.#drain.answers[slot]!.set(answer);
    this.#drain.nameOf(slot).set(name);
    this.#drain.queue(slot, answer.length);
    if (this.#count === batchSize) this.#flush();
  }

  #flush(): void {
    if (this.#count === 0) return;
    this.#count = 0;
    const fd = this.#fd();
    if (fd >= 0) this.#drain.flush(fd);
    else this.#drain.clear();
  }
}
