// The client's frames in the order of checks that RFC 9113 asks for: each new stream is judged before its HEADERS go
// on, what belongs to a stopped one is swallowed, and what only costs us is counted.

import { blocked, isOpen } from '../../flow/decision.ts';
import type { Decision } from '../../flow/decision.ts';
import type { Reason } from '../../flow/reason.ts';
import { BlockFields } from '../fields.ts';
import { judge, mustHold } from '../judge.ts';
import type { Judgement } from '../judge.ts';
import { Bucket, idleFrameRate, resetRate } from './floods.ts';
import { errors, flags, frameHeaderBytes, frameTypes, makeGoaway, makeWindowUpdate } from './frames.ts';
import type { HeldRequest } from './held-request.ts';
import type { HpackBlock } from './hpack.ts';
import { passSettings } from './pass-settings.ts';
import type { Http2Relay } from './relay.ts';
import { areTrailers, readRequest } from './request-block.ts';
import type { BlockProblem, RequestBlock } from './request-block.ts';
import { Stream } from './stream.ts';
import { isHandshake, WebSocket } from './web-socket.ts';
import { numberAt } from './walk.ts';
import type { Fate, FrameTaker } from './walk.ts';

// Streams that are open at a time, here; servers set their own, lower bound, and are told of streams below it only.
const maxOpenStreams = 1_024;
// What is remembered of streams that are over, until the client has acknowledged it.
const maxRememberedStreams = 20_000;

/** Takes the frames of one client. */
export class FromClient implements FrameTaker {
  readonly #relay: Http2Relay;
  readonly #resets: Bucket;
  readonly #idle: Bucket;
  /** The WebSocket, or body that is read along, whose DATA frame is on its way; and whether that is the last. */
  #watched: Stream | null = null;
  #endsWatched = false;

  constructor(relay: Http2Relay) {
    this.#relay = relay;
    const { nowMs } = relay.connection.core;
    this.#resets = new Bucket(resetRate, nowMs);
    this.#idle = new Bucket(idleFrameRate, nowMs);
  }

  get isOver(): boolean {
    return this.#relay.isOver;
  }

  get maxFrameBytes(): number {
    return this.#relay.serverSettings.maxFrameBytes;
  }

  get isWatching(): boolean {
    return this.#relay.webSockets + this.#relay.watchedBodies > 0;
  }

  fail(code: number): void {
    this.#relay.failClient(code, code === errors.enhanceYourCalm ? 'h2-flood' : 'h2-protocol');
  }

