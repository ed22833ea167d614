// The streams of one connection, and how one of them ends before its time: answered here or reset, its frames
// swallowed from then on and their window given back, until neither side can send any more of them.

import { blocked } from '../../flow/decision.ts';
import type { Decision } from '../../flow/decision.ts';
import type { Reason } from '../../flow/reason.ts';
import { explainRefused } from '../blocked-answer.ts';
import type { Connection } from '../connection.ts';
import { tellActions } from '../tell-actions.ts';
import { tellOperation } from '../tell-operation.ts';
import { answerFrames } from './answer.ts';
import { Barrier } from './barrier.ts';
import { AnswerCredit } from './credit.ts';
import { errors, makeRstStream, makeWindowUpdate } from './frames.ts';
import type { Holding } from './holding.ts';
import type { Outlet } from './outlet.ts';
import type { ReadFrames } from './read-frames.ts';
import type { Announced } from './settings.ts';
import type { Stream } from './stream.ts';
import type { Tables } from './tables.ts';

/** What is swallowed of a refused upload before it is reset, and for how long. */
const maxSwallowedBytes = 1_048_576;
const maxSwallowedMs = 5_000;

/** What the ends of streams need of the rest of a connection. */
export interface Surroundings {
  readonly connection: Connection;
  readonly toClient: Outlet;
  readonly toUpstream: Outlet;
  readonly answerTables: Tables;
  readonly clientSettings: Announced;
  readonly holding: Holding;
}

/** Streams by number, from their HEADERS until nothing can come for them. */
export class Streams {
  readonly credit = new AnswerCredit();
  readonly fromClient: Barrier<Stream | number>;
  /** Reset before they were streams; the client may have sent more of them before it knows. */
  readonly #ignored = new Set<number>();
  readonly fromUpstream: Barrier<Stream>;
  readonly #around: Surroundings;
  readonly #all = new Map<number, Stream>();
  /** By the upstream's number; null while both are the same. */
  #renumbered: Map<number, Stream> | null = null;
  /** Whose swallowed bytes are to be given back at the end of what arrived. */
  readonly #refunds: Stream[] = [];
  #refundDue = 0;
  /** Not yet over in the records. */
  open = 0;
  /** Streams whose answers are read, and what is held for that. */
  readings = 0;
  readBytes = 0;

  constructor(around: Surroundings) {
    this.#around = around;
    this.fromClient = new Barrier<Stream | number>(around.toClient, (stream) => {
      if (typeof stream === 'number') return void this.#ignored.delete(stream);
      stream.isClientPassed = true;
      this.#forget(stream);
    });
    this.fromUpstream = new Barrier(around.toUpstream, (stream) => {
      stream.isUpstreamDone = true;
      this.#forget(stream);
    });
  }

  get size(): number {
    return this.#all.size;
  }

  /** Those that are over and kept against late frames. */
  get remembered(): number {
    return this.#all.size - this.open + this.#ignored.size;
  }

  all(): Iterable<Stream> {
    return this.#all.values();
  }

  get(number: number): Stream | undefined {
    return this.#all.get(number);
  }

  ofUpstream(number: number): Stream | undefined {
    return this.#renumbered === null ? this.#all.get(number) : this.#renumbered.get(number);
  }

  add(stream: Stream): void {
    this.#all.set(stream.number, stream);
    this.open++;
  }

  /** Whatever the client still sends of this number is thrown away. */
  ignore(number: number): void {
    this.#ignored.add(number);
    this.fromClient.add(number);
  }

  isIgnored(number: number): boolean {
    return this.#ignored.has(number);
  }

