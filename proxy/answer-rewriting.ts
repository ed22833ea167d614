// Sends a list of versions on without those that policy refuses: decoded, shortened by whoever understands it, in chunks
// of our own. Until something went on the job can still be told why it gets nothing.

import type { AnswerTransform } from '../flow/asked-request.ts';
import type { Evidence } from '../flow/evidence.ts';
import { ChunkContent } from './chunk-content.ts';
import type { ResponseHead } from './response-head.ts';
import { codingOf, decoderBytes, StepDecoder } from './step-decoder.ts';

const limits = { maxBytes: 67_108_864, maxDecodedBytes: 268_435_456, maxRatio: 200 };
const maxNamed = 10;
const framingFields = ['content-length', 'transfer-encoding', 'content-encoding', 'trailer'];
const lineEnd = Buffer.from('\r\n');
const lastChunk = Buffer.from('0\r\n\r\n');

/** What an answer is rewritten from. */
export interface Original {
  /** Its head's bytes. */
  readonly bytes: Buffer;
  readonly head: ResponseHead;
  readonly coding: string | null;
  /** Fields that hold no more. */
  readonly forget: readonly string[];
  /** False for a client of HTTP/1.0: the body ends with the connection. */
  readonly mayChunk: boolean;
}

/** What the end of an answer came to; `bytes` are its last ones for the client. */
export type RewrittenEnd =
  | { readonly kind: 'whole'; readonly bytes: readonly Buffer[]; readonly evidence: readonly Evidence[] }
  | { readonly kind: 'refused'; readonly detail: string };

/** One answer on its way through a transform. */
export class AnswerRewriting {
  readonly #transform: AnswerTransform;
  readonly #original: Original;
  readonly #chunks: ChunkContent | null;
  readonly #decoder: StepDecoder | null;
  #problem: string | null = null;
  #out: Buffer[] = [];
  #isHeadSent = false;

  constructor(transform: AnswerTransform, original: Original) {
    this.#transform = transform;
    this.#original = original;
    this.#chunks = original.head.framing === 'chunked' ? new ChunkContent() : null;
    const coding = codingOf(original.coding);
    this.#decoder = coding === '' ? null : StepDecoder.open(coding, limits);
    if (coding !== '' && this.#decoder === null) this.#problem = 'an unknown content coding';
  }

  /** Memory that is held for it. */
  get heldBytes(): number {
    return this.#transform.heldBytes + (this.#decoder === null ? 0 : decoderBytes);
  }

  /** Bytes of the body as they come, framing included; answers what goes on. */
  push(bytes: Buffer, start: number, end: number): readonly Buffer[] {
    if (this.#chunks === null) this.#take(bytes.subarray(start, end));
    else this.#chunks.feed(bytes, start, end, this.#take);
    return this.#takeOut();
  }

  readonly #take = (content: Buffer): void => {
    if (this.#problem !== null || content.length === 0) return;
    if (this.#decoder === null) this.#shorten(content);
    else this.#problem = this.#decoder.push(content, this.#shorten);
  };

  readonly #shorten = (decoded: Buffer): void => {
    for (const piece of this.#transform.push(decoded)) this.#send(piece);
  };

  /** The body is whole. */
  end(): RewrittenEnd {
    this.#problem ??= this.#decoder?.end(this.#shorten) ?? null;
    if (this.#problem !== null) return { kind: 'refused', detail: this.#problem };
    const result = this.#transform.end();
    if (result.kind === 'refused') return result;
    for (const piece of result.rest) this.#send(piece);
    this.#begin();
    if (this.#original.mayChunk) this.#out.push(lastChunk);
    return { kind: 'whole', bytes: this.#takeOut(), evidence: tellRemoved(result.removed) };
  }

  #send(piece: Buffer): void {
    if (piece.length === 0) return;
    this.#begin();
    if (!this.#original.mayChunk) return void this.#out.push(piece);
    this.#out.push(Buffer.from(`${piece.length.toString(16)}\r\n`), piece, lineEnd);
  }

  #begin(): void {
    if (this.#isHeadSent) return;
    this.#isHeadSent = true;
    this.#out.push(rewriteAnswerHead(this.#original));
  }

  #takeOut(): readonly Buffer[] {
    const out = this.#out;
    this.#out = [];
    return out;
  }

  /** The answer broke off, or nobody waits for it. */
  drop(): void {
    this.#problem ??= 'the answer broke off';
    this.#decoder?.close();
  }
}

/** The head with the framing that we send, without what no longer holds. */
function rewriteAnswerHead({ bytes, forget, mayChunk }: Original): Buffer {
  const [status = '', ...lines] = bytes.toString('latin1', 0, bytes.length - 4).split('\r\n');
  const gone = new Set([...framingFields, ...forget, ...(mayChunk ? [] : ['connection', 'keep-alive'])]);
  const kept = lines.filter((line) => !gone.has(line.slice(0, line.indexOf(':')).trim().toLowerCase()));
  const framing = mayChunk ? 'Transfer-Encoding: chunked' : 'Connection: close';
  // Chunks are of HTTP/1.1, whatever the server speaks.
  const line = status.replace(/^HTTP\/1\.\d/, 'HTTP/1.1');
  return Buffer.from(`${[line, ...kept, framing].join('\r\n')}\r\n\r\n`, 'latin1');
}

function tellRemoved(removed: readonly string[]): readonly Evidence[] {
  if (removed.length === 0) return [];
  const named = removed.slice(0, maxNamed).map((version) => version.slice(0, 64));
  const more = removed.length > maxNamed ? ` and ${removed.length - maxNamed} more` : '';
  return [{ kind: 'package-age', detail: `left out of the list: ${named.join(', ')}${more}` }];
}
