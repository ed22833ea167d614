// What a job is at, as far as its runner has said: which of its steps runs, and whether any of those that its workflow
// names has begun. Updates come half a second late at most, and some in the wrong order.

import type { FlowStep } from '../flow/flow.ts';
import type { JobStep } from '../flow/job-message.ts';
import type { StepUpdate } from '../flow/job-news.ts';

const maxSteps = 2_000;

export class JobProgress {
  readonly #main: ReadonlySet<string>;
  readonly #steps = new Map<string, StepUpdate>();
  #step: FlowStep | null = null;
  #hasBegun: boolean;

  /** `hasBegun`: it was found on its way, and may be at any of its steps. */
  constructor(steps: readonly JobStep[], hasBegun: boolean) {
    this.#main = new Set(steps.map(({ id }) => id));
    this.#hasBegun = hasBegun;
  }

  /** The step that runs; the same object for as long as it does. Null: none, or nobody said. */
  get step(): FlowStep | null {
    return this.#step;
  }

  /** A step of the workflow has begun: from here on what the job does is not the runner's alone. Never false again. */
  get hasBegun(): boolean {
    return this.#hasBegun;
  }

  /** Answers those that say something new. */
  note(updates: readonly StepUpdate[]): readonly StepUpdate[] {
    const fresh = updates.filter((update) => this.#take(update));
    const running = [...this.#steps.values()].filter(({ state }) => state === 'running');
    const latest = running.reduce<StepUpdate | null>((last, one) => (isAfter(one, last) ? one : last), null);
    if (latest === null) this.#step = null;
    else if (this.#step?.name !== latest.name || this.#step.number !== latest.number)
      this.#step = { number: latest.number, name: latest.name };
    return fresh;
  }

  #take(update: StepUpdate): boolean {
    const known = this.#steps.get(update.id);
    if (known === undefined ? this.#steps.size >= maxSteps : rankOf(known) > rankOf(update)) return false;
    this.#steps.set(update.id, update);
    if (this.#main.has(update.id) && rankOf(update) > 0) this.#hasBegun = true;
    return known?.state !== update.state || known.startedMs !== update.startedMs;
  }
}

/** A step that runs waits no more, and one that has ended runs no more. */
const rankOf = ({ state }: StepUpdate): number =>
  state === 'pending' || state === 'unknown' ? 0 : state === 'running' ? 1 : 2;

function isAfter(one: StepUpdate, last: StepUpdate | null): boolean {
  return last === null || (one.number ?? 0) >= (last.number ?? 0);
}
