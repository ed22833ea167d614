// The embedded store from outside of its thread.

import { Worker } from 'node:worker_threads';
import { errorCodes, SallyportError, type ErrorCode } from '../flow/errors.ts';
import type { QuestionName, Questions, StorePort, StoreStatus } from './store-port.ts';
import type { ThreadCall, ThreadData, ThreadMessage } from './store-thread.ts';

export interface EmbeddedOptions extends Omit<ThreadData, 'everyMs'> {
  /** How often segments are looked at; 250 ms unless told. */
  readonly everyMs?: number;
  /** Told once when nothing can be written, and by null when it can again. */
  readonly onProblem?: (problem: string | null) => void;
  /** Told when the thread has ended unasked: nothing is written any more. */
  readonly onEnd?: (error: Error) => void;
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** Questions that may wait at the same time; more are refused at once. */
const maxWaiting = 1_000;

export class EmbeddedStore implements StorePort {
  readonly #thread: Worker;
  readonly #options: EmbeddedOptions;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;
  #ended: Error | null = null;

  private constructor(options: EmbeddedOptions) {
    this.#options = options;
    const { folder, segments, gateway, everyMs = 250 } = options;
    const data: ThreadData = { folder, segments, gateway, everyMs };
    this.#thread = new Worker(new URL('store-thread.ts', import.meta.url), { workerData: data });
  }

  /** Opens the store in a thread of its own. @throws SallyportError when it is another program's, or cannot be opened */
  static async open(options: EmbeddedOptions): Promise<EmbeddedStore> {
    const store = new EmbeddedStore(options);
    await store.#opened();
    return store;
  }

  async ask<K extends QuestionName>(
    name: K,
    ...values: Parameters<Questions[K]>
  ): Promise<Awaited<ReturnType<Questions[K]>>> {
    // The thread answers what `Questions` says.
    return (await this.#call(name, values)) as Awaited<ReturnType<Questions[K]>>;
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
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (message.kind === 'answer') waiting?.resolve(message.value);
    else waiting?.reject(new SallyportError(codeOf(message.code), message.message));
  }

  #call(call: ThreadCall['call'], values: readonly unknown[]): Promise<unknown> {
    if (this.#ended !== null) return Promise.reject(this.#ended);
    if (this.#waiting.size >= maxWaiting)
      return Promise.reject(new SallyportError('upstream', 'the store has too many questions to answer'));
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      this.#waiting.set(id, { resolve, reject });
      const message: ThreadCall = { id, call, values };
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

function codeOf(text: string): ErrorCode {
  return Object.hasOwn(errorCodes, text) ? (text as ErrorCode) : 'internal'; // a key of the table
}
