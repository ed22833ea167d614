// The request loop of one client connection that speaks HTTP/1: heads are judged one after the other,
// bodies stream through as the buffers that arrived, pipelined requests wait in a bounded hold.

import type { Socket } from 'node:net';
import { blocked, isOpen } from '../flow/decision.ts';
import type { Decision } from '../flow/decision.ts';
import type { Held } from '../flow/held.ts';
import type { Reason } from '../flow/reason.ts';
import { Answering } from './answering.ts';
import { blockedAnswer, statusOf } from './blocked-answer.ts';
import type { Carrier, Connection } from './connection.ts';
import { Exchange } from './exchange.ts';
import { isAdmitted } from './explicit.ts';
import { Gather } from './gather.ts';
import { findHeadEnd } from './head-bytes.ts';
import { isHeadProblem, parseRequestHead } from './head.ts';
import type { RequestHead } from './head.ts';
import { HeadFields } from './fields.ts';
import { HeldBody } from './held-body.ts';
import { judge, mustHold, rejudge } from './judge.ts';
import type { PacedReader } from './pace.ts';
import { refuseUnreadable } from './refuse-unreadable.ts';
import { Sending } from './sending.ts';
import { stuckBytes } from './stuck-bytes.ts';
import { tellActions } from './tell-actions.ts';
import { tellOperation } from './tell-operation.ts';
import { isBadHandshake } from './websocket-tunnel.ts';

const continueAnswer = Buffer.from('HTTP/1.1 100 Continue\r\n\r\n');

/** Relays requests of one client until either side ends. */
export class Relay implements Carrier {
  readonly connection: Connection;
  readonly client: Socket;
  readonly #scheme: 'http' | 'https';
  readonly #isExplicit: boolean;
  readonly #reader: PacedReader;
  readonly #gather = new Gather();
  readonly #sending: Sending;
  readonly #answering: Answering;
  exchange: Exchange | null = null;
  #scanned = 0;
  #isPumping = false;
  #isHeld = false;
  #clientEnded = false;
  #isLingering = false;
  #isTunnel = false;
  #retireAtMs: number | null = null;

  constructor(connection: Connection, client: Socket, scheme: 'http' | 'https', isExplicit: boolean) {
    this.connection = connection;
    this.client = client;
    this.#reader = connection.core.pace.readerOf(client, connection.runner);
    this.#scheme = scheme;
    this.#isExplicit = isExplicit;
    this.#sending = new Sending(this);
    this.#answering = new Answering(this);
  }

