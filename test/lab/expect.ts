// `expectAllowed` and `expectBlocked`: an attempt, what the job saw of it, what arrived in the internet, and what
// was recorded. A blocked attempt that nobody recorded fails, and so does one that could not have worked anyway.

import type { FlowRecord } from '../../flow/flow.ts';
import type { Reason } from '../../flow/reason.ts';
import type { CapturedPacket } from '../../netns/capture.ts';
import { Lab } from './lab.ts';
import { waitUntil } from './gateway.ts';
import { labAddresses } from './origins.ts';

/** The part of a tap test that is used here. */
interface Test {
  ok(value: unknown, message: string, extra?: Record<string, unknown>): boolean;
}

export interface Attempt {
  /** A sentence for the result. */
  readonly title: string;
  /** Makes the attempt on a runner; what it answers is not looked at. */
  readonly run: (lab: Lab) => Promise<unknown>;
  /** Whether it arrived in the internet: a packet, or anything that a server there saw. */
  readonly arrived: (lab: Lab) => boolean;
  /** The record that tells of it. */
  readonly recorded: (record: FlowRecord) => boolean;
  readonly reason?: Reason;
  readonly rule?: string;
}

/** Time that a packet may take to arrive before it counts as held. */
const settleMs = 250;

function clear(lab: Lab): void {
  lab.capture.clear();
  lab.origins.clear();
}

/** The attempt arrives, and an allowing record tells of it. */
export async function expectAllowed(t: Test, lab: Lab, attempt: Attempt): Promise<void> {
  clear(lab);
  await attempt.run(lab);
  t.ok(await waitUntil(() => attempt.arrived(lab), 3000), `${attempt.title}: arrived`);
  const record = await lab.gateway.findRecord(
    (record) => attempt.recorded(record) && record.decision.verdict === 'allow',
  );
  t.ok(record, `${attempt.title}: recorded as allowed`);
  checkDecision(t, attempt, record);
}

/** Nothing of the attempt arrives, and a blocking record tells of it. */
export async function expectBlocked(t: Test, lab: Lab, attempt: Attempt): Promise<void> {
  clear(lab);
  await attempt.run(lab);
  const leaked = await waitUntil(() => attempt.arrived(lab), settleMs);
  t.ok(!leaked, `${attempt.title}: nothing arrived`, leaked ? { packets: lab.capture.packets() } : {});
  const record = await lab.gateway.findRecord(
    (record) => attempt.recorded(record) && record.decision.verdict === 'block',
  );
  t.ok(record, `${attempt.title}: recorded as blocked`);
  checkDecision(t, attempt, record);
}

/** Without a gateway the same attempt does arrive: what holds it later is the gateway, not the lab. */
export async function expectArrivesWithoutGateway(t: Test, lab: Lab, attempt: Attempt): Promise<void> {
  clear(lab);
  await attempt.run(lab);
  t.ok(
    await waitUntil(() => attempt.arrived(lab), 3000),
    `${attempt.title}: arrives when no gateway holds it`,
  );
}

function checkDecision(t: Test, attempt: Attempt, record: FlowRecord | null): void {
  if (record === null) return;
  const { rule, reason } = record.decision;
  if (attempt.rule !== undefined)
    t.ok(rule === attempt.rule, `${attempt.title}: by rule ${attempt.rule}`, { rule });
  if (attempt.reason !== undefined)
    t.ok(reason === attempt.reason, `${attempt.title}: because of ${attempt.reason}`, { reason });
}

/** A test for packets that a capture saw. */
export function sawPacket(test: Partial<CapturedPacket>): (lab: Lab) => boolean {
  const wanted = Object.entries(test);
  return (lab) =>
    lab.capture
      .packets()
      .some((packet) => wanted.every(([key, value]) => Reflect.get(packet, key) === value));
}

/**
 * A lab without a gateway in which runners reach the internet directly, in steer mode too: the other half of a
 * positive control. Its resolver is the internet's own.
 */
export async function openControlLab(runners = 1): Promise<Lab> {
  const lab = await Lab.open({ runners });
  lab.useResolver(labAddresses.dns4);
  return lab;
}
