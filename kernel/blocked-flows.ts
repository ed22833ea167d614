// Puts the two halves of a blocked flow together: the block log's event says verdict and reason at once, the counts
// of its window say how many attempts there were. Bounded; pure.

import { reasons, type Reason } from '../flow/reason.ts';
import type { BlockEvent } from './block-log.ts';
import type { BlockedRow } from './block-counts.ts';
import type { End } from './print-nft-counts.ts';
import { silentReasons } from './rule-model.ts';

export interface CountedFlow extends BlockedRow {
  /** `audit`: let through, would be blocked. Null when the event of packets that passed was lost: policy is then asked. */
  readonly verdict: 'allow' | 'audit' | 'block' | null;
  readonly reason: Reason | null;
  readonly interface: string | null;
  /** When its event came, by performance.now(); null: none did. */
  readonly seenMs: number | null;
}

interface Waiting {
  readonly event: BlockEvent;
  readonly atMs: number;
}

const maxWaiting = 65_536;
const perKey = 16;

/** Joins events and counts by runner, destination, protocol, port and what became of the packets. */
export class BlockedFlows {
  /** Events of a key in their order: each window has one of its own. */
  readonly #waiting = new Map<string, Waiting[]>();
  /** Events that the kernel could not deliver, in all. */
  lost = 0;

  /** Takes one event of the block log. */
  add(event: BlockEvent, nowMs: number = performance.now()): void {
    this.lost += event.lost;
    const key = keyOf({ ...event, end: endOf(event.prefix) });
    const events = this.#waiting.get(key);
    if (events !== undefined) {
      if (events.length < perKey) events.push({ event, atMs: nowMs });
    } else if (this.#waiting.size < maxWaiting) this.#waiting.set(key, [{ event, atMs: nowMs }]);
  }

  /**
   * Takes the rows of one window; answers with its flows, and with those whose rows are overdue by `waitMs` as one
   * attempt each (the rule set was repaired between).
   */
  count(rows: readonly BlockedRow[], nowMs: number = performance.now(), waitMs = 10_000): CountedFlow[] {
    // First the overdue: what is left is of the last windows, the oldest first.
    const overdue = this.#takeOverdue(nowMs - waitMs);
    const flows = rows.map((row): CountedFlow => {
      const waiting = row.destination === null ? undefined : this.#take(keyOf(row));
      const { event, atMs = null } = waiting ?? {};
      return { ...row, ...outcomeOf(event, row.end), interface: event?.interface ?? null, seenMs: atMs };
    });
    return [...flows, ...overdue];
  }

  #take(key: string): Waiting | undefined {
    const events = this.#waiting.get(key);
    const first = events?.shift();
    if (events?.length === 0) this.#waiting.delete(key);
    return first;
  }

  #takeOverdue(beforeMs: number): CountedFlow[] {
    const flows: CountedFlow[] = [];
    for (const [key, events] of this.#waiting) {
      while (events.length > 0 && events[0]!.atMs <= beforeMs) {
        const { event, atMs } = this.#take(key)!;
        const { runner, destination, protocolNumber, port } = event;
        const end = endOf(event.prefix);
        const flow = { runner, destination, protocolNumber, port, attempts: 1, end };
        flows.push({ ...flow, ...outcomeOf(event, end), interface: event.interface, seenMs: atMs });
      }
    }
    return flows;
  }
}

function keyOf(flow: {
  readonly runner: string;
  readonly destination: string | null;
  readonly protocolNumber: number;
  readonly port: number | null;
  readonly end: End;
}): string {
  return `${flow.end} ${flow.runner} ${flow.destination ?? ''} ${flow.protocolNumber} ${flow.port ?? ''}`;
}

function endOf(prefix: string): End {
  const [verdict, reason = ''] = prefix.split(' ');
  if (verdict !== 'block') return 'pass';
  return isReason(reason) && silentReasons.has(reason) ? 'silence' : 'refuse';
}

// Without its event a row still tells whether its packets were stopped.
function outcomeOf(event: BlockEvent | undefined, end: End): Pick<CountedFlow, 'verdict' | 'reason'> {
  const [verdict, reason = ''] = event?.prefix.split(' ') ?? [];
  if (verdict !== 'allow' && verdict !== 'audit' && verdict !== 'block')
    return { verdict: end === 'pass' ? null : 'block', reason: null };
  return { verdict, reason: isReason(reason) ? reason : null };
}

function isReason(text: string): text is Reason {
  return Object.hasOwn(reasons, text);
}