  /** Begins with what was already read. */
  start(initial: Buffer | null): void {
    const { connection, client } = this;
    const { core } = connection;
    connection.carrier = this;
    connection.setDeadline(core.limits.headMs);
    client.on('data', (bytes: Buffer) => {
      core.guard(connection, () => this.#onData(bytes));
      this.#reader.took(bytes.length);
    });
    client.on('end', () => core.guard(connection, () => this.#onEnd()));
    client.on('drain', () => core.guard(connection, () => this.#onClientDrain()));
    if (initial !== null) this.#onData(initial);
    if (!this.#isHeld) this.#reader.release();
  }

  #onData(bytes: Buffer): void {
    if (this.#isTunnel) return;
    this.connection.sentBytes += bytes.length;
    if (this.#isLingering) return;
    const { exchange } = this;
    if (exchange !== null && !exchange.requestFramer.isDone && exchange.upstream !== null) {
      const rest = this.#sending.sendBody(exchange, bytes);
      if (rest.length > 0) this.#gather.push(rest);
      return;
    }
    const gathered = this.#gather.push(bytes);
    if (exchange === null) this.#pump(gathered);
    else if (exchange.held !== null && !exchange.held.isDeciding) this.#followHeld(exchange, gathered);
    else if (gathered.length >= this.connection.core.limits.pipelineBytes) this.hold();
    this.countKept();
  }

  /** What waits here counts for the runner: bytes not yet sent on, and answers that the client does not read. */
  countKept(): void {
    const unread = stuckBytes(this.client);
    const unsent = this.exchange === null ? 0 : stuckBytes(this.exchange.upstream?.socket ?? null);
    const gathered = this.#gather.capacity + this.#answering.gatheredBytes;
    const limit = this.connection.keep(gathered + unread + unsent);
    if (limit === null) return;
    if (unread > 0 || this.exchange !== null) this.connection.abort(limit);
    else this.refuse(limit);
  }

  /** Takes nothing more from the client until whatever is full has room again. */
  hold(): void {
    this.#isHeld = true;
    this.#reader.hold();
  }

  #release(): void {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    this.#reader.release();
  }

  /** Takes heads while there is no request in flight. A loop, so that pipelined requests cannot deepen the stack. */
  #pump(available: Buffer | null): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    let bytes = available;
    while (bytes !== null && bytes.length > 0 && this.#mayTakeHead()) {
      const rest = this.#takeHead(bytes);
      if (rest === null) break;
      this.#gather.take();
      this.#scanned = 0;
      bytes = rest.length === 0 ? null : this.#gather.push(rest);
      if (this.exchange !== null) break;
    }
    this.#isPumping = false;
    if (this.exchange !== null) return;
    if (this.#isLingering) return;
    if (this.client.writableNeedDrain) this.#waitForClient();
    else if (this.#clientEnded) this.#endOfRequests();
  }

  #mayTakeHead(): boolean {
    const isOpen = !this.#isLingering && !this.connection.socket.destroyed;
    return isOpen && this.exchange === null && !this.client.writableNeedDrain;
  }

  /** A client that sends requests and reads no answers is taken no more from, or its answers would pile up here. */
  #waitForClient(): void {
    this.hold();
    this.connection.setDeadline(this.connection.core.limits.bodyIdleMs);
  }

  #onClientDrain(): void {
    this.countKept();
    if (this.exchange !== null) return this.exchange.upstream?.reader.release();
    if (this.#isLingering) return;
    const { limits } = this.connection.core;
    this.connection.setDeadline(this.#gather.length === 0 ? limits.idleMs : limits.headMs);
    this.#release();
    this.#pump(this.#gatheredBytes());
  }

  /** Reads one head at the start of the bytes; answers what follows it (and its body so far), or null. */
  #takeHead(bytes: Buffer): Buffer | null {
    const { limits } = this.connection.core;
    // The head's time runs from its first byte and is not extended by more of them.
    if (this.#scanned === 0) this.connection.setDeadline(limits.headMs);
    const end = findHeadEnd(bytes, this.#scanned);
    this.#scanned = bytes.length;
    if (end === -1 && bytes.length <= limits.headBytes) return null;
    if (end < 0 || end > limits.headBytes) {
      this.refuse(end === -2 ? 'malformed-request' : 'too-large');
      return null;
    }
    const head = parseRequestHead(bytes, end);
    if (isHeadProblem(head)) {
      this.refuse(head.problem);
      return null;
    }
    return this.#begin(head, bytes);
  }

  #begin(head: RequestHead, bytes: Buffer): Buffer | null {
    const { connection } = this;
    const headBytes = bytes.subarray(head.start, head.bodyStart);
    const fields = new HeadFields(headBytes);
    const judgement = judge(connection, head, this.#scheme, this.#isExplicit, fields);
    const exchange = new Exchange(connection, head, headBytes, judgement, this.#scheme);
    const limit = connection.core.limiter.enterRequest(connection.runner);
    exchange.isCounted = limit === null;
    if (limit !== null) exchange.decision = blocked(limit);
    else if (this.#isExplicit && !isAdmitted(connection, exchange.headBytes))
      exchange.decision = blocked('proxy-authentication');
    else if (isOpen(exchange.decision) && isBadHandshake(exchange))
      exchange.decision = blocked('malformed-request');
    connection.settle();
    this.exchange = exchange;
    exchange.sentBytes = exchange.headBytes.length;
    if (isOpen(exchange.decision) && exchange.requestFramer.isDone) return this.#depart(exchange, bytes);
    // What this connection itself refuses is not held first.
    if (exchange.decision === judgement.decision && mustHold(connection, judgement)) {
      exchange.held = new HeldBody(head, fields.header('content-encoding') ?? '', judgement.hold!);
      return this.#beginHeld(exchange, bytes);
    }
    if (!this.#admit(exchange)) return this.#isLingering ? null : bytes.subarray(head.bodyStart);
    return this.#send(exchange, bytes);
  }

  /** Records the request as decided; false when it was answered here. */
  #admit(exchange: Exchange): boolean {
    const isRecorded = exchange.open();
    const { maxUploadBytes } = exchange.judgement;
    const bytes = exchange.head.bodyBytes;
    if (isRecorded && isOpen(exchange.decision) && maxUploadBytes !== null && bytes > maxUploadBytes) {
      exchange.decision = { ...exchange.decision, verdict: 'block', enforced: true, reason: 'max-upload' };
    }
    if (isRecorded && isOpen(exchange.decision)) return true;
    this.answer(exchange, exchange.decision);
    return false;
  }

  /** The body decides: nothing leaves, and what comes is gathered, until it is read. */
  #beginHeld(exchange: Exchange, bytes: Buffer): Buffer | null {
    const body = bytes.subarray(exchange.head.bodyStart);
    // The client waits for leave to send it (RFC 9110 §10.1.1), which nobody else can give yet.
    if (exchange.head.expectsContinue && body.length === 0) this.toClient(continueAnswer);
    this.connection.setDeadline(this.connection.core.limits.bodyIdleMs);
    if (body.length > 0) this.#followHeld(exchange, body);
    return this.#isLingering ? null : body;
  }

  #followHeld(exchange: Exchange, gathered: Buffer): void {
    const { connection } = this;
    const held = exchange.held!;
    const state = held.follow(gathered);
    if (state === 'more') return;
    if (state === 'broken') return this.cutExchange(exchange, 'request-smuggling');
    this.hold();
    held.decode(gathered).then(
      (body) => connection.core.guard(connection, () => this.#decideHeld(exchange, body)),
      (error: unknown) =>
        connection.core.guard(connection, () => {
          throw error;
        }),
    );
  }

  #decideHeld(exchange: Exchange, body: Held): void {
    if (this.exchange !== exchange) return;
    const { connection } = this;
    const found = exchange.judgement.hold?.withBody(body) ?? null;
    exchange.judgement = rejudge(connection, exchange.judgement, exchange.head.override, found);
    exchange.decision = exchange.judgement.decision;
    exchange.held = null;
    if (!this.#admit(exchange)) return;
    connection.setDeadline(connection.core.limits.firstByteMs);
    if (this.#answering.takePooled(exchange) === null) this.#answering.dial(exchange);
    else this.sendGathered(exchange);
  }

  /** A request that is whole leaves with the others that have come meanwhile. */
  #depart(exchange: Exchange, bytes: Buffer): Buffer {
    const { connection } = this;
    const { core } = connection;
    exchange.openTogether();
    connection.setDeadline(core.limits.firstByteMs);
    core.departures.add((isRecorded) => {
      if (this.exchange === exchange) core.guard(connection, () => this.#leave(exchange, isRecorded));
    });
    return bytes.subarray(exchange.head.bodyStart);
  }

  #leave(exchange: Exchange, isRecorded: boolean): void {
    if (!isRecorded && exchange.decision.mode === 'block') exchange.decision = blocked('record-unavailable');
    if (!isOpen(exchange.decision)) return this.answer(exchange, exchange.decision);
    if (this.#answering.takePooled(exchange) === null) this.#answering.dial(exchange);
    else this.#sending.sendHead(exchange);
  }

  /** Sends what has come of the request, or waits for a connection with it gathered. */
  #send(exchange: Exchange, bytes: Buffer): Buffer {
    this.connection.setDeadline(this.connection.core.limits.firstByteMs);
    if (this.#answering.takePooled(exchange) !== null) return this.#sending.start(exchange, bytes);
    this.#answering.dial(exchange);
    return bytes.subarray(exchange.head.bodyStart);
  }

  /** The upstream has been dialled: the head, and what was gathered of the body meanwhile. */
  sendGathered(exchange: Exchange): void {
    this.#sending.sendHead(exchange);
    const gathered = this.#gather.take();
    this.#scanned = 0;
    if (gathered !== null && gathered.length > 0) {
      const rest = this.#sending.sendBody(exchange, gathered);
      if (rest.length > 0 && this.exchange === exchange) this.#gather.push(rest);
    }
    if (this.#gather.length < this.connection.core.limits.pipelineBytes) this.#release();
  }

  onUpstreamDrain(): void {
    this.countKept();
    this.#release();
  }

  /** Blocks an exchange on the way: its upstream is cut and the client told, when it can still be told. */
  cutExchange(exchange: Exchange, reason: Reason): void {
    exchange.decision = { ...blocked(reason), rule: exchange.decision.rule, scope: exchange.decision.scope };
    this.fail(exchange, reason, exchange.decision);
  }

  /** Ends an exchange that went wrong: with an answer of our own, or by closing when one is under way. */
  fail(exchange: Exchange, reason: Reason, decision: Decision = exchange.decision): void {
    exchange.upstream?.destroy();
    if (exchange.isAnswering) {
      exchange.close(reason);
      this.exchange = null;
      this.connection.abort(reason);
      return;
    }
    this.answer(exchange, { ...decision, reason }, reason);
  }

  /** Answers in place of the upstream and goes on, or closes when the request's body is still coming. */
  answer(exchange: Exchange, decision: Decision, ended: Reason | null = null): void {
    const { head, judgement } = exchange;
    const isLast =
      head.isLast ||
      head.hasBody ||
      judgement.query === null ||
      !exchange.isCounted ||
      this.connection.isEnding ||
      this.connection.core.isDraining;
    const { host, query } = judgement;
    const { status, bytes } = blockedAnswer({
      decision,
      reason: decision.reason,
      host,
      method: head.method,
      path: query?.path ?? '',
      told: exchange.problem?.told ?? tellOperation(judgement.operation, decision.reason),
      actions: tellActions(judgement.operation, decision, this.connection.core.decider?.actions ?? null),
      head: exchange.headBytes,
      isLast,
      version: head.version,
    });
    exchange.status = status;
    exchange.receivedBytes += bytes.length;
    this.toClient(bytes);
    exchange.close(ended);
    this.exchange = null;
    if (isLast) this.finish();
    else this.next();
  }

  /** Refuses bytes that are no request: recorded, answered, closed. */
  refuse(reason: Reason, status = statusOf(reason)): void {
    this.toClient(refuseUnreadable(this.connection, this.#scheme, reason, status, this.#gather.length));
    this.finish();
  }

  /** Writes to the client and holds the upstream back when it does not keep up. */
  toClient(bytes: Buffer): void {
    this.connection.receivedBytes += bytes.length;
    if (this.client.write(bytes)) return;
    this.exchange?.upstream?.reader.hold();
    this.countKept();
  }

  /** The exchange is over and the connection stays: the next head, if it is here already. */
  next(): void {
    this.connection.setDeadline(this.connection.core.limits.idleMs);
    if (this.connection.core.isDraining || !this.connection.mayGoOn()) return this.finish();
    this.#scanned = 0;
    this.#release();
    if (!this.#isPumping)
      this.connection.core.guard(this.connection, () => this.#pump(this.#gatheredBytes()));
  }

  #gatheredBytes(): Buffer | null {
    const bytes = this.#gather.take();
    return bytes === null || bytes.length === 0 ? null : this.#gather.push(bytes);
  }

  /** Ends our side and reads on for a while, so that the answer is not lost to a reset (RFC 9112 §9.6). */
  finish(): void {
    if (this.#isLingering) return;
    this.#isLingering = true;
    this.#gather.take();
    this.connection.keep(0);
    this.client.end();
    if (this.#clientEnded) this.client.destroySoon();
    this.connection.setDeadline(this.connection.core.limits.lingerMs);
    this.#release();
    this.client.resume();
  }

  /** The client's listeners fall silent: a tunnel takes over. */
  becomeTunnel(): Buffer | null {
    this.#isTunnel = true;
    this.client.removeAllListeners('data');
    this.client.removeAllListeners('end');
    this.client.removeAllListeners('drain');
    return this.#gather.take();
  }

  #onEnd(): void {
    this.#clientEnded = true;
    const { exchange } = this;
    const isCut = exchange !== null && !exchange.requestFramer.isDone && exchange.held?.isWhole !== true;
    if (isCut) return this.connection.abort('client-closed');
    if (exchange !== null) return;
    if (this.#isLingering) this.client.destroySoon();
    else if (!this.client.writableNeedDrain) this.#endOfRequests();
  }

  /** The client sends nothing more and everything whole was answered. */
  #endOfRequests(): void {
    if (this.#gather.length > 0) return this.refuse('malformed-request');
    this.finish();
    this.client.destroySoon();
  }

  expire(): void {
    const { exchange } = this;
    if (this.#isLingering) return void this.connection.socket.destroy();
    if (exchange !== null) return this.fail(exchange, 'timeout');
    if (this.client.writableNeedDrain) return this.connection.abort('timeout');
    if (this.#gather.length > 0) return this.refuse('timeout', 408);
    this.finish();
  }

  mustEnd(): Reason | null {
    return this.exchange?.mustEnd() ?? null;
  }

  isIdle(): boolean {
    return this.exchange === null;
  }

  /** The next answer says that it is the last; a client that asks nothing for a while is closed as after an idle time. */
  retire(): void {
    const { core } = this.connection;
    this.#retireAtMs ??= core.nowMs + core.limits.retireIdleMs;
    const isQuiet = this.exchange === null && this.#gather.length === 0 && !this.#isTunnel;
    if (isQuiet && core.nowMs >= this.#retireAtMs) this.finish();
  }

  gone(reason: Reason): void {
    const { exchange } = this;
    if (exchange === null) return;
    this.exchange = null;
    exchange.upstream?.destroy();
    exchange.close(reason);
  }
}
