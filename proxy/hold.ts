// Hold: keeps the first bytes of a body until a decision that needs them. Up to a size the body is read
// whole, decoded within a ratio; beyond it the body is opaque, and what was kept goes on as it came.

import type { Transform } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate, createZstdDecompress } from 'node:zlib';
import type { Held, HoldLimits } from '../flow/held.ts';

export type { Held, HoldLimits };

// So small bodies compress beyond any sensible ratio that only larger ones are measured.
const ratioFromBytes = 4_096;

const smallestPiece = 512;
const largestPiece = 65_536;

/** Copies of bytes that came in pieces, in a few buffers: a body that comes byte by byte costs no object for each. */
export class Pieces {
  readonly #full: Buffer[] = [];
  #last = Buffer.alloc(0);
  #used = 0;

  push(bytes: Buffer): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.#used === this.#last.length) this.#grow(bytes.length - at);
      const copied = bytes.copy(this.#last, this.#used, at);
      this.#used += copied;
      at += copied;
    }
  }

  #grow(wanted: number): void {
    if (this.#used > 0) this.#full.push(this.#last);
    const size = Math.max(smallestPiece, wanted, Math.min(2 * this.#last.length, largestPiece));
    this.#last = Buffer.allocUnsafeSlow(size);
    this.#used = 0;
  }

  clear(): void {
    this.#full.length = 0;
    this.#last = Buffer.alloc(0);
    this.#used = 0;
  }

  /** All that was pushed so far, in order. */
  get list(): Buffer[] {
    return this.#used === 0 ? [...this.#full] : [...this.#full, this.#last.subarray(0, this.#used)];
  }
}

/** One hold. `push` until it answers false or the body ends, then `end`; nothing is sent meanwhile. */
export class Hold {
  readonly #limits: HoldLimits;
  readonly #coding: string;
  readonly #raw = new Pieces();
  #bytes = 0;
  #isOver = false;

  /** `contentCoding` is the Content-Encoding as sent (RFC 9110 §8.4), empty or `identity` for none. */
  constructor(limits: HoldLimits, contentCoding: string) {
    this.#limits = limits;
    this.#coding = contentCoding.trim().toLowerCase();
  }

  /** Keeps a piece of the body, unframed; false when the size is passed and the body is opaque. */
  push(bytes: Buffer): boolean {
    this.#raw.push(bytes);
    this.#bytes += bytes.length;
    if (this.#bytes > this.#limits.maxBytes) this.#isOver = true;
    return !this.#isOver;
  }

  /** What was kept, as it came; more may be kept than is decoded. */
  get raw(): Buffer[] {
    return this.#raw.list;
  }

  /** The body has ended, or is opaque. Never rejects. */
  async end(): Promise<Held> {
    const { raw } = this;
    if (this.#isOver) return { kind: 'opaque', detail: 'the body is larger than what is held', raw };
    const encoded = Buffer.concat(raw, this.#bytes);
    if (this.#coding === '' || this.#coding === 'identity') return { kind: 'whole', body: encoded, raw };
    const decoder = decoderOf(this.#coding);
    if (decoder === null) return { kind: 'opaque', detail: 'an unknown content coding', raw };
    const decoded = await decode(decoder, encoded, this.#limits);
    return typeof decoded === 'string'
      ? { kind: 'opaque', detail: decoded, raw }
      : { kind: 'whole', body: decoded, raw };
  }
}

function decoderOf(coding: string): Transform | null {
  switch (coding) {
    case 'gzip':
    case 'x-gzip':
      return createGunzip();
    case 'deflate':
      return createInflate();
    case 'br':
      return createBrotliDecompress();
    case 'zstd':
      return createZstdDecompress();
    default:
      return null;
  }
}

function decode(decoder: Transform, encoded: Buffer, limits: HoldLimits): Promise<Buffer | string> {
  const byRatio = Math.max(encoded.length * limits.maxRatio, ratioFromBytes);
  const most = Math.min(limits.maxDecodedBytes, byRatio);
  return new Promise((resolve) => {
    const parts: Buffer[] = [];
    let size = 0;
    decoder.on('data', (part: Buffer) => {
      size += part.length;
      parts.push(part);
      if (size <= most) return;
      decoder.destroy();
      resolve('the body decodes to more than its limit');
    });
    decoder.on('error', () => resolve('the body does not decode'));
    decoder.on('end', () => resolve(Buffer.concat(parts, size)));
    decoder.end(encoded);
  });
}
