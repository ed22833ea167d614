// Relays one client connection that speaks HTTP/2 to one upstream connection, frame by frame: stream ids, windows,
// SETTINGS and header tables are end to end. Owns the life of both: backpressure, deadlines, GOAWAY, the end.

import type { Socket } from 'node:net';
import type { Mode } from '../../flow/decision.ts';
import type { Reason } from '../../flow/reason.ts';
import type { Carrier, Connection } from '../connection.ts';
import { followedMethods, grantHolder, joinQuery } from '../follow.ts';
import { Gather } from '../gather.ts';
import type { AddressCheck } from '../address-check.ts';
import type { Judgement } from '../judge.ts';
import type { PacedReader } from '../pace.ts';
import { handOverRecords } from '../record.ts';
import { stuckBytes } from '../stuck-bytes.ts';
import type { Upstream, UpstreamOwner } from '../upstream.ts';
import { emptySettings, errors, makeGoaway, makeRstStream, makeWindowUpdate, preface } from './frames.ts';
import { FromClient } from './from-client.ts';
import { FromUpstream } from './from-upstream.ts';
import { Holding } from './holding.ts';
import { Goodbye } from './goodbye.ts';
import { Outlet } from './outlet.ts';
import { recordMalformed } from './malformed.ts';
import { Numbers } from './numbers.ts';
import { Announced } from './settings.ts';
import type { Stream } from './stream.ts';
import { Streams } from './streams.ts';
import { Tables } from './tables.ts';
import { atEndOfTurn } from './turn.ts';
import type { Leaving } from './turn.ts';
import { Walker } from './walk.ts';

// Answers, refunds and resets that a client does not read: it is read no further before it has.
const maxUnreadBytes = 262_144;
const sweepMs = 1_000;
/** About what a stream takes that is over and remembered. */
const rememberedBytes = 2_048;
/** Of WINDOW_UPDATE (RFC 9113 §6.9). */
const maxIncrement = 0x7fff_ffff;

/** Carries the client's stream (TLS done, h2 chosen) to the upstream, which is nobody else's, until either ends. */
export function startHttp2(connection: Connection, client: Socket, upstream: Upstream): void {
  new Http2Relay(connection, client, upstream).start();
}

/** Both sides of one relayed connection. */
export class Http2Relay implements Carrier, UpstreamOwner, Leaving {
  readonly connection: Connection;
  readonly client: Socket;
  readonly upstream: Upstream;
  readonly #reader: PacedReader;
  readonly toClient: Outlet;
  readonly toUpstream: Outlet;
  readonly clientSettings = new Announced(true);
  readonly serverSettings = new Announced(false);
  readonly requestTables = new Tables();
  readonly answerTables = new Tables();
  readonly streams: Streams;
  readonly holding: Holding;
  readonly goodbye: Goodbye;
  readonly numbers: Numbers;
  /** WebSockets that began: their bytes are followed. */
  webSockets = 0;
  /** Bodies that were read along. */
  watchedBodies = 0;
  /** Frames are taken no more; what is written still leaves. */
  isOver = false;
  readonly #fromClient: Walker;
  readonly #fromUpstream: Walker;
  readonly #preface = new Gather();
  #isGreeted = false;
  #check: AddressCheck | null = null;
  #waitsForUpstream = false;
  #waitsForClient = false;
  /** Since when each side's frame is incomplete. */
  #clientPartMs = Number.POSITIVE_INFINITY;
  #upstreamRefund = 0;
  #isLeaving = false;
  #hasOpened = false;
  #mustRecord = false;
  /** When a stream was open last. */
  #lastUsedMs: number;

  constructor(connection: Connection, client: Socket, upstream: Upstream) {
    this.connection = connection;
    this.client = client;
    this.upstream = upstream;
    this.#reader = connection.core.pace.readerOf(client, connection.runner);
    this.toClient = new Outlet(client);
    this.toUpstream = new Outlet(upstream.socket);
    this.holding = new Holding(this);
    this.streams = new Streams(this);
    this.numbers = new Numbers(this.streams, this.toClient);
    this.goodbye = new Goodbye(this);
    this.#fromClient = new Walker(new FromClient(this), this.toUpstream);
    this.#fromUpstream = new Walker(new FromUpstream(this), this.toClient);
    this.#lastUsedMs = connection.core.nowMs;
    this.#clientPartMs = connection.core.nowMs;
  }

