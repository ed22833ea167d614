// What flows add to the sums that pages are answered from. A flow counts once: when it has ended.

import type { FlowBytes } from '../flow/flow.ts';

/** A flow that has just ended, by the numbers of its names; null: no name, no job. */
export interface EndedFlow {
  readonly day: string;
  readonly openedMs: number;
  readonly closedMs: number;
  readonly kind: number;
  readonly verdict: 0 | 1 | 2;
  readonly gatewayId: number;
  readonly runnerId: number;
  readonly hostId: number | null;
  readonly jobId: number | null;
  readonly definitionId: number | null;
  readonly repositoryId: number | null;
  readonly bytes: FlowBytes | null;
}

type Sums = [n: number, sent: number, received: number];

/** Sums of one batch, each by the key of its table (texts and numbers joined by a space). */
export interface Deltas {
  readonly hours: Record<string, Sums>;
  readonly days: Record<string, Sums>;
  readonly repositories: Record<string, Sums>;
  /** By job: flows, blocked, would-be blocked, sent, received, last time. */
  readonly jobs: Record<string, [number, number, number, number, number, number]>;
  readonly hoursOfRepositories: Record<string, Sums>;
  /** By definition and host: first, last, number. */
  readonly seen: Record<string, Seen>;
  /** The same by host, and by runner and gateway. */
  readonly hosts: Record<string, Seen>;
  readonly hostsOfJobs: Record<string, Seen>;
  readonly runners: Record<string, Seen>;
  readonly gateways: Record<string, Seen>;
  /** By runner, day and whether a job is known: flows. */
  readonly coverage: Record<string, [number]>;
}

type Seen = [firstMs: number, lastMs: number, n: number];

const hourMs = 3_600_000;

export function emptyDeltas(): Deltas {
  const none = <T>(): Record<string, T> => Object.create(null) as Record<string, never>;
  const sums = { hours: none<Sums>(), hoursOfRepositories: none<Sums>(), days: none<Sums>() };
  const hosts = { seen: none<Seen>(), hosts: none<Seen>(), hostsOfJobs: none<Seen>() };
  const places = { runners: none<Seen>(), gateways: none<Seen>(), coverage: none<[number]>() };
  return { ...sums, ...hosts, ...places, repositories: none(), jobs: none() };
}

/** Adds a flow that has ended. */
export function addFlow(deltas: Deltas, flow: EndedFlow): void {
  const { day, openedMs, closedMs, kind, verdict, hostId, jobId, definitionId, repositoryId } = flow;
  const { sent, received } = flow.bytes ?? { sent: 0, received: 0 };
  const add = (sums: Record<string, Sums>, key: string): void => {
    const found = (sums[key] ??= [0, 0, 0]);
    found[0]++;
    found[1] += sent;
    found[2] += received;
  };
  const hour = `${openedMs - (openedMs % hourMs)} ${kind} ${verdict}`;
  add(deltas.hours, hour);
  if (repositoryId !== null) add(deltas.hoursOfRepositories, `${repositoryId} ${hour}`);
  if (hostId !== null) add(deltas.days, `${day} ${hostId} ${verdict}`);
  if (hostId !== null && repositoryId !== null)
    add(deltas.repositories, `${repositoryId} ${day} ${hostId} ${verdict}`);
  if (jobId !== null) {
    const job = (deltas.jobs[jobId] ??= [0, 0, 0, 0, 0, 0]);
    job[0]++;
    if (verdict === 2) job[1]++;
    if (verdict === 1) job[2]++;
    job[3] += sent;
    job[4] += received;
    job[5] = Math.max(job[5], closedMs);
  }
  see(deltas.gateways, `${flow.gatewayId}`, flow);
  see(deltas.runners, `${flow.runnerId}`, flow);
  (deltas.coverage[`${flow.runnerId} ${day} ${jobId === null ? 0 : 1}`] ??= [0])[0]++;
  if (hostId === null) return;
  if (jobId !== null) see(deltas.hostsOfJobs, `${jobId} ${hostId}`, flow);
  see(deltas.hosts, `${hostId}`, flow);
  if (definitionId !== null) see(deltas.seen, `${definitionId} ${hostId}`, flow);
}

/** Notes that a record of a job came from this runner through this gateway. */
export function addPlaces(
  deltas: Deltas,
  { gateway, runner }: { readonly gateway: number; readonly runner: number },
  atMs: number,
): void {
  see(deltas.gateways, `${gateway}`, { openedMs: atMs, closedMs: atMs });
  see(deltas.runners, `${runner}`, { openedMs: atMs, closedMs: atMs });
}

type Times = Pick<EndedFlow, 'openedMs' | 'closedMs'>;

function see(all: Record<string, Seen>, key: string, { openedMs, closedMs }: Times): void {
  const seen = (all[key] ??= [openedMs, closedMs, 0]);
  seen[0] = Math.min(seen[0], openedMs);
  seen[1] = Math.max(seen[1], closedMs);
  seen[2]++;
}
