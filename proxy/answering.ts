// The upstream's side of the request loop: finds or dials a connection, frames the answer while its bytes
// go to the client as they came, and hands the connection back to the pool.

import { isOpen } from '../flow/decision.ts';
import { readAnswer } from './answer-reading.ts';
import { AnswerRewriting } from './answer-rewriting.ts';
import { isDialBlock } from './dial.ts';
import type { DialFailure } from './dial.ts';
import type { Exchange } from './exchange.ts';
import { HeadFields } from './fields.ts';
import { followedMethods, grantHolder, joinQuery } from './follow.ts';
import { byChunks, byLength, untilClose } from './framing.ts';
import type { Framer } from './framing.ts';
import { Gather } from './gather.ts';
import { findField, findHeadEnd } from './head-bytes.ts';
import type { Relay } from './relay.ts';
import { AnswerReviewing, decideAnswer, lookUp, type Looked } from './reviewing.ts';
import { parseResponseHead } from './response-head.ts';
import type { ResponseHead } from './response-head.ts';
import { Splice } from './splice.ts';
import { poolKey } from './upstream.ts';
import type { Upstream, UpstreamOwner, UpstreamTarget } from './upstream.ts';
import { openTunnel } from './websocket-tunnel.ts';

const idempotent = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE']);
// A request that cannot be retried takes no connection that its server is likely to be closing just now.
const freshMs = 2_000;
// Repositories are asked within it.
const reviewMs = 60_000;

/** Owns the upstream of a relay's exchange, one after the other. */
export class Answering implements UpstreamOwner {
  readonly #relay: Relay;
  readonly #gather = new Gather();
  #scanned = 0;
  #target: UpstreamTarget | null = null;

  constructor(relay: Relay) {
    this.#relay = relay;
  }

  /** Memory held for an answer whose head is not whole yet, or whose body is read. */
  get gatheredBytes(): number {
    const { reading = null, rewriting = null, reviewing = null } = this.#relay.exchange ?? {};
    const kept = (reading?.heldBytes ?? 0) + (rewriting?.heldBytes ?? 0) + (reviewing?.heldBytes ?? 0);
    return this.#gather.capacity + kept;
  }

  /** A pooled connection, attached to the exchange; null when one must be dialled. */
  takePooled(exchange: Exchange): Upstream | null {
    if (exchange.connection.dialFailure !== null) return null;
    const maxIdleMs = isRetryable(exchange) ? Number.POSITIVE_INFINITY : freshMs;
    const upstream = this.#relay.connection.core.upstreams.take(this.#targetOf(exchange), maxIdleMs);
    if (upstream !== null) this.#attach(exchange, upstream, true);
    return upstream;
  }

