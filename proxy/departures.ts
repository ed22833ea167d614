// Requests that arrived together leave together: their records are written at once, after everything that had come was
// read, and then their first bytes go. One write in place of many, and nothing leaves ahead of its record.

import type { Core } from './core.ts';
import { handOverRecords } from './record.ts';

/** Goes on with a request once its record was written, or could not be. */
export type Departure = (isRecorded: boolean) => void;

/** What waits for the end of this turn of the event loop. */
export class Departures {
  readonly #core: Core;
  #waiting: Departure[] = [];

  constructor(core: Core) {
    this.#core = core;
  }

  /** The departure catches what it throws: one flow's error is not another's. */
  add(departure: Departure): void {
    if (this.#waiting.length === 0) setImmediate(() => this.#leave());
    this.#waiting.push(departure);
  }

  #leave(): void {
    const leaving = this.#waiting;
    this.#waiting = [];
    const isRecorded = handOverRecords(this.#core.ports);
    for (const depart of leaving) depart(isRecorded);
  }
}