  /** From now on the upstream has numbers of its own. */
  renumber(): void {
    if (this.#renumbered !== null) return;
    this.#renumbered = new Map();
    for (const stream of this.#all.values()) {
      if (stream.isForwarded) this.#renumbered.set(stream.upstreamNumber, stream);
    }
  }

  /** The stream goes to the upstream under this number. */
  forward(stream: Stream, upstreamNumber: number): void {
    stream.isForwarded = true;
    stream.upstreamNumber = upstreamNumber;
    this.#renumbered?.set(upstreamNumber, stream);
  }

  /** Its record is closed; what remains of it is only kept against late frames. */
  close(stream: Stream, ended: Reason | null): void {
    if (stream.isClosed) return;
    this.open--;
    if (stream.held !== null) this.#around.holding.drop(stream);
    if (stream.reading !== null) this.#forgetReading(stream)?.drop();
    stream.deadlineMs = Number.POSITIVE_INFINITY;
    stream.close(ended);
  }

  /** Reads the stream's answer from now on. */
  read(stream: Stream, reading: ReadFrames): void {
    stream.reading = reading;
    this.readings++;
    this.readBytes += reading.heldBytes;
  }

  /** A piece of a DATA frame whose answer is read. */
  readPiece({ reading }: Stream, bytes: Buffer, start: number, end: number): void {
    if (reading === null) return;
    const before = reading.heldBytes;
    reading.push(bytes, start, end);
    this.readBytes += reading.heldBytes - before;
  }

  /** The answer is whole. */
  endReading(stream: Stream): void {
    this.#forgetReading(stream)?.end();
  }

  #forgetReading(stream: Stream): ReadFrames | null {
    const { reading } = stream;
    if (reading === null) return null;
    stream.reading = null;
    this.readings--;
    this.readBytes -= reading.heldBytes;
    return reading;
  }

  /** One side has sent its last frame; when both have, the stream is over. */
  settle(stream: Stream): void {
    if (!stream.isClientDone || !stream.isUpstreamDone || stream.isStopped) return;
    this.close(stream, null);
    this.#drop(stream);
  }

  /** The client gave the stream up: it sends no more of it, and what the upstream still sends it ignores. */
  resetByClient(stream: Stream): void {
    if (stream.isStopped) return this.endStopped(stream);
    this.close(stream, stream.isUpstreamDone ? null : 'client-closed');
    this.#drop(stream);
  }

  /** The highest of the client's streams that an upstream serves which serves its own up to this one. */
  lastServedBy(upstreamNumber: number, isRenumbered: boolean): number {
    if (!isRenumbered) return upstreamNumber;
    let last = 0;
    for (const stream of this.#all.values()) {
      if (stream.isForwarded && stream.upstreamNumber <= upstreamNumber) last = Math.max(last, stream.number);
    }
    return last;
  }

  /** Those at or below `last` that this upstream will not serve all the same. */
  *servedAbove(upstreamNumber: number, last: number): Iterable<number> {
    for (const stream of this.#all.values()) {
      const isAbove = stream.isForwarded && stream.upstreamNumber > upstreamNumber;
      if (isAbove && !stream.isStopped && stream.number <= last) yield stream.number;
    }
  }

  /** The upstream will never serve those above this number of its own; the client is told by the same frame. */
  abandonAbove(upstreamNumber: number): void {
    for (const stream of this.#all.values()) {
      if (stream.isForwarded && !stream.isStopped && stream.upstreamNumber > upstreamNumber)
        this.resetByUpstream(stream);
    }
  }

  /** The client ended a stream that is stopped: late frames may follow until it knows. */
  endStopped(stream: Stream): void {
    if (stream.isClientDone) return;
    stream.isClientDone = true;
    this.fromClient.add(stream);
  }

  /** The upstream gave it up: the client may have sent more before it knows. */
  resetByUpstream(stream: Stream): void {
    const wasWhole = stream.isUpstreamDone;
    stream.isUpstreamDone = true;
    if (stream.isStopped) return this.#forget(stream);
    this.close(stream, wasWhole ? null : 'upstream-closed');
    if (stream.isClientDone) this.#drop(stream);
    else this.fromClient.add(stream);
  }

