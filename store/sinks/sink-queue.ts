// What waits for a receiver that is slower than we are: so many records and bytes at most. The oldest are lost first, and
// counted: a receiver that is away takes no memory and stops nobody.

/** Takes records one after the other; never throws and never waits. */
export interface RecordSink {
  /** A record as one line of JSON without its end. */
  push(line: string): void;
  readonly counts: SinkCounts;
  /** Sends what still waits, for a moment at most. */
  close(): Promise<void>;
}

export interface SinkCounts {
  readonly delivered: number;
  readonly lost: number;
  readonly waiting: number;
  /** Why the last delivery failed, or null. */
  readonly problem: string | null;
}

export interface QueueLimits {
  readonly records: number;
  readonly bytes: number;
}

export const usualLimits: QueueLimits = { records: 50_000, bytes: 32 * 1_048_576 };

export class SinkQueue {
  readonly #limits: QueueLimits;
  readonly #lines: string[] = [];
  /** Lines before this one were taken. */
  #first = 0;
  #bytes = 0;
  lost = 0;
  delivered = 0;
  problem: string | null = null;

  constructor(limits: QueueLimits = usualLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#lines.length - this.#first;
  }

  get counts(): SinkCounts {
    return { delivered: this.delivered, lost: this.lost, waiting: this.size, problem: this.problem };
  }

  push(line: string): void {
    if (line.length > this.#limits.bytes) {
      this.lost++;
      return;
    }
    this.#lines.push(line);
    this.#bytes += line.length;
    while (this.size > this.#limits.records || this.#bytes > this.#limits.bytes) {
      this.#shift();
      this.lost++;
    }
  }

  /** Takes the oldest lines, up to so many and so many characters, and at least one where there is one. */
  take(count: number, characters = Number.POSITIVE_INFINITY): string[] {
    const taken: string[] = [];
    let length = 0;
    while (taken.length < count && this.size > 0) {
      length += this.#lines[this.#first]!.length;
      if (taken.length > 0 && length > characters) break;
      taken.push(this.#shift());
    }
    return taken;
  }

  /** Puts lines back that could not be delivered; those that no longer fit are lost. */
  putBack(lines: readonly string[]): void {
    const all = [...lines, ...this.take(this.size)];
    for (const line of all) this.push(line);
  }

  #shift(): string {
    const line = this.#lines[this.#first]!;
    this.#bytes -= line.length;
    this.#first++;
    if (this.#first > 1_024 && this.#first * 2 > this.#lines.length) {
      this.#lines.splice(0, this.#first);
      this.#first = 0;
    }
    return line;
  }
}
