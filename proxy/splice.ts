// Relays two sockets unread, both ways, with backpressure and half-close: pass-through, upgrades, unknown protocols.

import type { Socket } from 'node:net';
import type { Carrier, Connection } from './connection.ts';
import type { Reason } from '../flow/reason.ts';
import type { PacedReader } from './pace.ts';
import { stuckBytes } from './stuck-bytes.ts';
import type { Upstream, UpstreamOwner } from './upstream.ts';

/** Bytes of a tunnel, told before they pass: a reason ends it, and they do not. */
export interface TunnelCount {
  sent(bytes: Buffer): Reason | null;
  received(bytes: Buffer): Reason | null;
  /** Once, when the tunnel is over. */
  over(reason: Reason | null): void;
}

/** Joins the client's stream with an upstream until either ends. The client's data listeners are ours. */
export class Splice implements Carrier, UpstreamOwner {
  readonly #connection: Connection;
  readonly #client: Socket;
  readonly #reader: PacedReader;
  readonly #upstream: Upstream;
  readonly #count: TunnelCount;
  readonly #mustEnd: () => Reason | null;
  #isOver = false;

  constructor(
    connection: Connection,
    client: Socket,
    upstream: Upstream,
    count: TunnelCount,
    mustEnd: () => Reason | null,
  ) {
    this.#connection = connection;
    this.#client = client;
    this.#reader = connection.core.pace.readerOf(client, connection.runner);
    this.#upstream = upstream;
    this.#count = count;
    this.#mustEnd = mustEnd;
  }

  /** Starts with bytes that were read already from either side. */
  start(fromClient: Buffer | null, fromUpstream: Buffer | null): void {
    this.#upstream.owner = this;
    // It would keep the policy of this hour alive for as long as the tunnel lasts.
    this.#upstream.check = null;
    this.#connection.carrier = this;
    this.#connection.settle();
    this.#touch();
    this.#client.on('data', (bytes: Buffer) => {
      this.#fromClient(bytes);
      this.#reader.took(bytes.length);
    });
    this.#client.on('end', () => this.#upstream.socket.end());
    this.#client.on('drain', () => {
      this.#countKept();
      this.#upstream.reader.release();
    });
    if (fromClient !== null && fromClient.length > 0) this.#fromClient(fromClient);
    if (fromUpstream !== null && fromUpstream.length > 0 && !this.#isOver) this.onUpstreamData(fromUpstream);
    if (this.#isOver) return;
    this.#reader.release();
    this.#upstream.reader.release();
  }

  #fromClient(bytes: Buffer): void {
    const broken = this.#count.sent(bytes);
    if (broken !== null) return this.#connection.abort(broken);
    this.#touch();
    if (this.#upstream.socket.write(bytes)) return;
    this.#reader.hold();
    this.#countKept();
  }

  onUpstreamData(bytes: Buffer): void {
    const broken = this.#count.received(bytes);
    if (broken !== null) return this.#connection.abort(broken);
    this.#touch();
    if (this.#client.write(bytes)) return;
    this.#upstream.reader.hold();
    this.#countKept();
  }

  onUpstreamDrain(): void {
    this.#countKept();
    this.#reader.release();
  }

  onUpstreamEnd(error: Error | null): void {
    if (error !== null) return this.#connection.abort('upstream-closed');
    // What was written before is flushed; the client then ends its own side, or the deadline does.
    this.#client.end();
    this.#connection.setDeadline(this.#connection.core.limits.lingerMs);
    if (this.#client.readableEnded) this.#client.destroySoon();
  }

  #countKept(): void {
    const limit = this.#connection.keep(stuckBytes(this.#client) + stuckBytes(this.#upstream.socket));
    if (limit !== null) this.#connection.abort(limit);
  }

  #touch(): void {
    // A client may not hold what has ended by going on to send.
    if (this.#upstream.isOver) return;
    this.#connection.setDeadline(this.#connection.core.limits.tunnelIdleMs);
  }

  expire(): void {
    this.#connection.abort('timeout');
  }

  mustEnd(): Reason | null {
    return this.#mustEnd();
  }

  isIdle(): boolean {
    return false;
  }

  gone(reason: Reason): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#upstream.destroy();
    this.#count.over(reason === 'client-closed' ? null : reason);
  }
}
