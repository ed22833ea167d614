// GOAWAY in two steps (RFC 9113 §6.8): first without a last stream, so that the client stops opening more; the real
// last one follows when the client has answered our PING, or after a while.

import { randomBytes } from 'node:crypto';
import { errors, makeGoaway, makePing, noLastId } from './frames.ts';
import type { Http2Relay } from './relay.ts';

// What a slow client had sent before it read the first step still counts: it is the PING that tells, time only gives up.
const graceMs = 10_000;

/** The end of a connection that is not to be cut. */
export class Goodbye {
  readonly #relay: Http2Relay;
  #payload: Buffer | null = null;
  #saidAtMs = 0;
  /** The last stream is fixed. */
  isSaid = false;

  constructor(relay: Http2Relay) {
    this.#relay = relay;
  }

  get isStarted(): boolean {
    return this.#payload !== null || this.isSaid;
  }

  start(): void {
    if (this.isStarted) return;
    const { connection, toClient } = this.#relay;
    this.#payload = randomBytes(8);
    this.#saidAtMs = connection.core.nowMs;
    toClient.inject(makeGoaway(noLastId, errors.none));
    toClient.inject(makePing(this.#payload));
  }

  /** True when this acknowledgement is of the PING that went with the first step. */
  takeAck(bytes: Buffer, at: number): boolean {
    const payload = this.#payload;
    if (payload === null || payload.compare(bytes, at, at + 8) !== 0) return false;
    this.#finish();
    return true;
  }

  sweep(): void {
    if (this.#payload !== null && this.#relay.connection.core.nowMs - this.#saidAtMs > graceMs)
      this.#finish();
  }

  #finish(): void {
    if (this.isSaid) return;
    const relay = this.#relay;
    this.isSaid = true;
    relay.numbers.lastServedId = Math.min(relay.numbers.lastServedId, relay.numbers.maxId);
    relay.toClient.inject(makeGoaway(relay.numbers.lastServedId, errors.none));
  }
}
