// Lines of records as bytes, one after the other, ready for one write. Grows only while they cannot be written.

import type { PreparedOutcome, PreparedSource } from './prepared-record.ts';

const initialBytes = 128 * 1024;

export class LineBuffer {
  /** The lines are its first `length` bytes. */
  bytes: Buffer = Buffer.allocUnsafeSlow(initialBytes);
  length = 0;
  lines = 0;

  /** Appends a line as UTF-8; a half surrogate becomes U+FFFD. */
  add(line: string): void {
    // No code unit takes more than three bytes.
    this.#reserve(line.length * 3);
    this.length += this.bytes.write(line, this.length);
    this.lines++;
  }

  /** Appends the line of two prepared halves with a new id. */
  addPrepared(source: PreparedSource, outcome: PreparedOutcome, nowMs: number): void {
    const sourceBytes = source.bytes.length;
    const outcomeBytes = outcome.bytes.length;
    this.#reserve(sourceBytes + outcomeBytes);
    source.write(this.bytes, this.length, nowMs);
    this.bytes.set(outcome.bytes, this.length + sourceBytes);
    this.length += sourceBytes + outcomeBytes;
    this.lines++;
  }

  #reserve(sizeBytes: number): void {
    const needed = this.length + sizeBytes;
    if (needed <= this.bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.bytes.length * 2));
    larger.set(this.bytes.subarray(0, this.length));
    this.bytes = larger;
  }

  /** Empties it; memory beyond the usual is given back. */
  clear(): void {
    this.length = 0;
    this.lines = 0;
    if (this.bytes.length > initialBytes) this.bytes = Buffer.allocUnsafeSlow(initialBytes);
  }
}