  #refuse(code: number): false {
    this.fail(code);
    return false;
  }

  #mayReset(tokens: number): boolean {
    return this.#resets.take(this.#relay.connection.core.nowMs, tokens);
  }

  #mayIdle(): boolean {
    return this.#idle.take(this.#relay.connection.core.nowMs);
  }

  takeBlock(id: number, isLast: boolean, bytes: Buffer, start: number, end: number, size: number): Fate {
    const relay = this.#relay;
    if ((id & 1) === 0) return this.#refuse(errors.protocol);
    const block = relay.requestTables.decode(bytes, start, end);
    if (typeof block === 'string') return this.#refuse(errors.compression);
    if (id <= relay.numbers.maxId) return this.#takeTrailers(id, isLast, block, size);
    // Neither side serves it any more: the client sends it again elsewhere, and is told nothing.
    if (id > relay.numbers.lastServedId) return relay.requestTables.withhold(block);
    relay.numbers.maxId = id;
    const request = readRequest(block, isLast);
    if (typeof request === 'string') return this.#takeMalformed(id, isLast, request, block, size);
    return this.#takeRequest(id, isLast, request, block, size);
  }

  #takeRequest(id: number, isLast: boolean, request: RequestBlock, block: HpackBlock, size: number): Fate {
    const relay = this.#relay;
    const { connection, streams, upstream } = relay;
    if (streams.size >= maxRememberedStreams) return this.#refuse(errors.enhanceYourCalm);
    const fields = new BlockFields(block);
    const judgement = judge(connection, request, 'https', false, fields);
    if (judgement.hold !== null || judgement.answer !== null) fields.keep();
    const stream = new Stream(connection, upstream, id, request, judgement);
    if (judgement.hold !== null || judgement.watch !== null)
      stream.contentCoding = fields.header('content-encoding');
    stream.isClientDone = isLast;
    stream.sentBytes = size;
    const limit = connection.core.limiter.enterRequest(connection.runner);
    stream.isCounted = limit === null;
    stream.decision = limit === null ? this.#decide(request, judgement, block) : blocked(limit);
    connection.settle();
    const isFull = streams.open >= maxOpenStreams;
    if (isFull) stream.decision = blocked('runner-limit');
    streams.add(stream);
    const { hold } = judgement;
    // What this connection itself refuses is not held first.
    if (hold !== null && stream.decision === judgement.decision && mustHold(connection, judgement)) {
      stream.deadlineMs = connection.core.nowMs + connection.core.limits.bodyIdleMs;
      relay.holding.begin(stream, block, hold);
      return false;
    }
    const isRecorded = stream.open();
    relay.noteOpened(stream.decision.mode);
    const isLet = isRecorded && isOpen(stream.decision);
    if (isLet && relay.numbers.mayForward(id)) return this.#forward(stream, isLast, block);
    if (isLet) streams.stop(stream, stream.decision, 'upstream-closed', errors.refusedStream);
    else if (isFull) streams.stop(stream, stream.decision, null, errors.refusedStream);
    else streams.stop(stream, stream.decision, null);
    // A refusal is cheap for the client and costs two records.
    if (!this.#mayReset(0.25)) this.fail(errors.enhanceYourCalm);
    return relay.requestTables.withhold(block);
  }

  /** The judgement, and what only this connection knows: its server's address, its settings, the length. */
  #decide(request: RequestBlock, judgement: Judgement, block: HpackBlock): Decision {
    const { decision, maxUploadBytes } = judgement;
    if (request.isPlainConnect) return blocked('unknown-protocol');
    if (!isOpen(decision)) return decision;
    if (judgement.originForm !== null) return blocked('malformed-request');
    const asBlock = (reason: Reason): Decision => ({
      ...blocked(reason),
      rule: decision.rule,
      scope: decision.scope,
    });
    // A tunnel that is no upgrade to judging would pass for a plain request.
    const isTunnel = request.upgrade !== null;
    const isKnown = judgement.query?.upgrade !== null && this.#relay.serverSettings.takesProtocols;
    if (isTunnel && !isKnown) return asBlock('websocket');
    if (request.upgrade === 'websocket' && !isHandshake(block)) return asBlock('malformed-request');
    if (maxUploadBytes !== null && request.length > maxUploadBytes) return asBlock('max-upload');
    const reason = this.#relay.addressReason(judgement);
    return reason === null ? decision : asBlock(reason);
  }

  #forward(stream: Stream, isLast: boolean, block: HpackBlock): Fate {
    const relay = this.#relay;
    const { firstByteMs, bodyIdleMs } = relay.connection.core.limits;
    stream.deadlineMs = relay.connection.core.nowMs + (isLast ? firstByteMs : bodyIdleMs);
    if (stream.request.upgrade === 'websocket') {
      stream.webSocket = new WebSocket(block, stream.watchFrames());
      relay.webSockets++;
    } else if (!isLast && stream.watchBody()) relay.watchedBodies++;
    const id = relay.numbers.next(stream.number);
    relay.streams.forward(stream, id);
    return relay.requestTables.pass(block, id, isLast, relay.serverSettings.maxFrameBytes);
  }

  /** No request: reset, recorded with why, and counted like a reset of the client's own. */
  #takeMalformed(id: number, isLast: boolean, problem: BlockProblem, block: HpackBlock, size: number): Fate {
    const relay = this.#relay;
    relay.refuseMalformed(id, problem, size);
    if (!isLast) relay.streams.ignore(id);
    if (!this.#mayReset(1)) this.fail(errors.enhanceYourCalm);
    return relay.requestTables.withhold(block);
  }

  #takeTrailers(id: number, isLast: boolean, block: HpackBlock, size: number): Fate {
    const { numbers, requestTables, serverSettings, streams } = this.#relay;
    const stream = streams.get(id);
    if (stream === undefined && (id > numbers.lastServedId || streams.isIgnored(id)))
      return requestTables.withhold(block);
    // A number that was passed over is a stream that is over (RFC 9113 §5.1.1): never one that begins.
    if (stream === undefined) return this.#refuse(errors.streamClosed);
    if (stream.isClientDone && !stream.isStopped) return this.#refuse(errors.streamClosed);
    // Nothing of a stream that the server has given up goes on: its record is closed.
    if (stream.isClosed) {
      if (isLast) streams.endStopped(stream);
      return requestTables.withhold(block);
    }
    if (!isLast) return this.#refuse(errors.protocol);
    if (!areTrailers(block) || stream.promised > 0 || stream.isTunnel) {
      this.#stopMalformed(stream, 'malformed-request');
      return requestTables.withhold(block);
    }
    stream.sentBytes += size;
    if (stream.held !== null) {
      stream.held.endBy(requestTables.hold(block));
      return this.#decideHeld(stream, stream.held);
    }
    this.#endRequest(stream);
    return requestTables.pass(block, stream.upstreamNumber, true, serverSettings.maxFrameBytes);
  }

  /** The body has ended that a decision waited for. */
  #decideHeld(stream: Stream, held: HeldRequest): false {
    stream.isClientDone = true;
    this.#relay.holding.decide(stream, held);
    return false;
  }

  #stopMalformed(stream: Stream, reason: Reason): void {
    const { rule, scope } = stream.decision;
    this.#relay.streams.stop(stream, { ...blocked(reason), rule, scope }, reason, errors.protocol);
    if (!this.#mayReset(1)) this.fail(errors.enhanceYourCalm);
  }

  #endRequest(stream: Stream): void {
    const { connection, streams } = this.#relay;
    stream.isClientDone = true;
    if (!stream.isAnswering) stream.deadlineMs = connection.core.nowMs + connection.core.limits.firstByteMs;
    streams.settle(stream);
  }

  takeData(
    id: number,
    isLast: boolean,
    length: number,
    padBytes: number,
    bytes: Buffer,
    at: number,
  ): boolean {
    const relay = this.#relay;
    relay.holding.spend(length);
    const stream = relay.streams.get(id);
    if (stream === undefined) return this.#takeStrayData(id);
    if (length === padBytes && !isLast && !this.#mayIdle()) return this.#refuse(errors.enhanceYourCalm);
    if (stream.isClientDone && !stream.isStopped) return this.#refuse(errors.streamClosed);
    if (stream.isClosed) return this.#swallow(stream, isLast);
    const problem = this.#measure(stream, isLast, length, padBytes);
    if (problem !== null) {
      if (problem === 'max-upload') relay.streams.cut(stream, problem);
      else this.#stopMalformed(stream, problem);
      return this.#swallow(stream, isLast);
    }
    if (stream.held !== null) {
      stream.held.beginFrame(length, padBytes, isLast);
      return false;
    }
    stream.webSocket?.payloadSent.begin(length, padBytes);
    stream.watchedBody?.payload.begin(length, padBytes);
    if (stream.upstreamNumber !== id) bytes.writeUInt32BE(stream.upstreamNumber, at + 5);
    this.#watched = stream.webSocket === null && stream.watchedBody === null ? null : stream;
    this.#endsWatched = isLast;
    if (isLast && this.#watched === null) this.#endRequest(stream);
    else {
      const { limits, nowMs } = relay.connection.core;
      stream.deadlineMs = nowMs + (stream.isTunnel ? limits.tunnelIdleMs : limits.bodyIdleMs);
    }
    return true;
  }

  #takeStrayData(id: number): false {
    if (id !== 0 && (id > this.#relay.numbers.lastServedId || this.#relay.streams.isIgnored(id)))
      return false;
    return this.#refuse(id === 0 || id > this.#relay.numbers.maxId ? errors.protocol : errors.streamClosed);
  }

  #swallow(stream: Stream, isLast: boolean): false {
    if (isLast) this.#relay.streams.endStopped(stream);
    return false;
  }

  takePassing(_id: number, bytes: Buffer, start: number, end: number): void {
    const stream = this.#watched;
    if (stream === null) return;
    const { watchedBody, webSocket } = stream;
    if (watchedBody !== null) {
      watchedBody.send(bytes, start, end);
      if (this.#endsWatched && !watchedBody.payload.isCut) this.#endRequest(stream);
      return;
    }
    if (webSocket === null) return;
    if (!webSocket.send(bytes, start, end)) this.#relay.streams.cut(stream, 'malformed-websocket');
    else if (this.#endsWatched && !webSocket.payloadSent.isCut) this.#endRequest(stream);
  }

  takeWithheld(id: number, bytes: Buffer, start: number, end: number): void {
    const stream = this.#relay.streams.get(id);
    const held = stream?.held ?? null;
    if (stream !== undefined && held !== null) {
      this.#relay.holding.push(stream, held, bytes, start, end);
      if (held.isWhole && !stream.isClientDone) this.#decideHeld(stream, held);
      return;
    }
    this.#relay.streams.swallow(id, end - start);
  }

  /** Counts a frame of the body; answers why it may not go on. Padding counts: it carries bytes too. */
  #measure(stream: Stream, isLast: boolean, length: number, padBytes: number): Reason | null {
    const { maxUploadBytes } = stream.judgement;
    // One that was judged as a request without a body: padding would be one all the same.
    if (stream.request.length === 0 && length > 0) return 'request-smuggling';
    if (maxUploadBytes !== null && stream.bodyBytes + length > maxUploadBytes) return 'max-upload';
    if (stream.promised >= 0) {
      const left = stream.promised - (length - padBytes);
      if (left < 0 || (isLast && left > 0)) return 'request-smuggling';
      stream.promised = left;
    }
    stream.bodyBytes += length;
    stream.sentBytes += length;
    return null;
  }

  takeFrame(type: number, flagBits: number, id: number, length: number, bytes: Buffer, at: number): Fate {
    const isAck = (flagBits & flags.ack) !== 0;
    switch (type) {
      case frameTypes.rstStream:
        return this.#takeReset(id, length, bytes, at);
      case frameTypes.windowUpdate:
        return this.#takeWindowUpdate(id, length, bytes, at);
      case frameTypes.settings:
        if (!this.#mayIdle()) return this.#refuse(errors.enhanceYourCalm);
        return passSettings(this.#relay, true, isAck, id, length, bytes, at);
      case frameTypes.ping:
        if (id !== 0) return this.#refuse(errors.protocol);
        if (length !== 8) return this.#refuse(errors.frameSize);
        if (isAck && this.#isOwnAck(bytes, at + frameHeaderBytes)) return false;
        return this.#mayIdle() || this.#refuse(errors.enhanceYourCalm);
      case frameTypes.goaway:
        if (id !== 0) return this.#refuse(errors.protocol);
        if (length < 8) return this.#refuse(errors.frameSize);
        if (!this.#mayIdle()) return this.#refuse(errors.enhanceYourCalm);
        // Nothing was pushed, so that no stream is named; debug data would leave undecided.
        return makeGoaway(0, numberAt(bytes, at + frameHeaderBytes + 4));
      case frameTypes.pushPromise:
        return this.#refuse(errors.protocol);
      default:
        return this.#takeIgnored(type, id, length);
    }
  }

  /** Priorities are of no consequence (RFC 9113 §5.3), unknown frames of no known one: neither goes on. */
  #takeIgnored(type: number, id: number, length: number): false {
    if (type === frameTypes.priority) {
      if (id === 0) return this.#refuse(errors.protocol);
      if (length !== 5) return this.#refuse(errors.frameSize);
    }
    return this.#mayIdle() ? false : this.#refuse(errors.enhanceYourCalm);
  }

  #isOwnAck(bytes: Buffer, at: number): boolean {
    const { goodbye, streams } = this.#relay;
    return streams.fromClient.takeAck(bytes, at) || goodbye.takeAck(bytes, at);
  }

  #takeReset(id: number, length: number, bytes: Buffer, at: number): Fate {
    const relay = this.#relay;
    if (length !== 4) return this.#refuse(errors.frameSize);
    if (id === 0) return this.#refuse(errors.protocol);
    if (id > relay.numbers.lastServedId) return false;
    if (id > relay.numbers.maxId) return this.#refuse(errors.protocol);
    if (!this.#mayReset(1)) return this.#refuse(errors.enhanceYourCalm);
    const stream = relay.streams.get(id);
    if (stream === undefined) return false;
    const { isStopped, isForwarded, upstreamNumber } = stream;
    relay.streams.resetByClient(stream);
    if (isStopped || !isForwarded) return false;
    if (upstreamNumber !== id) bytes.writeUInt32BE(upstreamNumber, at + 5);
    return true;
  }

  #takeWindowUpdate(id: number, length: number, bytes: Buffer, at: number): Fate {
    const relay = this.#relay;
    if (length !== 4) return this.#refuse(errors.frameSize);
    const increment = numberAt(bytes, at + frameHeaderBytes) & 0x7fff_ffff;
    if (id === 0) {
      if (increment === 0) return this.#refuse(errors.protocol);
      const rest = relay.streams.credit.skim(increment);
      if (rest === increment) return true;
      return rest > 0 && makeWindowUpdate(0, rest);
    }
    if (id > relay.numbers.lastServedId) return false;
    if (increment === 0 || id > relay.numbers.maxId) return this.#refuse(errors.protocol);
    const stream = relay.streams.get(id);
    if (stream === undefined || stream.isStopped) return false;
    if (stream.held !== null) {
      stream.held.openWindow(increment);
      return false;
    }
    if (stream.upstreamNumber !== id) bytes.writeUInt32BE(stream.upstreamNumber, at + 5);
    return true;
  }
}
