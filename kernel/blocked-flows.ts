// Puts the two halves of a blocked flow together: the block log's event says verdict and reason at once, the counts
// of its window say how many attempts there were. Bounded; pure.

import { reasons, type Reason } from '../flow/reason.ts';
import type { BlockEvent } from './block-log.ts';
import type { BlockedRow } from './block-counts.ts';

export interface CountedFlow extends BlockedRow {
  /** `audit`: let through, would be blocked. Null when the event was lost: policy can then only be asked. */
  readonly verdict: 'allow' | 'audit' | 'block' | null;
  readonly reason: Reason | null;
  readonly interface: string | null;
}

const maxWaiting = 65_536;

/** Joins events and counts by runner, destination, protocol and port. */
export class BlockedFlows {
  readonly #wasCounted = new Set<string>();
  readonly #waiting = new Map<string, { event: BlockEvent; atMs: number }>();
  /** Events that the kernel could not deliver, in all. */
  lost = 0;

  /** Takes one event of the block log. */
  add(event: BlockEvent, nowMs: number = Date.now()): void {
    this.lost += event.lost;
    const key = keyOf(event);
    if (this.#waiting.has(key) || this.#waiting.size < maxWaiting)
      this.#waiting.set(key, { event, atMs: nowMs });
  }

  /**
   * Takes the rows of one window; answers with its flows, and with those whose rows are overdue by `waitMs` as one
   * attempt each (the rule set was repaired between).
   */
  count(rows: readonly BlockedRow[], nowMs: number = Date.now(), waitMs = 10_000): CountedFlow[] {
    const flows = rows.map((row): CountedFlow => {
      const event = row.destination === null ? undefined : this.#waiting.get(keyOf(row))?.event;
      return { ...row, ...outcomeOf(event), interface: event?.interface ?? null };
    });
    // A key may be in the next window already, under the same event: it is kept until it is overdue.
    const counted = new Set(rows.map(keyOf));
    for (const [key, { event, atMs }] of this.#waiting) {
      if (nowMs - atMs < waitMs) continue;
      this.#waiting.delete(key);
      if (!counted.has(key) && !this.#wasCounted.has(key)) {
        const { runner, destination, protocolNumber, port } = event;
        flows.push({
          runner,
          destination,
          protocolNumber,
          port,
          attempts: 1,
          ...outcomeOf(event),
          interface: event.interface,
        });
      }
      this.#wasCounted.delete(key);
    }
    for (const key of counted) if (this.#waiting.has(key)) this.#wasCounted.add(key);
    return flows;
  }
}

function keyOf(flow: {
  readonly runner: string;
  readonly destination: string | null;
  readonly protocolNumber: number;
  readonly port: number | null;
}): string {
  return `${flow.runner} ${flow.destination ?? ''} ${flow.protocolNumber} ${flow.port ?? ''}`;
}

function outcomeOf(event: BlockEvent | undefined): Pick<CountedFlow, 'verdict' | 'reason'> {
  const [verdict, reason = ''] = event?.prefix.split(' ') ?? [];
  if (verdict !== 'allow' && verdict !== 'audit' && verdict !== 'block')
    return { verdict: null, reason: null };
  return { verdict, reason: isReason(reason) ? reason : null };
}

function isReason(text: string): text is Reason {
  return Object.hasOwn(reasons, text);
}
