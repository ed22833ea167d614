// The request's way to the upstream: its head as it came or written anew, its body framed and measured while the
// very buffers that arrived go on. What belongs to the next request is handed back.

import { rewriteHead } from './rewrite-head.ts';
import type { Exchange } from './exchange.ts';
import type { Relay } from './relay.ts';

/** Sends the requests of one relay, one after the other. */
export class Sending {
  readonly #relay: Relay;

  constructor(relay: Relay) {
    this.#relay = relay;
  }

  /** Sends head and first body bytes, in one write where they may go as they came; answers what follows them. */
  start(exchange: Exchange, bytes: Buffer): Buffer {
    const { head } = exchange;
    if (mustRewrite(exchange)) {
      this.sendHead(exchange);
      return this.sendBody(exchange, bytes.subarray(head.bodyStart));
    }
    const end = exchange.requestFramer.isDone
      ? head.bodyStart
      : this.#measure(exchange, bytes, head.bodyStart);
    if (end < 0) return bytes.subarray(bytes.length);
    this.#write(exchange, end === head.bodyStart ? exchange.headBytes : bytes.subarray(head.start, end));
    return bytes.subarray(end);
  }

  /** Sends the head alone. */
  sendHead(exchange: Exchange): void {
    const { head, judgement } = exchange;
    const bytes = mustRewrite(exchange)
      ? rewriteHead(head, headOf(exchange), judgement.originForm, judgement.rewrite?.how.ask)
      : exchange.headBytes;
    this.#write(exchange, bytes);
  }

  /** Sends what of these bytes is body; answers what follows it, nothing when the exchange was ended for them. */
  sendBody(exchange: Exchange, bytes: Buffer): Buffer {
    if (bytes.length === 0 || exchange.requestFramer.isDone) return bytes;
    const end = this.#measure(exchange, bytes, 0);
    if (end < 0) return bytes.subarray(bytes.length);
    if (end > 0) this.#write(exchange, end === bytes.length ? bytes : bytes.subarray(0, end));
    return bytes.subarray(end);
  }

  #write(exchange: Exchange, bytes: Buffer): void {
    if (exchange.upstream!.socket.write(bytes)) return;
    this.#relay.hold();
    this.#relay.countKept();
  }

  /** Where the body ends, within its limits; -1 when the exchange was ended for what came. */
  #measure(exchange: Exchange, bytes: Buffer, start: number): number {
    const end = exchange.requestFramer.feed(bytes, start);
    if (end < 0) {
      this.#relay.cutExchange(exchange, 'request-smuggling');
      return -1;
    }
    exchange.sentBytes += end - start;
    exchange.bodyBytes += end - start;
    exchange.watch(bytes, start, end);
    const maxUpload = exchange.judgement.maxUploadBytes;
    if (maxUpload !== null && exchange.bodyBytes > maxUpload) {
      this.#relay.cutExchange(exchange, 'max-upload');
      return -1;
    }
    const { connection } = this.#relay;
    const { firstByteMs, bodyIdleMs } = connection.core.limits;
    connection.setDeadline(exchange.requestFramer.isDone ? firstByteMs : bodyIdleMs);
    return end;
  }
}

function mustRewrite(exchange: Exchange): boolean {
  const { originForm, rewrite } = exchange.judgement;
  return exchange.head.mustRewrite || originForm !== null || rewrite !== null;
}

/** The head's bytes with offsets as the parser gave them. */
function headOf(exchange: Exchange): Buffer {
  const { start } = exchange.head;
  return start === 0 ? exchange.headBytes : Buffer.concat([Buffer.alloc(start), exchange.headBytes]);
}
