// How much of one round of the event loop the bytes of one runner may take: large bodies of many connections are read a
// few at a time, by turns, so that whatever else has come need not wait for all of them.

import type { Socket } from 'node:net';

/** About half a millisecond of work. */
const bytesPerRound = 262_144;
/** Each is read at most 64 KB or so before it waits again. */
const readersPerRound = 4;

interface Spent {
  round: number;
  bytes: number;
  /** Sockets that are not read for now, in the order in which they go on. */
  readonly waiting: Set<PacedReader>;
}

/** Counts what is read for each runner. Nobody waits while there is no other runner. */
export class Pace {
  readonly #isShared: () => boolean;
  readonly #runners = new Map<string, Spent>();
  readonly #readers = new WeakMap<Socket, PacedReader>();
  #round = 0;
  #isScheduled = false;

  constructor(isShared: () => boolean) {
    this.#isShared = isShared;
  }

  /** The one reader of a socket. */
  readerOf(socket: Socket, runner: string): PacedReader {
    const known = this.#readers.get(socket);
    if (known !== undefined) return known;
    const reader = new PacedReader(this, socket, runner);
    this.#readers.set(socket, reader);
    return reader;
  }

  /** So many bytes were read; true when the socket that they came from waits for its turn from now on. */
  mustWait(runner: string, bytes: number, reader: PacedReader): boolean {
    if (!this.#isShared()) return false;
    let spent = this.#runners.get(runner);
    if (spent === undefined) {
      spent = { round: this.#round, bytes: 0, waiting: new Set() };
      this.#runners.set(runner, spent);
    }
    if (spent.round !== this.#round) Object.assign(spent, { round: this.#round, bytes: 0 });
    spent.bytes += bytes;
    this.#schedule();
    if (spent.bytes < bytesPerRound) return false;
    spent.waiting.add(reader);
    return true;
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => this.#next());
  }

  #next(): void {
    this.#isScheduled = false;
    this.#round++;
    for (const [runner, { waiting }] of this.#runners) {
      if (waiting.size === 0) this.#runners.delete(runner);
      let left = readersPerRound;
      for (const reader of waiting) {
        if (left-- === 0) break;
        waiting.delete(reader);
        reader.go();
      }
    }
    if (this.#runners.size > 0) this.#schedule();
  }
}

/** One side's socket: read unless whoever takes its bytes has no room, or it waits for its turn. */
export class PacedReader {
  readonly #pace: Pace;
  readonly #socket: Socket;
  readonly #runner: string;
  #isHeld = false;
  #isWaiting = false;

  constructor(pace: Pace, socket: Socket, runner: string) {
    this.#pace = pace;
    this.#socket = socket;
    this.#runner = runner;
  }

  /** Told of every read. */
  took(bytes: number): void {
    if (this.#isWaiting || !this.#pace.mustWait(this.#runner, bytes, this)) return;
    this.#isWaiting = true;
    this.#socket.pause();
  }

  /** Nothing more is taken until `release`. */
  hold(): void {
    this.#isHeld = true;
    this.#socket.pause();
  }

  release(): void {
    this.#isHeld = false;
    if (!this.#isWaiting) this.#socket.resume();
  }

  /** It is its turn. */
  go(): void {
    this.#isWaiting = false;
    if (!this.#isHeld && !this.#socket.destroyed) this.#socket.resume();
  }
}
