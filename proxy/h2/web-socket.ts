// A WebSocket in a stream (RFC 8441): both sides' frames are followed as over HTTP/1.1. What breaks the protocol is
// blanked, since its frame of HTTP/2 may be half sent, and the stream is cut.

import type { FlowHttp } from '../../flow/flow.ts';
import { WebSocketFrames, type FrameReader } from '../websocket-frames.ts';
import type { HpackBlock } from './hpack.ts';
import { Payload } from './payload.ts';

/** True when the request says by its fields that it begins a WebSocket of the one version that there is. */
export function isHandshake(block: HpackBlock): boolean {
  return fieldOf(block, 'sec-websocket-version') === '13';
}

/** Both directions of one. */
export class WebSocket {
  readonly payloadSent = new Payload();
  readonly payloadReceived = new Payload();
  readonly #sent: WebSocketFrames;
  #received: WebSocketFrames | null = null;

  /** `reader` is given what the client says. */
  constructor(request: HpackBlock, reader: FrameReader | null) {
    // What the server agreed to is not known yet when the first frames come: what was offered may be used.
    const mayExtend = fieldOf(request, 'sec-websocket-extensions') !== '';
    this.#sent = new WebSocketFrames('client', mayExtend, reader);
  }

  accept(answer: HpackBlock): void {
    this.#received = new WebSocketFrames('server', fieldOf(answer, 'sec-websocket-extensions') !== '');
  }

  get counts(): FlowHttp['webSocket'] {
    return this.#received === null ? undefined : { sent: this.#sent.counts, received: this.#received.counts };
  }

  /** A piece of a DATA frame; false, and blank, when it is no frame of a WebSocket. */
  send(bytes: Buffer, start: number, end: number): boolean {
    return follow(this.#sent, this.payloadSent, bytes, start, end);
  }

  receive(bytes: Buffer, start: number, end: number): boolean {
    return this.#received === null || follow(this.#received, this.payloadReceived, bytes, start, end);
  }
}

function follow(
  frames: WebSocketFrames,
  payload: Payload,
  bytes: Buffer,
  start: number,
  end: number,
): boolean {
  payload.cut(start, end);
  if (frames.feed(bytes.subarray(payload.from, payload.to)) === null) return true;
  bytes.fill(0, payload.from, payload.to);
  return false;
}

function fieldOf(block: HpackBlock, name: string): string {
  for (let i = 0; i < block.count; i++) if (block.fields[i]!.name === name) return block.fields[i]!.value;
  return '';
}
