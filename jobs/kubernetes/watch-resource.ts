// Keeps up with one kind of object: lists it, watches from there, lists anew when the server has forgotten that version,
// and comes back after a cut from the last version that it saw.

import { setTimeout as sleep } from 'node:timers/promises';
import { textAt } from '../read-object.ts';
import { SallyportError } from '../../flow/errors.ts';
import { ApiRefusal, VersionGone, type KubernetesApi, type Wanted, type WatchEvent } from './api-client.ts';

export interface ResourceWatchOptions {
  readonly api: KubernetesApi;
  readonly wanted: Wanted;
  /** Everything that there is, in place of what was known. */
  readonly onList: (items: readonly unknown[]) => void;
  readonly onEvent: (event: WatchEvent) => void;
  /** What was seen holds at this moment (null), or may not any more, and why. Called on every change of it. */
  readonly onState: (problem: Error | null) => void;
  readonly retryMs?: { readonly first: number; readonly most: number };
}

/** Objects come and go: everything else that a watch says is of no meaning here. */
const meant: ReadonlySet<string> = new Set(['ADDED', 'MODIFIED', 'DELETED']);

/** A watch that was open for so long has not failed, even if nothing happened. */
const lastingMs = 5000;

export class ResourceWatch {
  readonly #options: ResourceWatchOptions;
  readonly #stopped = new AbortController();
  #version: string | null = null;
  #failures = 0;
  #isWell = false;

  constructor(options: ResourceWatchOptions) {
    this.#options = options;
  }

  /** Goes on until it is stopped. Never rejects. */
  async run(): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      const problem = await this.#once(signal);
      if (signal.aborted) return;
      if (problem !== null) {
        this.#failures++;
        this.#isWell = false;
        this.#options.onState(problem);
      }
      // A server that ends each watch at once is not asked without a pause either.
      await sleep(this.#waitMs(), undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  stop(): void {
    this.#stopped.abort();
  }

  /** What was seen is not kept by whoever asks: the next time everything is listed again. */
  forget(): void {
    this.#version = null;
  }

  /** One watch, after a list where no version is known; why it ended, or null where that is usual. */
  async #once(signal: AbortSignal): Promise<Error | null> {
    const { api, wanted, onList } = this.#options;
    try {
      if (this.#version === null) {
        const { items, resourceVersion } = await api.list(wanted, signal);
        onList(items);
        this.#version = resourceVersion;
      }
      const openedMs = performance.now();
      for await (const event of api.watch(wanted, this.#version, signal)) {
        if (this.#version === null) return null;
        this.#well();
        if (event !== null) this.#take(event);
      }
      if (performance.now() - openedMs > lastingMs) this.#failures = 0;
      return null;
    } catch (error) {
      if (!isCut(error)) this.#version = null;
      if (!(error instanceof VersionGone)) return error instanceof Error ? error : new Error(String(error));
      // A server that forgets at once is asked less and less often.
      this.#failures++;
      return null;
    }
  }

  #take(event: WatchEvent): void {
    const version = textAt(event.object, 'metadata', 'resourceVersion');
    if (meant.has(event.type)) this.#options.onEvent(event);
    if (version !== null) this.#version = version;
    this.#failures = 0;
  }

  #well(): void {
    if (this.#isWell) return;
    this.#isWell = true;
    this.#options.onState(null);
  }

  #waitMs(): number {
    const { first = 200, most = 30_000 } = this.#options.retryMs ?? {};
    const waitMs = Math.min(most, first * 2 ** Math.min(this.#failures, 16));
    // Gateways that lost the same server do not come back together.
    return waitMs * (0.75 + Math.random() * 0.5);
  }
}

/** The connection ended, or was never made: what was seen up to then is whole. Anything else was no event of a watch. */
function isCut(error: unknown): boolean {
  if (error instanceof VersionGone || error instanceof SyntaxError) return false;
  return !(error instanceof SallyportError) || error instanceof ApiRefusal || error.code !== 'upstream';
}