  #forget(stream: Stream): void {
    if (stream.isUpstreamDone && stream.isClientPassed) this.#drop(stream);
  }

  #drop(stream: Stream): void {
    this.#all.delete(stream.number);
    if (this.#renumbered?.get(stream.upstreamNumber) === stream)
      this.#renumbered.delete(stream.upstreamNumber);
  }

  /**
   * Ends a stream here: with an answer of our own where none is under way, else by RST_STREAM; with `code`, always
   * by that. The upstream's part is given up.
   */
  stop(stream: Stream, decision: Decision, ended: Reason | null, code = 0): void {
    if (stream.isStopped) return;
    const { connection, toClient, toUpstream } = this.#around;
    stream.isStopped = true;
    stream.decision = decision;
    if (!stream.isForwarded) stream.isUpstreamDone = true;
    else if (!stream.isUpstreamDone || !stream.isClientDone) {
      toUpstream.inject(makeRstStream(stream.upstreamNumber, errors.cancel));
      this.fromUpstream.add(stream);
    }
    if (code === 0 && !stream.isAnswering) this.#answer(stream, ended);
    else if (!stream.isClientDone || !stream.isUpstreamDone || code !== 0) {
      toClient.inject(makeRstStream(stream.number, code === 0 ? errors.internal : code));
      stream.isClientDone = true;
    }
    this.close(stream, ended);
    stream.deadlineMs = connection.core.nowMs + maxSwallowedMs;
    if (stream.isClientDone) this.fromClient.add(stream);
  }

  /** Cuts a stream that may not go on for this reason; the record keeps the rule that had let it in. */
  cut(stream: Stream, reason: Reason): void {
    const { rule, scope } = stream.decision;
    this.stop(stream, { ...blocked(reason), rule, scope }, reason);
  }

  /** Ends a stream that failed, as its decision did not foresee. */
  fail(stream: Stream, reason: Reason): void {
    this.stop(stream, stream.decision, reason);
  }

  #answer(stream: Stream, ended: Reason | null): void {
    const { answerTables, clientSettings, toClient } = this.#around;
    const { decision, judgement, request } = stream;
    const reason = ended ?? decision.reason;
    const refused = {
      decision,
      reason,
      host: judgement.host,
      method: request.sentMethod,
      path: judgement.query?.path ?? '',
      told: tellOperation(judgement.operation, reason),
      actions: tellActions(judgement.operation, decision, stream.connection.core.decider?.actions ?? null),
    };
    const answer = explainRefused(refused, (name) => fieldOf(stream, name));
    const isHead = request.sentMethod === 'HEAD';
    const size = answer.body.length;
    const withBody = !isHead && size <= clientSettings.initialWindow && this.credit.take(size);
    const bytes = answerFrames(stream.number, answer, withBody, isHead, answerTables.takeOwed());
    stream.status = answer.status;
    stream.receivedBytes += bytes.length;
    toClient.inject(bytes);
  }

  /** Payload of DATA that does not go on: given back to the client, a stopped stream's up to a limit. */
  swallow(number: number, bytes: number): void {
    if (bytes === 0) return;
    this.#refundDue += bytes;
    const stream = this.#all.get(number);
    if (stream === undefined || !stream.isStopped || stream.isClientDone) return;
    if (stream.refundedBytes + bytes > maxSwallowedBytes) return this.#resetUpload(stream);
    if (stream.refundDue === 0) this.#refunds.push(stream);
    stream.refundDue += bytes;
    stream.refundedBytes += bytes;
  }

  #resetUpload(stream: Stream): void {
    this.#around.toClient.inject(makeRstStream(stream.number, errors.cancel));
    this.endStopped(stream);
  }

  /** A stopped stream whose client goes on sending has had its time. */
  expireStopped(stream: Stream): void {
    stream.deadlineMs = Number.POSITIVE_INFINITY;
    if (!stream.isClientDone) this.#resetUpload(stream);
  }

  /** Gives the window of everything that was swallowed back, in as few frames as there are streams. */
  refund(): void {
    const { toClient } = this.#around;
    // In the midst of a frame they would only be gathered.
    if (this.#refundDue === 0 || toClient.isInFrame) return;
    this.#around.holding.giveBack(this.#refundDue);
    toClient.inject(makeWindowUpdate(0, this.#refundDue));
    this.#refundDue = 0;
    for (const stream of this.#refunds) {
      if (!stream.isClientDone) toClient.inject(makeWindowUpdate(stream.number, stream.refundDue));
      stream.refundDue = 0;
    }
    this.#refunds.length = 0;
  }

  /** Closes the records of all that are open. */
  closeAll(reason: Reason | null): void {
    for (const stream of this.#all.values()) this.close(stream, reason);
    this.#all.clear();
  }
}

function fieldOf(stream: Stream, name: string): string {
  const { accept, contentType, userAgent } = stream.request;
  if (name === 'accept') return accept;
  if (name === 'content-type') return contentType;
  return name === 'user-agent' ? userAgent : '';
}
