// Requests that are held: their bytes eat the window of the whole connection, which is given back to the client from
// credit of the upstream's that was kept for it. The upstream's view of the window stays the client's view, what is
// held and this pool together (RFC 9113 §6.9).

import { isOpen, type Decision } from '../../flow/decision.ts';
import type { Reason } from '../../flow/reason.ts';
import type { Held, HoldLimits } from '../hold.ts';
import { rejudge, type Judgement } from '../judge.ts';
import { errors, makeWindowUpdate } from './frames.ts';
import { continueFrames, HeldRequest } from './held-request.ts';
import type { HpackBlock } from './hpack.ts';
import type { Http2Relay } from './relay.ts';
import type { Stream } from './stream.ts';

const poolBytes = 65_536;
const initialWindow = 65_535;
/** Held bytes that were not given back: with more, other streams would find the window shut. */
const maxUnpaidBytes = 32_768;

/** The held requests of one connection. */
export class Holding {
  readonly #relay: Http2Relay;
  /** Without it no window is kept back. */
  readonly #mayHold: boolean;
  #pool = 0;
  /** What the client may still send on the connection, as it sees it. */
  #clientWindow = initialWindow;
  #unpaid = 0;
  /** Held in all. */
  bytes = 0;

  constructor(relay: Http2Relay) {
    this.#relay = relay;
    const { core, host } = relay.connection;
    const { interpreter } = core.ports;
    this.#mayHold = interpreter !== undefined && (interpreter.mayHold?.(host ?? '') ?? true);
  }

  /** Keeps a request that was judged by its head until its body has come. */
  begin(stream: Stream, block: HpackBlock, limits: HoldLimits): void {
    const relay = this.#relay;
    const { initialWindow: window } = relay.serverSettings;
    stream.held = new HeldRequest(relay.requestTables.hold(block), limits, window);
    this.bytes += stream.held.headBytes;
    if (stream.held.expectsContinue) relay.toClient.inject(continueFrames(stream.number));
  }

  /** The client sent so much DATA. */
  spend(bytes: number): void {
    this.#clientWindow -= bytes;
  }

  /** The client was given window of the connection by us. */
  giveBack(bytes: number): void {
    this.#clientWindow += bytes;
  }

  /** The upstream opened the connection's window by so much: what of it goes on to the client. */
  skim(increment: number): number {
    if (!this.#mayHold) return increment;
    const spare = Math.max(0, this.#clientWindow + increment - initialWindow);
    const kept = Math.min(poolBytes - this.#pool, spare, increment);
    this.#pool += kept;
    this.#clientWindow += increment - kept;
    return increment - kept;
  }

  /** Payload of a held stream, padding included; decides when the body is whole or too large to be held. */
  push(stream: Stream, held: HeldRequest, bytes: Buffer, start: number, end: number): void {
    const size = end - start;
    const paid = Math.min(size, this.#pool);
    if (paid > 0) {
      this.#pool -= paid;
      this.giveBack(paid);
      this.#relay.toClient.inject(makeWindowUpdate(0, paid));
    }
    held.unpaid += size - paid;
    held.taken += size;
    this.#unpaid += size - paid;
    this.bytes += size;
    const isFull = !held.push(bytes, start, end) || this.#unpaid > maxUnpaidBytes;
    if (isFull && !held.isDeciding && !held.isWhole) this.decide(stream, held);
    if (held.body !== null) this.#decided(stream, held, held.body);
  }

  /** The body is over, or opaque: decides, and lets it go or not. */
  decide(stream: Stream, held: HeldRequest): void {
    if (held.isDeciding) return;
    const { connection } = this.#relay;
    held.decode().then(
      (body) => connection.core.guard(connection, () => this.#decided(stream, held, body)),
      (error: unknown) =>
        connection.core.guard(connection, () => {
          throw error;
        }),
    );
  }

  #decided(stream: Stream, held: HeldRequest, body: Held): void {
    const relay = this.#relay;
    if (relay.isOver || stream.held !== held || stream.isStopped || stream.isClosed) return;
    held.body = body;
    if (held.isMidFrame) return;
    const { connection, streams } = relay;
    const understood = stream.judgement.hold?.withBody(body) ?? null;
    stream.judgement = rejudge(connection, stream.judgement, stream.request.override, understood);
    stream.decision = unreviewed(stream.judgement);
    stream.policyRevision = connection.core.decider?.revision ?? null;
    const mayGo = stream.open() && isOpen(stream.decision);
    relay.noteOpened(stream.decision.mode);
    const reason = mayGo ? this.#lateReason(stream) : null;
    if (reason !== null) streams.cut(stream, reason);
    else if (mayGo && !relay.numbers.mayForward(stream.number))
      streams.stop(stream, stream.decision, 'upstream-closed', errors.refusedStream);
    else if (mayGo) this.#release(stream, held);
    else streams.stop(stream, stream.decision, null);
    relay.flush();
  }

  /** What the body, or time, has changed besides the decision: the rule's limit of it, or the address. */
  #lateReason(stream: Stream): Reason | null {
    const { bodyBytes, judgement, request } = stream;
    const { maxUploadBytes } = judgement;
    if (judgement.originForm !== null) return 'malformed-request';
    if (maxUploadBytes !== null && Math.max(bodyBytes, request.length) > maxUploadBytes) return 'max-upload';
    return this.#relay.addressReason(judgement);
  }

  #release(stream: Stream, held: HeldRequest): void {
    const relay = this.#relay;
    const { limits, nowMs } = relay.connection.core;
    const id = relay.numbers.next(stream.number);
    relay.streams.forward(stream, id);
    if (stream.watchBody()) {
      relay.watchedBodies++;
      for (const piece of held.raw) stream.watchedBody?.watching.take(piece);
    }
    this.#forget(stream, held);
    stream.deadlineMs = nowMs + (held.isWhole ? limits.firstByteMs : limits.bodyIdleMs);
    const { maxFrameBytes } = relay.serverSettings;
    relay.toUpstream.inject(held.frames(id, relay.requestTables, maxFrameBytes));
    // Padding was not sent on: the upstream will not give it back.
    const padding = held.taken - held.bytes;
    if (padding > 0) {
      relay.toClient.inject(makeWindowUpdate(0, padding));
      this.giveBack(padding);
    }
  }

  #forget(stream: Stream, held: HeldRequest): void {
    stream.held = null;
    this.#unpaid -= held.unpaid;
    this.bytes -= held.taken + held.headBytes;
  }

  /** A held request that was stopped or reset: its window is the client's again. */
  drop(stream: Stream): void {
    const { held } = stream;
    if (held === null) return;
    this.#forget(stream, held);
    if (held.taken === 0) return;
    this.giveBack(held.taken);
    this.#relay.toClient.inject(makeWindowUpdate(0, held.taken));
  }
}

// Answers pass here as they come: a request whose answer is to be kept until it was decided goes nowhere.
function unreviewed({ decision, review }: Judgement): Decision {
  if (review === null || !isOpen(decision)) return decision;
  const enforced = decision.mode === 'block';
  return { ...decision, verdict: 'block', enforced, rule: null, scope: null, reason: 'action-unread' };
}