  start(): void {
    const { client, connection, upstream } = this;
    const { core } = connection;
    connection.carrier = this;
    upstream.owner = this;
    upstream.uses++;
    this.#check = upstream.check;
    connection.setDeadline(this.#sweepMs);
    client.on('data', (bytes: Buffer) => {
      core.guard(connection, () => this.#onClientData(bytes));
      this.#reader.took(bytes.length);
    });
    client.on('end', () => core.guard(connection, () => this.#onClientEnd()));
    client.on('drain', () => core.guard(connection, () => this.#onClientDrain()));
    if (upstream.isOver) return this.onUpstreamEnd(null);
    this.#reader.release();
    upstream.reader.release();
  }

  get #sweepMs(): number {
    const { bodyIdleMs, firstByteMs, headMs, idleMs } = this.connection.core.limits;
    return Math.min(sweepMs, bodyIdleMs / 4, firstByteMs / 4, headMs / 4, idleMs / 4);
  }

  #onClientData(bytes: Buffer): void {
    this.connection.sentBytes += bytes.length;
    if (this.isOver) return;
    const frames = this.#isGreeted ? bytes : this.#greet(bytes);
    if (frames === null) return;
    this.#fromClient.feed(frames);
    if (this.#fromClient.gatheredBytes === 0) this.#clientPartMs = Number.POSITIVE_INFINITY;
    else if (this.#fromClient.hasMoved || this.#clientPartMs === Number.POSITIVE_INFINITY)
      this.#clientPartMs = this.connection.core.nowMs;
    this.#leaveLater();
  }

  /** The client's first bytes; what follows its preface, or null. */
  #greet(bytes: Buffer): Buffer | null {
    const gathered = this.#preface.push(bytes);
    const known = Math.min(gathered.length, preface.length);
    if (gathered.compare(preface, 0, known, 0, known) !== 0) {
      this.failClient(errors.protocol, 'h2-protocol');
      return null;
    }
    if (known < preface.length) {
      this.#clientPartMs = Math.min(this.#clientPartMs, this.connection.core.nowMs);
      return null;
    }
    this.#preface.take();
    this.#isGreeted = true;
    this.toUpstream.isReady = true;
    this.toUpstream.pass(preface, 0, preface.length);
    return gathered.subarray(preface.length);
  }

  /** A record of a stream that was decided in this mode waits to be written. */
  noteOpened(mode: Mode): void {
    this.#hasOpened = true;
    this.#lastUsedMs = this.connection.core.nowMs;
    this.#mustRecord ||= mode === 'block';
  }

  /** False when the records of what was opened could not be written, and nothing of it may leave. */
  #handOver(): boolean {
    if (!this.#hasOpened) return true;
    const isWritten = handOverRecords(this.connection.core.ports) || !this.#mustRecord;
    this.#hasOpened = false;
    this.#mustRecord = false;
    return isWritten;
  }

  #leaveLater(): void {
    if (this.#isLeaving || this.isOver) return;
    this.#isLeaving = true;
    atEndOfTurn(this);
  }

  leave(): void {
    this.#isLeaving = false;
    if (!this.isOver) this.connection.core.guard(this.connection, () => this.flush());
  }

  /** Everything that what arrived led to, both ways, and whoever cannot take it is waited for. */
  flush(): void {
    // What goes to the upstream is one run of bytes: where a record of it is missing, all of it stays here.
    if (!this.#handOver()) {
      this.connection.ended ??= 'record-unavailable';
      return this.#loseUpstream('record-unavailable');
    }
    this.streams.refund();
    this.#endIfDone();
    if (this.#upstreamRefund > 0 && !this.toUpstream.isInFrame) {
      const increment = Math.min(this.#upstreamRefund, maxIncrement);
      this.toUpstream.inject(makeWindowUpdate(0, increment));
      this.#upstreamRefund -= increment;
    }
    const isUpstreamFree = this.upstream.isOver || this.toUpstream.flush();
    const isClientFree = this.toClient.flush((size) => (this.connection.receivedBytes += size));
    this.#waitsForUpstream = !isUpstreamFree;
    this.#waitsForClient = this.client.writableLength > maxUnreadBytes;
    if (this.#waitsForUpstream || this.#waitsForClient) this.#reader.hold();
    if (!isClientFree) this.upstream.reader.hold();
    this.#countKept();
  }

  #countKept(): void {
    const waiting = stuckBytes(this.client) + stuckBytes(this.upstream.socket) + this.toClient.waitingBytes;
    const gathered = this.#fromClient.gatheredBytes + this.#fromUpstream.gatheredBytes;
    const remembered = this.streams.remembered * rememberedBytes;
    const held = this.holding.bytes + this.streams.readBytes;
    const limit = this.connection.keep(waiting + gathered + held + remembered);
    if (limit !== null) this.connection.abort(limit);
  }

  #onClientDrain(): void {
    this.#waitsForClient = false;
    this.#countKept();
    this.upstream.reader.release();
    this.#resumeClient();
  }

  onUpstreamDrain(): void {
    this.#waitsForUpstream = false;
    this.#countKept();
    this.#resumeClient();
  }

  #resumeClient(): void {
    if (!this.#waitsForClient && !this.#waitsForUpstream) this.#reader.release();
  }

  onUpstreamData(bytes: Buffer): void {
    if (this.isOver) return;
    this.connection.core.guard(this.connection, () => {
      this.#fromUpstream.feed(bytes);
      // Nothing of ours may come before the server's own SETTINGS (RFC 9113 §3.4).
      if (this.serverSettings.isKnown) this.toClient.isReady = true;
      this.#leaveLater();
    });
  }

  /** Why the upstream's address may not serve this request, or null. Asked anew only where the answer may differ. */
  addressReason(judgement: Judgement): Reason | null {
    const { connection, upstream } = this;
    const port = judgement.query?.port ?? connection.port;
    const check = connection.addressCheck(judgement.allowed, port);
    if (check === this.#check) return null;
    if (this.#check === null || !check.isSame(this.#check)) {
      const reason = check.reason(upstream.address);
      if (reason !== null) return reason;
    }
    this.#check = check;
    return null;
  }

  follow(stream: Stream, location: string, status: number): void {
    const { follow, query, search } = stream.judgement;
    if (follow === null || query === null) return;
    const base = { host: query.host, port: query.port, pathAndQuery: joinQuery(query.path, search) };
    const holder = grantHolder(stream.attribution, stream.runner);
    const methods = followedMethods(status, query.method, follow);
    this.connection.core.grants.open(holder, location, base, follow, methods);
  }

  /** A request that cannot be read as one: recorded, and reset. */
  refuseMalformed(id: number, reason: Reason, sentBytes: number): void {
    recordMalformed(this.connection, reason, sentBytes);
    this.toClient.inject(makeRstStream(id, errors.protocol));
  }

  /** Window of the connection for what the upstream sent and the client will never see. */
  refundUpstream(bytes: number): void {
    this.#upstreamRefund += bytes;
  }

  /** The client broke the protocol or floods: told why, and ended. */
  failClient(code: number, reason: Reason): void {
    if (this.isOver) return;
    this.#end(code, reason);
  }

  /** The upstream did: what waits for an answer is answered, the rest reset. */
  failUpstream(code: number, reason: Reason): void {
    if (this.isOver) return;
    // Requests that came in this turn are still here, and so may be their records.
    if (this.#handOver()) {
      if (!this.toUpstream.isInFrame) this.toUpstream.inject(makeGoaway(0, code));
      this.toUpstream.flush();
    }
    this.#loseUpstream(reason);
  }

  #loseUpstream(reason: Reason): void {
    for (const stream of this.streams.all()) {
      if (stream.isClosed) continue;
      if (stream.isForwarded && this.toClient.isReady) this.streams.fail(stream, reason);
      else this.streams.close(stream, reason);
    }
    this.#end(errors.none, null);
  }

  /** Says goodbye with this code, closes what is open, and lets the client read the rest for a while. */
  #end(code: number, reason: Reason | null): void {
    const { client, connection } = this;
    this.isOver = true;
    connection.ended ??= reason;
    this.streams.closeAll(reason ?? 'upstream-closed');
    this.#makeReady();
    const isTold = code === errors.none && (this.goodbye.isSaid || this.numbers.hasUpstreamSaid);
    if (!isTold) this.toClient.inject(makeGoaway(this.numbers.maxId, code));
    this.toClient.flush((size) => (connection.receivedBytes += size));
    this.upstream.destroy();
    connection.keep(0);
    client.end();
    connection.setDeadline(connection.core.limits.lingerMs);
    client.resume();
    if (client.readableEnded) client.destroySoon();
  }

  /** The client is sent SETTINGS before everything that waits (RFC 9113 §3.4), when its server never sent any. */
  #makeReady(): void {
    if (this.toClient.isReady) return;
    this.toClient.isReady = true;
    this.toClient.pass(emptySettings, 0, emptySettings.length);
  }

  onUpstreamEnd(error: Error | null): void {
    if (this.isOver) return;
    this.connection.core.guard(this.connection, () => {
      // Nothing was said yet: some servers end so for want of a client certificate.
      const problem = this.toClient.isReady ? null : this.upstream.problemOf(error);
      if (problem !== null) this.connection.meet(problem);
      this.upstream.destroy();
      this.#makeReady();
      this.#loseUpstream(problem?.failure ?? 'upstream-closed');
    });
  }

  #onClientEnd(): void {
    if (this.isOver) return this.client.destroySoon();
    this.connection.abort(this.streams.open > 0 ? 'client-closed' : null);
  }

  /** The connection's deadline is a sweep: streams have their own. */
  expire(): void {
    const { connection, streams } = this;
    const { limits, nowMs } = connection.core;
    if (this.isOver) return void connection.socket.destroy();
    connection.setDeadline(this.#sweepMs);
    if (nowMs - this.#clientPartMs > limits.headMs) return this.failClient(errors.none, 'timeout');
    for (const stream of streams.all()) {
      if (stream.deadlineMs > nowMs) continue;
      if (stream.isStopped) streams.expireStopped(stream);
      else streams.fail(stream, 'timeout');
    }
    // Frames of no stream (PING, WINDOW_UPDATE) are no use of the connection: anybody could keep it for ever.
    if (streams.open > 0) this.#lastUsedMs = nowMs;
    if (nowMs - this.#lastUsedMs > limits.idleMs) return this.#end(errors.none, null);
    this.goodbye.sweep();
    // Not the upstream: servers end a connection for PINGs that no stream is the reason of.
    streams.fromClient.ask();
    this.flush();
  }

  /** After a change of policy or job: cuts the streams that would come out otherwise, and lets the rest drain. */
  mustEnd(): Reason | null {
    if (this.isOver) return null;
    for (const stream of this.streams.all()) {
      if (stream.isClosed || stream.isStopped) continue;
      const reason = stream.mustEnd();
      if (reason === null) continue;
      this.streams.cut(stream, reason);
    }
    this.retire();
    return null;
  }

  /** Takes no new streams after a while, and ends when the last one has. */
  retire(): void {
    if (this.isOver) return;
    this.goodbye.start();
    this.flush();
  }

  #endIfDone(): void {
    if (!this.isOver && this.goodbye.isSaid && this.streams.open === 0) this.#end(errors.none, null);
  }

  isIdle(): boolean {
    return this.isOver || this.streams.open === 0;
  }

  gone(reason: Reason): void {
    this.isOver = true;
    this.streams.closeAll(reason);
    this.upstream.destroy();
  }
}
