// One attempt to get around the gateway, and how it is judged: by what arrived in the internet's namespace and by
// what was recorded. Attempts run side by side, so each leaves its own mark and is judged by that mark alone.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Test } from 'tap';
import type { Verdict } from '../../flow/decision.ts';
import type { FlowRecord } from '../../flow/flow.ts';
import type { Reason } from '../../flow/reason.ts';
import { runIpBatch } from '../../netns/ip.ts';
import type { Lab } from '../lab/lab.ts';
import type { BypassId } from './catalog.ts';

/** How the gateway stands and in which form its rules are. */
export const variants = ['gateway-nft', 'gateway-iptables', 'steer-nft', 'sidecar-nft'] as const;
export type Variant = (typeof variants)[number];

/** What tells an attempt's traffic from that of the others. */
export interface Mark {
  /** Letters, digits and hyphens, at most 40: fits a path, a DNS label and a payload. The same in every variant. */
  readonly token: string;
  /** A port that no other attempt uses, for packets that can carry nothing else. */
  readonly port: number;
  /** Addresses of the first runner that no other attempt uses as source. */
  readonly source4: string;
  readonly source6: string;
}

export interface Bypass {
  readonly id: BypassId;
  /** What tells this attempt from others of the same id, in a few words (`IPv6`). */
  readonly how?: string;
  /** Makes the attempt on a runner of the lab; its answer is what `check` sees. Must end within 15 s by itself. */
  readonly run: (lab: Lab, mark: Mark) => Promise<unknown>;
  /** Whether the attempt got out: what the capture or a server of the lab saw, found by the mark. */
  readonly arrived: (lab: Lab, mark: Mark) => boolean;
  /** The record that tells of the attempt. */
  readonly recorded: (record: FlowRecord, mark: Mark) => boolean;
  /** Default: block. `allow` where the gateway answers in the destination's place, and says so in `why`. */
  readonly verdict?: Verdict | Partial<Readonly<Record<Variant, Verdict>>>;
  /** One of these reasons, when given. */
  readonly reasons?: readonly Reason[];
  /** A further look at what `run` answered with the gateway in place; null when right, else what is wrong. */
  readonly check?: (answer: unknown, variant: Variant) => string | null;
  /** Variants in which the attempt means nothing, each with the reason that is printed. */
  readonly notIn?: Partial<Readonly<Record<Variant, string>>>;
  /** Begun before the others, because it takes long. */
  readonly isSlow?: true;
  /** Why the attempt cannot arrive without a gateway either (a port of the gateway itself); printed. */
  readonly withoutControl?: string;
}

const sideBySide = 10;
/** Time in which a packet that gets out has arrived, and a packet's record (one a second) is written. */
const settleMs = 2500;

/** An attempt with the mark that it has in every lab. */
export interface Marked {
  readonly attempt: Bypass;
  readonly mark: Mark;
}

/** Gives each attempt a mark of its own by its place in the whole list. */
export function markAll(attempts: readonly Bypass[]): Marked[] {
  return attempts.map((attempt, index) => ({
    attempt,
    mark: {
      token: `bp${index}-${attempt.id}`,
      port: 21_000 + index,
      source4: `10.77.${16 + (index >> 8)}.${index & 255}`,
      source6: `fd77::2:${(index + 1).toString(16)}`,
    },
  }));
}

function nameOf({ id, how }: Bypass): string {
  return how === undefined ? id : `${id}, ${how}`;
}

/** Gives the first runner the source address of every mark; none of them is chosen by itself. */
function addSources(lab: Lab, marked: readonly Marked[]): void {
  runIpBatch(
    lab.runner().namespace,
    marked.flatMap(({ mark }) => [
      `addr add ${mark.source4}/16 dev eth0`,
      `addr add ${mark.source6}/64 dev eth0 nodad preferred_lft 0`,
    ]),
  );
}

/** Runs every attempt, some side by side. A failing one answers its error: whether it got out is judged alone. */
async function runAll(lab: Lab, attempts: readonly Marked[]): Promise<Map<Bypass, unknown>> {
  const answers = new Map<Bypass, unknown>();
  const waiting = attempts.toSorted(
    (a, b) => Number(b.attempt.isSlow ?? false) - Number(a.attempt.isSlow ?? false),
  );
  addSources(lab, attempts);
  const next = async (): Promise<void> => {
    for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) {
      const { attempt, mark } = one;
      const answer = await attempt.run(lab, mark).catch((error: unknown) => error);
      answers.set(attempt, answer);
    }
  };
  await Promise.all(Array.from({ length: sideBySide }, next));
  await sleep(settleMs);
  return answers;
}

/** Without a gateway every attempt arrives: what holds it later is the gateway, not the lab. */
export async function expectControl(t: Test, lab: Lab, attempts: readonly Bypass[]): Promise<void> {
  const marked = markAll(attempts);
  const answers = await runAll(lab, marked);
  for (const { attempt, mark } of marked) {
    const title = `${nameOf(attempt)}: arrives when no gateway holds it`;
    if (attempt.withoutControl !== undefined) t.pass(title, { skip: attempt.withoutControl });
    else t.ok(attempt.arrived(lab, mark), title, { answer: answers.get(attempt) });
  }
}

/** With the gateway nothing of any attempt arrives, and a record tells of each. */
export async function expectHeld(
  t: Test,
  lab: Lab,
  attempts: readonly Bypass[],
  variant: Variant,
): Promise<void> {
  const marked = markAll(attempts);
  const answers = await runAll(
    lab,
    marked.filter(({ attempt }) => attempt.notIn?.[variant] === undefined),
  );
  const records = await lab.gateway.records();
  for (const { attempt, mark } of marked) {
    const why = attempt.notIn?.[variant];
    t.ok(
      answers.has(attempt) === (why === undefined),
      `${nameOf(attempt)} (${variant}): made where it applies`,
    );
    if (why !== undefined) t.pass(`${nameOf(attempt)} (${variant})`, { skip: why });
    else judge(t, lab, { attempt, mark, records, variant, answer: answers.get(attempt) });
  }
}

interface Judged extends Marked {
  readonly records: readonly FlowRecord[];
  readonly variant: Variant;
  readonly answer: unknown;
}

function judge(t: Test, lab: Lab, { attempt, mark, records, variant, answer }: Judged): void {
  const title = `${nameOf(attempt)} (${variant})`;
  const isPast = lab.capture
    .packets()
    .some(({ source }) => source === mark.source4 || source === mark.source6);
  t.ok(!isPast && !attempt.arrived(lab, mark), `${title}: nothing got out`, { answer, isPast });
  const { verdict: wanted = 'block' } = attempt;
  const verdict = typeof wanted === 'string' ? wanted : (wanted[variant] ?? 'block');
  const mine = records.filter((record) => attempt.recorded(record, mark));
  const fitting = mine.filter(
    ({ decision }) =>
      decision.verdict === verdict &&
      (attempt.reasons === undefined || attempt.reasons.includes(decision.reason)),
  );
  t.ok(fitting.length > 0, `${title}: recorded as ${verdict}`, {
    seen: mine.map((record) => [record.kind, record.destination, record.decision]).slice(0, 5),
    answer,
  });
  const wrong = attempt.check?.(answer, variant) ?? null;
  t.ok(wrong === null, `${title}: answered as it should be`, { wrong });
}
