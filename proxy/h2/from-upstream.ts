// The upstream's frames: answers are read for their status, their Location and what they mean, and go on as they
// came; a server that breaks the protocol, or floods its client through us, ends the connection.

import { readAnswer } from '../answer-reading.ts';
import { BlockFields } from '../fields.ts';
import { errors, flags, frameHeaderBytes, frameTypes, makeHeaders, makeWindowUpdate } from './frames.ts';
import { Bucket, idleFrameRate, resetRate } from './floods.ts';
import type { HpackBlock } from './hpack.ts';
import { passSettings } from './pass-settings.ts';
import type { Http2Relay } from './relay.ts';
import { ReadFrames } from './read-frames.ts';
import { AnswerBlock, areTrailers } from './request-block.ts';
import type { Stream } from './stream.ts';
import { numberAt } from './walk.ts';
import type { Fate, FrameTaker } from './walk.ts';

const answer = new AnswerBlock();

/** Takes the frames of one server. */
export class FromUpstream implements FrameTaker {
  readonly #relay: Http2Relay;
  readonly #resets: Bucket;
  readonly #idle: Bucket;
  /** The stream whose DATA frame is on its way and followed, and whether it is the last. */
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
    return this.#relay.clientSettings.maxFrameBytes;
  }

  get isWatching(): boolean {
    return this.#relay.webSockets > 0 || this.#relay.streams.readings > 0;
  }

  fail(code: number): void {
    this.#relay.failUpstream(code, code === errors.enhanceYourCalm ? 'h2-flood' : 'upstream-protocol');
  }

  #refuse(code: number): false {
    this.fail(code);
    return false;
  }

  #mayIdle(): boolean {
    return this.#idle.take(this.#relay.connection.core.nowMs);
  }

  takeBlock(id: number, isLast: boolean, bytes: Buffer, start: number, end: number, size: number): Fate {
    const relay = this.#relay;
    if (!relay.serverSettings.isKnown || (id & 1) === 0 || id > relay.numbers.upstreamMaxId)
      return this.#refuse(errors.protocol);
    const block = relay.answerTables.decode(bytes, start, end);
    if (typeof block === 'string') return this.#refuse(errors.compression);
    const { maxFrameBytes } = relay.clientSettings;
    const stream = relay.streams.ofUpstream(id);
    // Reset by the client meanwhile, who knows what to make of it, by its own number.
    if (stream === undefined) {
      // No record counts it: as many as there may be resets of streams that were being answered.
      if (!this.#resets.take(relay.connection.core.nowMs, 0.25)) return this.#refuse(errors.enhanceYourCalm);
      if (relay.numbers.isRenumbered) return relay.answerTables.withhold(block);
      return relay.answerTables.pass(block, id, isLast, maxFrameBytes);
    }
    if (stream.isStopped) {
      if (isLast) relay.streams.resetByUpstream(stream);
      return relay.answerTables.withhold(block);
    }
    if (stream.isUpstreamDone) return this.#refuse(errors.streamClosed);
    if (!this.#read(stream, block, isLast)) {
      relay.streams.fail(stream, 'upstream-protocol');
      return relay.answerTables.withhold(block);
    }
    stream.receivedBytes += size;
    if (isLast) {
      relay.streams.endReading(stream);
      this.#end(stream);
    }
    const fate = relay.answerTables.pass(block, stream.number, isLast, maxFrameBytes);
    if (fate !== true || stream.number === id) return fate;
    return makeHeaders(stream.number, bytes.subarray(start, end), isLast, maxFrameBytes);
  }

  /** Interim answer, final one, or trailers; false for anything else. */
  #read(stream: Stream, block: HpackBlock, isLast: boolean): boolean {
    if (stream.isAnswering) return isLast && areTrailers(block);
    answer.read(block);
    const { status } = answer;
    if (status === 0 || status === 101) return false;
    stream.markFirstByte();
    const { limits, nowMs } = this.#relay.connection.core;
    if (status < 200) {
      stream.deadlineMs = nowMs + limits.firstByteMs;
      return !isLast;
    }
    stream.isAnswering = true;
    stream.status = status;
    if (stream.request.upgrade !== null && status < 300) {
      stream.isTunnel = true;
      stream.webSocket?.accept(block);
    }
    stream.deadlineMs = nowMs + (stream.isTunnel ? limits.tunnelIdleMs : limits.bodyIdleMs);
    if (answer.location !== null) this.#relay.follow(stream, answer.location, status);
    if (stream.judgement.answer !== null && !stream.isTunnel) this.#beginReading(stream, block, isLast);
    return true;
  }

  #beginReading(stream: Stream, block: HpackBlock, isLast: boolean): void {
    const fields = new BlockFields(block);
    fields.keep();
    const head = { status: answer.status, header: (name: string) => fields.header(name) };
    const reading = readAnswer(stream, head, isLast ? 'none' : 'until-close');
    if (reading !== null) this.#relay.streams.read(stream, new ReadFrames(reading));
  }

  #end(stream: Stream): void {
    stream.isUpstreamDone = true;
    this.#relay.streams.settle(stream);
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
    if (!relay.serverSettings.isKnown || id === 0 || id > relay.numbers.upstreamMaxId)
      return this.#refuse(errors.protocol);
    if (length === padBytes && !isLast && !this.#mayIdle()) return this.#refuse(errors.enhanceYourCalm);
    const stream = relay.streams.ofUpstream(id);
    // Over already, by the client's reset or by the server's own end: nothing goes on that no record counts.
    if (stream === undefined) return false;
    if (stream.isStopped) {
      if (isLast) relay.streams.resetByUpstream(stream);
      return false;
    }
    if (stream.isUpstreamDone) return this.#refuse(errors.streamClosed);
    if (!stream.isAnswering) {
      relay.streams.fail(stream, 'upstream-protocol');
      return false;
    }
    stream.receivedBytes += length;
    if (stream.number !== id) bytes.writeUInt32BE(stream.number, at + 5);
    stream.webSocket?.payloadReceived.begin(length, padBytes);
    stream.reading?.begin(length, padBytes);
    this.#watched = stream.webSocket === null && stream.reading === null ? null : stream;
    this.#endsWatched = isLast;
    if (isLast && this.#watched === null) this.#end(stream);
    else {
      const { limits, nowMs } = relay.connection.core;
      stream.deadlineMs = nowMs + (stream.isTunnel ? limits.tunnelIdleMs : limits.bodyIdleMs);
    }
    return true;
  }

  takePassing(_id: number, bytes: Buffer, start: number, end: number): void {
    const stream = this.#watched;
    if (stream === null) return;
    const { reading, webSocket } = stream;
    if (reading !== null) {
      this.#relay.streams.readPiece(stream, bytes, start, end);
      if (!this.#endsWatched || reading.isCut) return;
      this.#relay.streams.endReading(stream);
      return this.#end(stream);
    }
    if (webSocket === null) return;
    if (!webSocket.receive(bytes, start, end)) this.#relay.streams.cut(stream, 'malformed-websocket');
    else if (this.#endsWatched && !webSocket.payloadReceived.isCut) this.#end(stream);
  }

  takeWithheld(_id: number, _bytes: Buffer, start: number, end: number): void {
    this.#relay.refundUpstream(end - start);
  }

  takeFrame(type: number, flagBits: number, id: number, length: number, bytes: Buffer, at: number): Fate {
    const relay = this.#relay;
    const isAck = (flagBits & flags.ack) !== 0;
    // Its own SETTINGS come first, not what it makes of the client's (RFC 9113 §3.4).
    if ((type !== frameTypes.settings || isAck) && !relay.serverSettings.isKnown)
      return this.#refuse(errors.protocol);
    switch (type) {
      case frameTypes.rstStream:
        return this.#takeReset(id, length, bytes, at);
      case frameTypes.windowUpdate:
        return this.#takeWindowUpdate(id, length, bytes, at);
      case frameTypes.settings:
        if (!this.#mayIdle()) return this.#refuse(errors.enhanceYourCalm);
        return passSettings(relay, false, isAck, id, length, bytes, at);
      case frameTypes.ping:
        if (id !== 0) return this.#refuse(errors.protocol);
        if (length !== 8) return this.#refuse(errors.frameSize);
        if (isAck && relay.streams.fromUpstream.takeAck(bytes, at + frameHeaderBytes)) return false;
        return this.#mayIdle() || this.#refuse(errors.enhanceYourCalm);
      case frameTypes.goaway:
        if (id !== 0) return this.#refuse(errors.protocol);
        if (length < 8) return this.#refuse(errors.frameSize);
        if (!this.#mayIdle()) return this.#refuse(errors.enhanceYourCalm);
        return relay.numbers.takeGoaway(bytes, at, length);
      case frameTypes.pushPromise:
        return this.#refuse(errors.protocol);
      default:
        // Unknown ones would speak of other origins and other services (ORIGIN, ALTSVC): none goes on.
        return this.#mayIdle() ? false : this.#refuse(errors.enhanceYourCalm);
    }
  }

  #takeReset(id: number, length: number, bytes: Buffer, at: number): Fate {
    const relay = this.#relay;
    if (length !== 4) return this.#refuse(errors.frameSize);
    if (id === 0 || id > relay.numbers.upstreamMaxId) return this.#refuse(errors.protocol);
    // A client can make a server reset its streams (MadeYouReset): the flood is the same.
    if (!this.#resets.take(relay.connection.core.nowMs)) {
      relay.failClient(errors.enhanceYourCalm, 'h2-flood');
      return false;
    }
    const stream = relay.streams.ofUpstream(id);
    if (stream === undefined) return false;
    const { isStopped, number } = stream;
    relay.streams.resetByUpstream(stream);
    if (isStopped) return false;
    if (number !== id) bytes.writeUInt32BE(number, at + 5);
    return true;
  }

  #takeWindowUpdate(id: number, length: number, bytes: Buffer, at: number): Fate {
    const relay = this.#relay;
    if (length !== 4) return this.#refuse(errors.frameSize);
    const increment = numberAt(bytes, at + frameHeaderBytes) & 0x7fff_ffff;
    if (increment === 0 || id > relay.numbers.upstreamMaxId) return this.#refuse(errors.protocol);
    if (id === 0) {
      const rest = relay.holding.skim(increment);
      if (rest === increment) return true;
      return rest > 0 && makeWindowUpdate(0, rest);
    }
    const stream = relay.streams.ofUpstream(id);
    if (stream === undefined || stream.isStopped) return false;
    if (stream.number !== id) bytes.writeUInt32BE(stream.number, at + 5);
    return true;
  }
}