  #targetOf(exchange: Exchange): UpstreamTarget {
    const { connection, judgement, runner, scheme } = exchange;
    // Only judged exchanges come here: they have a query.
    const { host, port } = judgement.query!;
    const { holder } = connection;
    const check = connection.addressCheck(judgement.allowed, port);
    const last = this.#target;
    const isSame = last !== null && last.host === host && last.port === port && last.holder === holder;
    if (isSame && last.check === check) return last;
    const target = { runner, holder, isTls: scheme === 'https', host, port };
    this.#target = { ...target, key: isSame ? last.key : poolKey(target), check };
    return this.#target;
  }

  #attach(exchange: Exchange, upstream: Upstream, isReused: boolean): void {
    upstream.owner = this;
    upstream.uses++;
    exchange.upstream = upstream;
    exchange.isReused = isReused;
    this.#gather.take();
    this.#scanned = 0;
  }

  /** Dials for the exchange and then sends what has been gathered of it. */
  dial(exchange: Exchange): void {
    const { connection } = this.#relay;
    const failure = connection.takeDialFailure();
    const opened =
      failure === null ? connection.core.upstreams.open(this.#targetOf(exchange)) : Promise.resolve(failure);
    opened.then(
      (result) => connection.core.guard(connection, () => this.#dialled(exchange, result)),
      (error: unknown) => {
        connection.core.guard(connection, () => {
          throw error;
        });
      },
    );
  }

  #dialled(exchange: Exchange, result: Upstream | DialFailure): void {
    const isGone = this.#relay.exchange !== exchange;
    if ('failure' in result) {
      if (result.failure === 'upstream-protocol') exchange.connection.forgetAnswer();
      if (isGone) return;
      exchange.meet(result);
      if (isDialBlock(result.failure)) this.#relay.cutExchange(exchange, result.failure);
      else this.#relay.fail(exchange, result.failure);
      return;
    }
    // While it was dialled the policy may have become another one.
    const reason = isGone ? null : exchange.mustEnd(result.address);
    if (isGone || result.isOver || reason !== null) {
      result.destroy();
      if (reason !== null) this.#relay.cutExchange(exchange, reason);
      else if (!isGone) this.#relay.fail(exchange, 'upstream-closed');
      return;
    }
    this.#attach(exchange, result, false);
    result.socket.cork();
    this.#relay.sendGathered(exchange);
    result.socket.uncork();
  }

  onUpstreamDrain(): void {
    this.#relay.onUpstreamDrain();
  }

  onUpstreamData(bytes: Buffer): void {
    const { connection, exchange } = this.#relay;
    if (exchange === null) return;
    try {
      if (exchange.answer === null) this.#takeAnswer(exchange, bytes);
      else this.#takeBody(exchange, bytes, 0);
    } catch (error) {
      connection.core.guard(connection, () => {
        throw error;
      });
    }
  }

  #takeAnswer(exchange: Exchange, bytes: Buffer): void {
    let gathered = this.#gather.push(bytes);
    exchange.markFirstByte();
    for (;;) {
      const end = findHeadEnd(gathered, this.#scanned);
      this.#scanned = gathered.length;
      if (end === -1 && gathered.length <= this.#relay.connection.core.limits.headBytes)
        return this.#relay.countKept();
      const head = end < 0 ? 'an unreadable head' : parseResponseHead(gathered, end, exchange.head.method);
      if (typeof head === 'string') return this.#relay.fail(exchange, 'upstream-protocol');
      if (head.status === 101) return this.#upgrade(exchange, gathered, head);
      this.#gather.take();
      if (head.status >= 200) return this.#final(exchange, gathered, head);
      // RFC 9110 §15.2: an HTTP/1.0 client is sent no interim answer.
      if (exchange.head.version === '1.1') this.#forward(exchange, gathered.subarray(0, head.bodyStart));
      if (head.bodyStart === gathered.length) return;
      this.#scanned = 0;
      gathered = this.#gather.push(gathered.subarray(head.bodyStart));
    }
  }

  #final(exchange: Exchange, received: Buffer, parsed: ResponseHead): void {
    const isLeaving = this.#relay.connection.core.isDraining && !exchange.head.isLast && !parsed.isLast;
    const [bytes, head] = isLeaving ? sayClose(received, parsed) : [received, parsed];
    exchange.answer = head;
    exchange.status = head.status;
    exchange.answerFramer = framerOf(head);
    exchange.isAnswering = true;
    if (head.location !== null) this.#follow(exchange, head.location, head.status);
    const { answer, review, rewrite } = exchange.judgement;
    if (answer !== null || review !== null || rewrite !== null)
      this.#listen(exchange, Buffer.from(bytes.subarray(0, head.bodyStart)), head);
    if (head.framing === 'none') {
      this.#forward(exchange, bytes.subarray(0, head.bodyStart));
      this.#complete(exchange, head, bytes.length > head.bodyStart);
      return;
    }
    this.#takeBody(exchange, bytes, head.bodyStart);
    // Looked at only where more is to come: a stream of events may say nothing for long (HTML, server-sent events).
    if (head.framing === 'length' || exchange.answerFramer.isDone || this.#relay.exchange !== exchange)
      return;
    if (!isEventStream(bytes.subarray(0, head.bodyStart))) return;
    exchange.isEventStream = true;
    this.#waitForBody(exchange);
  }

  #waitForBody({ isEventStream }: Exchange): void {
    const { connection } = this.#relay;
    const { tunnelIdleMs, bodyIdleMs } = connection.core.limits;
    connection.setDeadline(isEventStream ? tunnelIdleMs : bodyIdleMs);
  }

  /** Feeds the framer from `start` and forwards everything up to where the body ends, the head included. */
  #takeBody(exchange: Exchange, bytes: Buffer, start: number): void {
    const framer = exchange.answerFramer!;
    const { reviewing } = exchange;
    if (reviewing?.isDeciding === true && framer.isDone) return void (reviewing.hasSurplus = true);
    const end = framer.feed(bytes, start);
    if (end < 0) return this.#relay.fail(exchange, 'upstream-protocol');
    if (reviewing !== null) return this.#takeReviewed(exchange, reviewing, bytes, start, end);
    if (exchange.reading !== null) {
      exchange.reading.push(bytes, start, end);
      if (framer.isDone) this.#endReading(exchange);
      else this.#relay.countKept();
      if (this.#relay.exchange !== exchange) return;
    }
    if (exchange.rewriting !== null)
      return this.#takeRewritten(exchange, exchange.rewriting, bytes, start, end);
    this.#forward(exchange, end === bytes.length ? bytes : bytes.subarray(0, end));
    if (framer.isDone) this.#complete(exchange, exchange.answer!, end < bytes.length);
    else this.#waitForBody(exchange);
  }

  /** Whoever understood the request is told of its answer. */
  #listen(exchange: Exchange, bytes: Buffer, head: ResponseHead): void {
    const { rewrite, review } = exchange.judgement;
    const fields = new HeadFields(bytes);
    const told = { status: head.status, header: (name: string) => fields.header(name) };
    if (review?.wantsBody(told) === true && head.framing !== 'none') {
      exchange.reviewing = new AnswerReviewing(review, {
        bytes,
        head,
        coding: fields.header('content-encoding'),
      });
      exchange.isAnswering = false;
    }
    exchange.reading = readAnswer(exchange, told, head.framing);
    const transform =
      rewrite === null || head.framing === 'none' ? null : rewrite.how.open(told, rewrite.keep);
    if (transform === null || rewrite === null) return;
    const mayChunk = exchange.head.version === '1.1';
    const coding = fields.header('content-encoding');
    exchange.rewriting = new AnswerRewriting(transform, {
      bytes,
      head,
      coding,
      forget: rewrite.how.forget,
      mayChunk,
    });
    exchange.answer = mayChunk ? head : { ...head, isLast: true };
    // Nothing of it has gone on yet.
    exchange.isAnswering = false;
  }

  #takeReviewed(
    exchange: Exchange,
    reviewing: AnswerReviewing,
    bytes: Buffer,
    start: number,
    end: number,
  ): void {
    reviewing.push(bytes, start, end);
    exchange.reading?.push(bytes, start, end);
    reviewing.hasSurplus = end < bytes.length;
    this.#relay.countKept();
    if (this.#relay.exchange !== exchange || reviewing.isDeciding) return;
    if (exchange.answerFramer!.isDone || reviewing.isTooLarge) this.#review(exchange, reviewing);
    else this.#waitForBody(exchange);
  }

  /** The answer is whole, or too large to be read: nothing of it goes on before it is decided. */
  #review(exchange: Exchange, reviewing: AnswerReviewing): void {
    const { review } = exchange.judgement;
    if (review === null) return;
    const { connection } = this.#relay;
    reviewing.isDeciding = true;
    exchange.upstream?.reader.hold();
    connection.setDeadline(reviewMs);
    lookUp(exchange, review, reviewing.held()).then(
      (looked) => connection.core.guard(connection, () => this.#reviewed(exchange, reviewing, looked)),
      (error: unknown) =>
        connection.core.guard(connection, () => {
          throw error;
        }),
    );
  }

  #reviewed(exchange: Exchange, reviewing: AnswerReviewing, looked: Looked): void {
    if (this.#relay.exchange !== exchange) return;
    const decision = decideAnswer(exchange, looked);
    exchange.reviewing = null;
    if (!isOpen(decision)) {
      exchange.upstream?.destroy();
      return this.#relay.answer(exchange, decision);
    }
    exchange.isAnswering = true;
    const isWhole = exchange.answerFramer!.isDone || exchange.upstream?.isOver === true;
    if (exchange.reading !== null && isWhole) this.#endReading(exchange);
    for (const piece of reviewing.takeRaw()) this.#forward(exchange, piece);
    if (this.#relay.exchange !== exchange) return;
    if (isWhole) return this.#complete(exchange, exchange.answer!, reviewing.hasSurplus);
    exchange.upstream?.reader.release();
    this.#waitForBody(exchange);
  }

  #takeRewritten(
    exchange: Exchange,
    rewriting: AnswerRewriting,
    bytes: Buffer,
    start: number,
    end: number,
  ): void {
    this.#sendRewritten(exchange, rewriting.push(bytes, start, end));
    this.#relay.countKept();
    if (this.#relay.exchange !== exchange) return;
    if (!exchange.answerFramer!.isDone) return this.#waitForBody(exchange);
    if (this.#endRewriting(exchange, rewriting))
      this.#complete(exchange, exchange.answer!, end < bytes.length);
  }

  #sendRewritten(exchange: Exchange, pieces: readonly Buffer[]): void {
    if (pieces.length === 0) return;
    exchange.isAnswering = true;
    for (const piece of pieces) this.#forward(exchange, piece);
  }

  /** False where the list could not be read safely: the job is told, or cut off. */
  #endRewriting(exchange: Exchange, rewriting: AnswerRewriting): boolean {
    const result = rewriting.end();
    const { judgement } = exchange;
    if (result.kind === 'refused') {
      const evidence = [...judgement.evidence, { kind: 'opaque-body', detail: result.detail } as const];
      exchange.judgement = { ...judgement, evidence };
      this.#relay.cutExchange(exchange, 'unknown-age');
      return false;
    }
    exchange.judgement = { ...judgement, evidence: [...judgement.evidence, ...result.evidence] };
    this.#sendRewritten(exchange, result.bytes);
    return this.#relay.exchange === exchange;
  }

  #endReading(exchange: Exchange): void {
    exchange.reading?.end();
    exchange.reading = null;
    this.#relay.countKept();
  }

  #forward(exchange: Exchange, bytes: Buffer): void {
    exchange.receivedBytes += bytes.length;
    this.#relay.toClient(bytes);
  }

  #complete(exchange: Exchange, answer: ResponseHead, hasSurplus: boolean): void {
    const { upstream } = exchange;
    const isCutShort = !exchange.requestFramer.isDone;
    // Names on its way were judged by a policy that is no longer in force.
    const isOutdated = exchange.policyRevision !== (this.#relay.connection.core.decider?.revision ?? null);
    exchange.close(null);
    this.#relay.exchange = null;
    if (answer.isLast || hasSurplus || isCutShort || isOutdated) upstream?.destroy();
    else if (upstream !== null) this.#relay.connection.core.upstreams.release(upstream);
    if (exchange.head.isLast || answer.isLast || isCutShort) this.#relay.finish();
    else this.#relay.next();
  }

  #follow(exchange: Exchange, location: string, status: number): void {
    const { follow, query, search } = exchange.judgement;
    if (follow === null || query === null) return;
    const { connection } = this.#relay;
    const base = { host: query.host, port: query.port, pathAndQuery: joinQuery(query.path, search) };
    const holder = grantHolder(exchange.attribution, exchange.runner);
    const methods = followedMethods(status, query.method, follow);
    connection.core.grants.open(holder, location, base, follow, methods);
  }

  /** 101 to a WebSocket that was asked for and decided: from here on the bytes are its frames. */
  #upgrade(exchange: Exchange, bytes: Buffer, head: ResponseHead): void {
    const count = openTunnel(exchange, bytes.subarray(0, head.bodyStart));
    if (count === null) return this.#relay.fail(exchange, 'upstream-protocol');
    const { connection, client } = this.#relay;
    this.#gather.take();
    exchange.status = 101;
    exchange.isAnswering = true;
    this.#forward(exchange, bytes.subarray(0, head.bodyStart));
    const early = this.#relay.becomeTunnel();
    if (early !== null) connection.sentBytes -= early.length;
    new Splice(connection, client, exchange.upstream!, count, () => exchange.mustEnd()).start(
      early,
      bytes.subarray(head.bodyStart),
    );
  }

  onUpstreamEnd(error: Error | null): void {
    const { connection, exchange } = this.#relay;
    if (exchange === null) return;
    connection.core.guard(connection, () => this.#ended(exchange, error));
  }

  #ended(exchange: Exchange, error: Error | null): void {
    const { answer, reviewing } = exchange;
    // What is decided is here as a whole.
    if (reviewing?.isDeciding === true && !reviewing.isTooLarge) return;
    exchange.upstream?.destroy();
    if (answer === null) {
      if (exchange.isReused && this.#gather.length === 0 && isRetryable(exchange)) {
        exchange.isReused = false;
        exchange.upstream = null;
        return this.dial(exchange);
      }
      const problem = exchange.upstream?.problemOf(error) ?? null;
      if (problem !== null) exchange.meet(problem);
      return this.#relay.fail(exchange, problem?.failure ?? 'upstream-closed');
    }
    if (answer.framing === 'until-close' && error === null) {
      if (reviewing !== null) return this.#review(exchange, reviewing);
      if (exchange.reading !== null) this.#endReading(exchange);
      if (exchange.rewriting !== null && !this.#endRewriting(exchange, exchange.rewriting)) return;
      return this.#complete(exchange, answer, false);
    }
    return this.#relay.fail(exchange, 'upstream-closed');
  }
}

const closeField = Buffer.from('Connection: close\r\n');

/** The answer with word that the connection ends after it (RFC 9112 §9.6), so that the client asks elsewhere. */
function sayClose(bytes: Buffer, head: ResponseHead): [Buffer, ResponseHead] {
  const end = head.bodyStart - 2;
  const told = Buffer.concat([bytes.subarray(0, end), closeField, bytes.subarray(end)]);
  return [told, { ...head, bodyStart: head.bodyStart + closeField.length }];
}

const isEventStream = (head: Buffer) =>
  findField(head, 'content-type')?.toLowerCase().startsWith('text/event-stream') === true;

function isRetryable(exchange: Exchange): boolean {
  return !exchange.head.hasBody && idempotent.has(exchange.head.method);
}

function framerOf(head: ResponseHead): Framer {
  if (head.framing === 'chunked') return byChunks();
  return head.framing === 'until-close' ? untilClose() : byLength(head.length);
}
