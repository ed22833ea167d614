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
const stepField = /"stepId":"([0-9A-Fa-f-]{36})"/g;
const maxFieldBytes = 48;
const words: Readonly<Record<string, string>> = {
  job: 'the job’s own token',
  runtime: 'the token of the job’s runtime',
};

export interface LogOptions {
  /** Id of the step, where all of the log is one step’s. */
  readonly step?: string | null;
  /** Where in the whole log its first piece begins. */
  readonly from?: number;
  /** Its messages are JSON and name their step behind its lines (`/_ws/ingest.sock`). */
  readonly namesSteps?: true;
}

/** Reads one log, and says whether it waits for the next piece of it. */
export interface LogWatcher extends BodyWatcher {
  readonly isWaiting: boolean;
}

/**
 * Watches the bodies that are one log, piece after piece: what is cut by the end of one is found with the next, as long
 * as they come one after the other.
 */
export function watchLog(options: LogOptions = {}): LogWatcher {
  let waiting: LogReading | null = null;
  return {
    limits,
    get isWaiting() {
      return waiting !== null;
    },
    open(whose): BodyWatch {
      const reading = waiting ?? new LogReading(options);
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
  readonly step: string | null;
}

class LogReading {
  whose: Whose | null = null;
  readonly #options: LogOptions;
  readonly #scan: LogScan;
  #found = new Map<string, Found>();
  #further = 0;
  #tail = '';
  #bytes = 0;

  constructor(options: LogOptions) {
    this.#options = options;
    this.#scan = new LogScan(
      (hit) => this.#note(hit),
      (token) => this.whose?.(token) ?? null,
    );
  }

  push(chunk: Buffer): void {
    this.#scan.push(chunk);
    if (this.#options.namesSteps === true) this.#readSteps(chunk);
  }

  /** Quotes in a line are escaped: what looks like the field is the field, and is said of the lines before it. */
  #readSteps(chunk: Buffer): void {
    const text = this.#tail + chunk.toString('latin1');
    this.#bytes += chunk.length;
    for (const { index, 1: step = '' } of text.matchAll(stepField))
      this.#assign(step, this.#bytes - text.length + index);
    this.#tail = text.slice(-maxFieldBytes);
  }

  #assign(step: string, before: number): void {
    for (const [key, found] of this.#found) {
      if (found.step !== null || found.hit.offset >= before) continue;
      this.#found.delete(key);
      const known = this.#found.get(`${key} ${step}`);
      if (known === undefined) this.#found.set(`${key} ${step}`, { ...found, step });
      else known.count += found.count;
    }
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
      this.#found.set(key, { hit, count: 1, step: this.#options.step ?? null });
    else this.#further++;
  }

  #tell({ hit, count, step }: Found): Evidence {
    const { token, shown, offset, whose } = hit;
    const what =
      whose === null
        ? token.row.name
        : `${words[whose] ?? 'a token that was made for this job'}, ${token.row.name}`;
    const times = count === 1 ? '' : `, ${count} times`;
    const where = step === null ? '' : `, step ${step}`;
    const at = offset + (this.#options.from ?? 0);
    return {
      kind: 'secret-in-log',
      detail: `${what} (${shown}…) in the log at byte ${at}${times}${where}`,
    };
  }
}
