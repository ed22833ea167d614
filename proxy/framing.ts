// Finds where an HTTP/1 body ends while its bytes pass by unchanged (RFC 9112 §6, §7): by length, by
// chunks with their trailers, or with the connection. Nothing of the body is kept.

import { isToken, isValue } from './head-bytes.ts';

/** Follows one body. `feed` answers where the body ends in these bytes, or -1 when its form is broken. */
export interface Framer {
  isDone: boolean;
  /** The index after the last byte of the body in `bytes`, at most its length; `start` is where to begin. */
  feed(bytes: Buffer, start: number): number;
}

class LengthFramer implements Framer {
  isDone: boolean;
  #left: number;
  constructor(length: number) {
    this.#left = length;
    this.isDone = length === 0;
  }
  feed(bytes: Buffer, start: number): number {
    const taken = Math.min(this.#left, bytes.length - start);
    this.#left -= taken;
    this.isDone = this.#left === 0;
    return start + taken;
  }
}

class EndlessFramer implements Framer {
  isDone = false;
  feed(bytes: Buffer, _start: number): number {
    return bytes.length;
  }
}

// States of the chunk scanner, as small numbers for the sake of the switch.
const size = 0;
const extension = 1;
const sizeLf = 2;
const data = 3;
const dataCr = 4;
const dataLf = 5;
const lineStart = 6;
const name = 7;
const value = 8;
const valueLf = 9;
const lastLf = 10;
const maxSizeDigits = 12;
const maxExtensionBytes = 512;
const maxTrailerBytes = 8_192;
// RFC 9110 §6.5.1: fields that frame or route a message may not come after it.
const forbiddenTrailers = new Set([
  'content-length',
  'transfer-encoding',
  'host',
  'connection',
  'trailer',
  'te',
]);

class ChunkFramer implements Framer {
  isDone = false;
  #state = size;
  #left = 0;
  #digits = 0;
  #extensionBytes = 0;
  #trailerBytes = 0;
  #name = '';

  feed(bytes: Buffer, start: number): number {
    let at = start;
    while (at < bytes.length) {
      if (this.#state === data) {
        const taken = Math.min(this.#left, bytes.length - at);
        this.#left -= taken;
        at += taken;
        if (this.#left === 0) this.#state = dataCr;
        continue;
      }
      if (!this.#step(bytes[at]!)) return -1;
      at++;
      if (this.isDone) return at;
    }
    return at;
  }

  #step(byte: number): boolean {
    switch (this.#state) {
      case size:
        return this.#stepSize(byte);
      case extension:
        if (byte === 13) return this.#go(sizeLf);
        return isValue[byte] === 1 && ++this.#extensionBytes <= maxExtensionBytes;
      case sizeLf:
        this.#digits = 0;
        this.#extensionBytes = 0;
        return byte === 10 && this.#go(this.#left === 0 ? lineStart : data);
      case dataCr:
        return byte === 13 && this.#go(dataLf);
      case dataLf:
        return byte === 10 && this.#go(size);
      default:
        return ++this.#trailerBytes <= maxTrailerBytes && this.#stepTrailer(byte);
    }
  }

  #stepSize(byte: number): boolean {
    const digit = hexDigit(byte);
    if (digit >= 0) {
      this.#left = (this.#digits === 0 ? 0 : this.#left * 16) + digit;
      return ++this.#digits <= maxSizeDigits;
    }
    if (this.#digits === 0) return false;
    return byte === 13 ? this.#go(sizeLf) : byte === 59 && this.#go(extension);
  }

  #stepTrailer(byte: number): boolean {
    switch (this.#state) {
      case lineStart:
        this.#name = '';
        if (byte === 13) return this.#go(lastLf);
        return this.#go(name) && this.#stepTrailer(byte);
      case name:
        if (byte === 58) return this.#name !== '' && !forbiddenTrailers.has(this.#name) && this.#go(value);
        this.#name += String.fromCharCode(byte).toLowerCase();
        return isToken[byte] === 1;
      case value:
        return byte === 13 ? this.#go(valueLf) : isValue[byte] === 1;
      case valueLf:
        return byte === 10 && this.#go(lineStart);
      default:
        this.isDone = byte === 10;
        return this.isDone;
    }
  }

  #go(state: number): true {
    this.#state = state;
    return true;
  }
}

function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  const lower = byte | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}

/** A body of so many bytes; 0 is done at once. */
export const byLength = (bytes: number): Framer => new LengthFramer(bytes);
/** A chunked body with its trailers. */
export const byChunks = (): Framer => new ChunkFramer();
/** A body that ends with its connection. */
export const untilClose = (): Framer => new EndlessFramer();
