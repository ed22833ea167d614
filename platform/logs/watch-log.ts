// The reader of one log on its way to its platform: what it finds becomes evidence of kind `secret-in-log`, without a
// character of it but the letters with which all of its kind begin.

import type { BodyWatch, BodyWatcher } from '../../flow/asked-request.ts';
import type { Evidence } from '../../flow/evidence.ts';
import type { HoldLimits } from '../../flow/held.ts';
import { LogScan, type Hit, type Whose } from './scan-log.ts';

/** Of encoded logs. Nobody compresses them today; text that repeats itself may shrink further than this. */
const limits: HoldLimits = {
  maxBytes: Number.MAX_SAFE_INTEGER,
  maxDecodedBytes: 4 * 1_073_741_824,
  maxRatio: 100,
};
const maxKinds = 8;
const words: Readonly<Record<string, string>> = {
  job: 'the job’s own token',
  runtime: 'the token of the job’s runtime',
};

/**
 * Watches the bodies that are one log, piece after piece: what is cut by the end of one is found with the next, as long
 * as they come one after the other. `step` is its id, where it is known.
 */
export function watchLog(step: string | null = null): BodyWatcher {
  let waiting: LogReading | null = null;
  return {
    limits,
    open(whose): BodyWatch {
      const reading = waiting ?? new LogReading(step);
      waiting = null;
      reading.whose = whose;
      return {
        push: (chunk) => reading.push(chunk),
        end(isWhole) {
          const evidence = reading.end();
          if (isWhole) waiting = reading;
          else reading.close();
          return evidence;
        },
      };
    },
  };
}

interface Found {
  readonly hit: Hit;
  count: number;
}

class LogReading {
  whose: Whose | null = null;
  readonly #step: string | null;
  readonly #scan: LogScan;
  #found = new Map<string, Found>();
  #further = 0;

  constructor(step: string | null) {
    this.#step = step;
    this.#scan = new LogScan(
      (hit) => this.#note(hit),
      (token) => this.whose?.(token) ?? null,
    );
  }

  push(chunk: Buffer): void {
    this.#scan.push(chunk);
  }

  /** What was found in this piece. */
  end(): Evidence[] {
    this.#scan.end();
    this.whose = null;
    const evidence = [...this.#found.values()].map((found) => this.#tell(found));
    if (this.#further > 0)
      evidence.push({ kind: 'secret-in-log', detail: `${this.#further} more, of further kinds` });
    this.#found = new Map();
    this.#further = 0;
    return evidence;
  }

  close(): void {
    this.#scan.close();
  }

  #note(hit: Hit): void {
    const key = `${hit.token.row.slug} ${hit.token.row.name} ${hit.shown} ${hit.whose}`;
    const known = this.#found.get(key);
    if (known !== undefined) known.count++;
    // What is the job’s own is told even where others have taken the room.
    else if (this.#found.size < maxKinds || (hit.whose !== null && this.#found.size < 2 * maxKinds))
      this.#found.set(key, { hit, count: 1 });
    else this.#further++;
  }

  #tell({ hit, count }: Found): Evidence {
    const { token, shown, offset, whose } = hit;
    const what =
      whose === null
        ? token.row.name
        : `${words[whose] ?? 'a token that was made for this job'}, ${token.row.name}`;
    const times = count === 1 ? '' : `, ${count} times`;
    const step = this.#step === null ? '' : `, step ${this.#step}`;
    return {
      kind: 'secret-in-log',
      detail: `${what} (${shown}…) in the log at byte ${offset}${times}${step}`,
    };
  }
}
