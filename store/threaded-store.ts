// The store from outside of its thread.

import { Worker } from 'node:worker_threads';
import { errorCodes, SallyportError, type ErrorCode } from '../flow/errors.ts';
import type { StoreSource } from './opened-store.ts';
import type { RefusedRecords } from './refused-records.ts';
import type { StoreOver } from './retention.ts';
import type { ActionName, Actions } from './store-actions.ts';
import type { BatchEvent, StoreEvent } from './store-events.ts';
import type { QuestionName, Questions, StorePort, StoreStatus } from './store-port.ts';
import type { ThreadCall, ThreadData, ThreadMessage } from './store-thread.ts';

/** What it is opened with; what is left out: no sinks, nothing is dropped, segments are looked at every 250 ms. */
export interface StoreOptions extends Partial<Omit<ThreadData, 'source' | 'segments' | 'gateway'>> {
  readonly source: StoreSource;
  readonly segments: string;
  readonly gateway: string;
  /** Told once when nothing can be written, and by null when it can again. */
  readonly onProblem?: (problem: string | null) => void;
  readonly onOver?: (over: StoreOver) => void;
  /** Told when records were passed over, since the store refuses what they say. */
  readonly onRefused?: (refused: RefusedRecords) => void;
  /** Told when the thread has ended unasked: nothing is written any more. */
  readonly onEnd?: (error: Error) => void;
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

// Compiled, it lies beside us as JavaScript.
const ending = import.meta.filename.endsWith('.js') ? 'js' : 'ts';
const threadFile = new URL(`store-thread.${ending}`, import.meta.url);
/** Batches are many objects that live for a moment. */
const youngMegabytes = 48;
/** Questions that may wait at the same time; more are refused at once. */
const maxWaiting = 1_000;
/** Whoever is let in by what the store says does not wait for longer. */
const actMs = 5_000;

export class ThreadedStore implements StorePort {
  readonly #thread: Worker;
  readonly #options: StoreOptions;
  readonly #waiting = new Map<number, Waiting>();
  readonly #listeners = new Set<(batch: BatchEvent) => void>();
  #nextId = 1;
  #ended: Error | null = null;

  private constructor(options: StoreOptions) {
    this.#options = options;
    const { source, segments, gateway, everyMs = 250, retention = null, maxBytes = null } = options;
    const { sinks = [], retainEveryMs = 60_000 } = options;
    const what = { source, segments, gateway, sinks };
    const data: ThreadData = { ...what, everyMs, retention, maxBytes, retainEveryMs };
    this.#thread = new Worker(threadFile, {
      workerData: data,
      resourceLimits: { maxYoungGenerationSizeMb: youngMegabytes },
    });
  }

  /** Opens the store in a thread of its own. @throws SallyportError when it is another program's, or cannot be opened */
  static async open(options: StoreOptions): Promise<ThreadedStore> {
    const store = new ThreadedStore(options);
    await store.#opened();
    return store;
  }

  async ask<K extends QuestionName>(
    name: K,
    ...values: Parameters<Questions[K]>
  ): Promise<Awaited<ReturnType<Questions[K]>>> {
    // The thread answers what `Questions` says.
    return (await this.#call('ask', values, name)) as Awaited<ReturnType<Questions[K]>>;
  }

  async act<K extends ActionName>(
    name: K,
    ...values: Parameters<Actions[K]>
  ): Promise<Awaited<ReturnType<Actions[K]>>> {
    const limit = timeOut(actMs);
    try {
      // The thread answers what `Actions` says.
      const answer = await Promise.race([this.#call('act', values, name), limit.promise]);
      return answer as Awaited<ReturnType<Actions[K]>>;
    } finally {
      limit.clear();
    }
  }

  onBatch(listener: (batch: BatchEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Writes and drops nothing for so long, so that its files can be copied together. */
  async pause(forMs: number): Promise<void> {
    await this.#call('pause', [forMs]);
  }

  async resume(): Promise<void> {
    await this.#call('resume', []);
  }

  async status(): Promise<StoreStatus> {
    return (await this.#call('status', [])) as StoreStatus;
  }

  async dropBefore(day: string): Promise<number> {
    return Number(await this.#call('dropBefore', [day]));
  }

  async close(): Promise<void> {
    if (this.#ended !== null) return;
    await this.#call('close', []);
    if (this.#ended !== null) return;
    this.#ended = new SallyportError('upstream', 'the store is closed');
    await this.#thread.terminate();
  }

  #opened(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#thread.on('message', (message: ThreadMessage) => {
        if (message.kind === 'opened') resolve();
        else this.#onMessage(message);
      });
      this.#thread.on('error', (error) => {
        this.#end(error instanceof Error ? error : new Error(String(error)));
        reject(this.#ended!);
      });
      this.#thread.on('exit', () => this.#end(new Error('its thread has ended')));
    });
  }

  #onMessage(message: Exclude<ThreadMessage, { kind: 'opened' }>): void {
    if (message.kind === 'problem') return this.#options.onProblem?.(message.problem);
    if (message.kind === 'event') return this.#onEvent(message.event);
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (message.kind === 'answer') waiting?.resolve(message.value);
    else waiting?.reject(new SallyportError(codeOf(message.code), message.message));
  }

  #onEvent(event: StoreEvent): void {
    if (event.kind === 'over') this.#options.onOver?.(event);
    else if (event.kind === 'refused') this.#options.onRefused?.(event);
    else for (const listener of this.#listeners) listener(event);
  }

  #call(kind: ThreadCall['kind'], values: readonly unknown[], name?: ThreadCall['name']): Promise<unknown> {
    if (this.#ended !== null) return Promise.reject(this.#ended);
    if (this.#waiting.size >= maxWaiting)
      return Promise.reject(new SallyportError('upstream', 'the store has too many questions to answer'));
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      this.#waiting.set(id, { resolve, reject });
      const message: ThreadCall = { id, kind, values, ...(name === undefined ? {} : { name }) };
      this.#thread.postMessage(message, []);
    });
  }

  #end(error: Error): void {
    if (this.#ended !== null) return;
    this.#ended =
      error instanceof SallyportError ? error : new SallyportError('upstream', `the store: ${error.message}`);
    for (const { reject } of this.#waiting.values()) reject(this.#ended);
    this.#waiting.clear();
    this.#options.onEnd?.(this.#ended);
  }
}

function timeOut(ms: number): { readonly promise: Promise<never>; clear(): void } {
  let timer: NodeJS.Timeout | undefined;
  const promise = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new SallyportError('upstream', `the store has not answered within ${ms / 1_000} s`)),
      ms,
    );
  });
  return { promise, clear: () => clearTimeout(timer) };
}

function codeOf(text: string): ErrorCode {
  return Object.hasOwn(errorCodes, text) ? (text as ErrorCode) : 'upstream'; // a key of the table
}
