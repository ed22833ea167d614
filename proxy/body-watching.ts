// Reads along what a request sends that is a log, without holding or changing it: framing is taken off and codings are
// undone within limits. All other bodies are not looked at.

import type { BodyWatch, BodyWatcher } from '../flow/asked-request.ts';
import type { Evidence } from '../flow/evidence.ts';
import type { Attribution } from '../flow/job.ts';
import { ChunkContent } from './chunk-content.ts';
import type { Connection } from './connection.ts';
import { codingOf, StepDecoder } from './step-decoder.ts';

/** Whose body is read along. */
export interface Watched {
  readonly connection: Connection;
  readonly attribution: Attribution;
}

/** One body, or one side of a WebSocket. Never throws. */
export class BodyWatching {
  readonly #watched: Watched;
  readonly #watch: BodyWatch;
  readonly #chunks: ChunkContent | null;
  readonly #decoder: StepDecoder | null;
  #problem: string | null = null;

  /** `coding` is the Content-Encoding as it came. */
  constructor(watched: Watched, watcher: BodyWatcher, coding: string | null, isChunked: boolean) {
    this.#watched = watched;
    this.#watch = watcher.open((token) => whose(watched, token));
    this.#chunks = isChunked ? new ChunkContent() : null;
    const name = codingOf(coding);
    this.#decoder = name === '' ? null : StepDecoder.open(name, watcher.limits);
    if (name !== '' && this.#decoder === null) this.#problem = 'an unknown content coding';
  }

  /** Bytes of the body as they pass, framing included. */
  push(bytes: Buffer, start: number, end: number): void {
    if (this.#problem !== null) return;
    if (this.#chunks === null) this.#take(bytes.subarray(start, end));
    else this.#chunks.feed(bytes, start, end, this.#take);
  }

  /** Content that somebody else has unframed. */
  readonly take = (content: Buffer): void => this.#take(content);

  readonly #take = (content: Buffer): void => {
    if (this.#problem !== null || content.length === 0) return;
    if (this.#decoder === null) return this.#watch.push(content);
    const problem = this.#decoder.push(content, this.#tell);
    if (problem !== null) this.#giveUp(problem);
  };

  readonly #tell = (decoded: Buffer): void => this.#watch.push(decoded);

  /** What still comes is not looked at. */
  refuse(problem: string): void {
    this.#giveUp(problem);
  }

  #giveUp(problem: string): void {
    this.#problem ??= problem;
    this.#decoder?.close();
  }

  /** Nothing more passes; `isWhole` where all of it did. Called once. */
  end(isWhole: boolean): readonly Evidence[] {
    const { meter } = this.#watched.connection.core.ports;
    if (this.#problem === null && this.#decoder !== null) {
      const problem = isWhole ? this.#decoder.end(this.#tell) : null;
      if (problem !== null) this.#problem = problem;
      else if (!isWhole) this.#decoder.close();
    }
    const evidence = this.#watch.end(isWhole && this.#problem === null);
    meter.count('sallyport_logs_read_total', {
      result: this.#problem !== null ? 'unreadable' : isWhole ? 'whole' : 'broken',
    });
    if (evidence.length > 0) meter.count('sallyport_log_secrets_total', {}, evidence.length);
    if (this.#problem === null) return evidence;
    return [...evidence, { kind: 'opaque-body', detail: `the log was not looked through: ${this.#problem}` }];
  }
}

/** Whether a token in the log is the job’s: its own, its runtime’s, or one that was made here for it. */
function whose({ connection, attribution }: Watched, token: string): string | null {
  const { core, holder } = connection;
  const { ports } = core;
  if (ports.runtime?.(attribution)?.(token) === true) return 'runtime';
  const asBearer = (name: string) => (name === 'authorization' ? `Bearer ${token}` : null);
  if (ports.credential?.(attribution, asBearer) === 'job') return 'job';
  return core.lineages.has(holder) ? (core.lineages.find(holder, [token])?.made ?? null) : null;
}
