// Content codings (RFC 9110 §8.4.1) of answers, decoded without leaving the turn in which their bytes arrive: what an
// answer tells must be known before its last byte goes on.

import {
  brotliDecompressSync,
  constants,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createZstdDecompress,
  gunzipSync,
  inflateSync,
  zstdDecompressSync,
} from 'node:zlib';
import type { HoldLimits } from '../flow/held.ts';

// So small bodies compress beyond any sensible ratio that only larger ones are measured.
const ratioFromBytes = 4_096;
const pieceBytes = 65_536;
/** About what an open decoder takes. */
export const decoderBytes = 131_072;
const tooMuch = 'the body decodes to more than its limit';
const undecodable = 'the body does not decode';

/**
 * What Node's own synchronous functions use of a decoder, which have no form that keeps its state from one piece to the
 * next. Which Node this is, is fixed; test/proxy/answer-reading.test.ts holds that it is there.
 */
interface Steps {
  readonly _handle: {
    writeSync(
      flush: number,
      input: Buffer,
      inputAt: number,
      inputBytes: number,
      output: Buffer,
      outputAt: number,
      outputBytes: number,
    ): void;
  };
  /** Bytes of output and of input that are left after a step. */
  readonly _writeState: Uint32Array;
  readonly destroyed: boolean;
  on(event: 'error', ignore: () => void): void;
  destroy(): void;
}

interface Coding {
  open(): unknown;
  whole(bytes: Buffer, options: { maxOutputLength: number }): Buffer;
  readonly finish: number;
}

const gzip: Coding = { open: createGunzip, whole: gunzipSync, finish: constants.Z_FINISH };
const codings: ReadonlyMap<string, Coding> = new Map<string, Coding>([
  ['gzip', gzip],
  ['x-gzip', gzip],
  ['deflate', { open: createInflate, whole: inflateSync, finish: constants.Z_FINISH }],
  [
    'br',
    {
      open: createBrotliDecompress,
      whole: brotliDecompressSync,
      finish: constants.BROTLI_OPERATION_FINISH,
    },
  ],
  ['zstd', { open: createZstdDecompress, whole: zstdDecompressSync, finish: constants.ZSTD_e_end }],
]);

/** The Content-Encoding of a body; empty where there is none. */
export function codingOf(header: string | null): string {
  const coding = header?.trim().toLowerCase() ?? '';
  return coding === 'identity' ? '' : coding;
}

/** How much this many bytes may decode to. */
function most(encodedBytes: number, { maxDecodedBytes, maxRatio }: HoldLimits): number {
  return Math.min(maxDecodedBytes, Math.max(encodedBytes * maxRatio, ratioFromBytes));
}

/** A whole body decoded, or the text why it is not. Never throws. */
export function decodeWhole(coding: string, encoded: Buffer, limits: HoldLimits): Buffer | string {
  if (coding === '') return encoded.length > limits.maxDecodedBytes ? tooMuch : encoded;
  const known = codings.get(coding);
  if (known === undefined) return 'an unknown content coding';
  try {
    return known.whole(encoded, { maxOutputLength: Math.max(1, most(encoded.length, limits)) });
  } catch (error) {
    return error instanceof RangeError ? tooMuch : undecodable;
  }
}

/** Decodes one body piece by piece, each within the call that brings it. */
export class StepDecoder {
  readonly #steps: Steps;
  readonly #coding: Coding;
  readonly #limits: HoldLimits;
  #encodedBytes = 0;
  #decodedBytes = 0;

  private constructor(coding: Coding, limits: HoldLimits) {
    this.#coding = coding;
    this.#limits = limits;
    // The types of Node do not tell of these fields.
    this.#steps = coding.open() as Steps;
    this.#steps.on('error', () => {});
  }

  /** Null for a coding that is not known. */
  static open(coding: string, limits: HoldLimits): StepDecoder | null {
    const known = codings.get(coding);
    return known === undefined ? null : new StepDecoder(known, limits);
  }

  /** Gives what these bytes decode to to `take`, in buffers of its own; answers why not, or null. */
  push(bytes: Buffer, take: (decoded: Buffer) => void): string | null {
    this.#encodedBytes += bytes.length;
    return this.#step(0, bytes, take);
  }

  /** The body has ended; answers what is wrong with that, or null. */
  end(take: (decoded: Buffer) => void): string | null {
    const problem = this.#step(this.#coding.finish, Buffer.alloc(0), take);
    this.close();
    return problem;
  }

  close(): void {
    this.#steps.destroy();
  }

  #step(flush: number, bytes: Buffer, take: (decoded: Buffer) => void): string | null {
    const { _handle: handle, _writeState: state } = this.#steps;
    let at = 0;
    for (;;) {
      const output = Buffer.allocUnsafeSlow(pieceBytes);
      handle.writeSync(flush, bytes, at, bytes.length - at, output, 0, pieceBytes);
      if (this.#steps.destroyed) return undecodable;
      const [free = 0, left = 0] = state;
      this.#decodedBytes += pieceBytes - free;
      if (this.#decodedBytes > most(this.#encodedBytes, this.#limits)) return tooMuch;
      if (free < pieceBytes) take(output.subarray(0, pieceBytes - free));
      // Room was left: all that could be decoded was.
      if (free > 0) return null;
      at = bytes.length - left;
    }
  }
}
