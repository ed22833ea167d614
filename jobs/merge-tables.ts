// What all sources together say of who runs where. An address, or a machine with several, that two jobs claim is nobody's;
// what an ended worker said holds until somebody living says otherwise; what was known before a restart waits for its
// renewal.

import type { AttributionSource } from '../flow/job.ts';
import { jobInstance } from '../flow/job-record.ts';
import type { EndedJob, LiveEntry, PublishedTable } from './live-table.ts';
import { isSameJob } from './same-job.ts';

/** What somebody who listens has heard. */
export interface Heard {
  readonly jobs: readonly LiveEntry[];
  readonly managers: readonly string[];
  readonly conflicts: readonly string[];
  readonly ended: readonly EndedJob[];
}

export interface MergeInput {
  /** Workers that serve, other gateways that are heard of, other sources. */
  readonly living: readonly Heard[];
  /** What workers said that have ended. */
  readonly gone: readonly LiveEntry[];
  /** What was known before a restart, or by a gateway that is not heard of any more. */
  readonly before: readonly LiveEntry[];
  /** Addresses of one machine each, where that is certain. */
  readonly machines: readonly (readonly string[])[];
}

export interface Merged extends Pick<PublishedTable, 'jobs' | 'recall' | 'managers' | 'conflicts'> {
  /** What is left of `gone`, and of `before`. */
  readonly gone: readonly LiveEntry[];
  readonly before: readonly LiveEntry[];
}

/** The order in which sources are believed (flow/job.ts). */
const ranks: Readonly<Record<AttributionSource, number>> = {
  declared: 0,
  'job-message': 1,
  kubernetes: 2,
  'job-token': 3,
  'confirmed-claim': 4,
  'hook-claim': 5,
  process: 6,
  none: 7,
};

/** Puts together what is known at `nowMs`. */
export function mergeTables(input: MergeInput, nowMs: number): Merged {
  const ended = new Set(input.living.flatMap((heard) => heard.ended).map(keyOfEnd));
  const groupOf = groupsOf(input.machines);
  const isEnded = ({ address, message }: LiveEntry): boolean =>
    groupOf(address).some((one) => ended.has(`${one} ${jobInstance(message.job.server, message.jobId)}`));
  const isAlive = (entry: LiveEntry): boolean => entry.untilMs > nowMs && !isEnded(entry);
  const living = input.living.flatMap(({ jobs }) => jobs).filter(isAlive);
  const heardOf = Map.groupBy(living.filter(isHeard), ({ address }) => address);
  // Whoever took a job on the same address since then knows better.
  const isStill = (entry: LiveEntry): boolean =>
    isAlive(entry) && heardOf.get(entry.address)?.some((other) => !isOne(other, entry)) !== true;
  const gone = newest(input.gone.filter(isStill));
  const judged = judge(newest([...living, ...gone]), input, groupOf);
  const known = new Set(judged.jobs.map(keyOf));
  const before = newest(input.before.filter(isStill));
  return { ...judged, recall: before.filter((entry) => !known.has(keyOf(entry))), gone, before };
}

const keyOf = ({ address, message }: LiveEntry): string =>
  `${address} ${jobInstance(message.job.server, message.jobId)}`;
const keyOfEnd = ({ address, job }: EndedJob): string => `${address} ${job}`;
const isHeard = ({ source }: LiveEntry): boolean => source === 'job-message';

/** Two entries that may be of one job: neither says anything that the other contradicts. */
function isOne(a: LiveEntry, b: LiveEntry): boolean {
  const [left, right] = [a.message.jobId, b.message.jobId];
  return left !== '' && right !== ''
    ? left === right && isSameServer(a, b)
    : isSameJob(a.message.job, b.message.job);
}

const isSameServer = (a: LiveEntry, b: LiveEntry): boolean => a.message.job.server === b.message.job.server;

/** Of several words of one source on one job the one that holds longest; the surest source first. */
function newest(entries: readonly LiveEntry[]): readonly LiveEntry[] {
  const found = new Map<string, LiveEntry>();
  for (const entry of entries) {
    const key = `${entry.source} ${keyOf(entry)}`;
    const known = found.get(key);
    if (known === undefined || known.untilMs < entry.untilMs) found.set(key, entry);
  }
  return [...found.values()].toSorted(
    (a, b) => ranks[a.source] - ranks[b.source] || a.sinceMs - b.sinceMs || (keyOf(a) < keyOf(b) ? -1 : 1),
  );
}

/** Sources that a program on the runner can speak for: they give way, and never make a conflict. */
const isWeak = ({ source }: LiveEntry): boolean => source === 'hook-claim' || source === 'process';

function judge(
  all: readonly LiveEntry[],
  input: MergeInput,
  groupOf: (address: string) => readonly string[],
): Pick<Merged, 'jobs' | 'managers' | 'conflicts'> {
  const spread = (addresses: readonly string[]): Set<string> => new Set(addresses.flatMap(groupOf));
  const managers = spread(input.living.flatMap((heard) => heard.managers));
  const conflicts = spread(input.living.flatMap((heard) => heard.conflicts));
  const jobs: LiveEntry[] = [];
  for (const [, entries] of Map.groupBy(all, ({ address }) => groupOf(address).join(' '))) {
    const group = groupOf(entries[0]!.address); // groups are not empty
    const firm = entries.filter((entry) => !isWeak(entry) && entry.certainty !== 'unknown');
    // A manager has as many as it likes: none of them runs there.
    const isManager = group.some((address) => managers.has(address));
    if (!isManager && firm.some((entry) => !isOne(entry, firm[0]!)))
      for (const address of group) conflicts.add(address);
    jobs.push(...(group.length > 1 ? onMachine(entries, group) : entries));
  }
  return { jobs, managers: [...managers].toSorted(), conflicts: [...conflicts].toSorted() };
}

/** The addresses of the machine that has one of them. */
function groupsOf(machines: MergeInput['machines']): (address: string) => readonly string[] {
  const groups = new Map(machines.flatMap((group) => group.map((address) => [address, group] as const)));
  return (address) => groups.get(address) ?? [address];
}

/** The entries of one machine, which hold for each of its addresses; for those that nobody named less surely. */
function onMachine(entries: readonly LiveEntry[], group: readonly string[]): LiveEntry[] {
  const machine = group.join(' ').slice(0, 256);
  const named = entries.map((entry) => ({ ...entry, machine }));
  const silent = group.filter((address) => !entries.some((entry) => entry.address === address));
  const first = named.find(({ certainty }) => certainty !== 'unknown');
  if (first === undefined) return named;
  return [...named, ...silent.map((address) => ({ ...first, address, certainty: 'likely' as const }))];
}
