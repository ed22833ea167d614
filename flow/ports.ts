// The ports between the parts of a worker: what the path, the DNS server and the authority ask of others.
// worker.ts wires implementations; a part never imports another part's implementation.

import type { Decision } from './decision.ts';
import type { FlowRecord, FlowStep } from './flow.ts';
import type { Attribution } from './job.ts';
import type { MetricName } from './meter.ts';
import type { Reason } from './reason.ts';

/** Where records go. Both calls redact; both are synchronous up to the operating system. */
export interface Recorder {
  /** Written to the operating system when it returns. @throws SallyportError record-unavailable */
  opened(record: FlowRecord): void;
  /** Buffered for at most 100 ms; a failure is counted as a lost record. */
  closed(record: FlowRecord): void;
  /** Like opened() for one of several flows: written when handOver() returns, which their first bytes wait for. */
  openedTogether?(record: FlowRecord): void;
  /** What is buffered is with the operating system when it returns. @throws SallyportError record-unavailable */
  handOver?(): void;
}

/** What jobs are at, as their runners say. */
export interface StepPort {
  /** The step of the job that the flow is ascribed to; the same object until its runner says otherwise. */
  stepOf(attribution: Attribution): FlowStep | null;
}

/** Half of a closed record that recurs, made by a recorder for itself and opaque to all others. */
export type PreparedHalf = object;

/** A recorder for flows that end as soon as they begin: many records with one write, before the answers leave. */
export interface BatchRecorder extends Recorder {
  /** What the records of one runner and job have in common: kind, gateway, fleet, runner, job, attribution. */
  prepareSource(record: FlowRecord): PreparedHalf;
  /** Everything else of a record but its id and time. */
  prepareOutcome(record: FlowRecord): PreparedHalf;
  /** Like closed(), for a new flow of these halves at `nowMs`. */
  closedAgain(source: PreparedHalf, outcome: PreparedHalf, nowMs: number): void;
  handOver(): void;
}

/** One address that a name led to, open for one runner until it expires. */
export interface Binding {
  readonly runner: string;
  readonly address: string;
  readonly protocol: 'tcp' | 'udp';
  readonly port: number;
  readonly ttlMs: number;
  /** The canonical name that led to it. */
  readonly host?: string;
}

/** What a worker may ask of the keeper. Every call fails with SallyportError keeper-unavailable after its time limit. */
export interface KeeperPort {
  /** Resolves when the kernel holds all of them. */
  bind(bindings: readonly Binding[]): Promise<void>;
  unbind(bindings: readonly Binding[]): Promise<void>;
  /** Signs the to-be-signed bytes of a leaf (DER, RFC 5280 4.1.2) with ecdsa-with-SHA256; answers the DER signature. */
  sign(toBeSigned: Uint8Array): Promise<Uint8Array>;
}

/** What stands for a host in steer mode on ports whose protocol names none: null where a family has nothing left. */
export interface VirtualAddresses {
  readonly v4: string | null;
  readonly v6: string | null;
}

/** Which address stands for which host. Every call fails with SallyportError keeper-unavailable after its time limit. */
export interface VirtualPort {
  /** True for every address of the pool. */
  contains(address: string): boolean;
  /** The host's addresses, made for `runner` where it has none yet. */
  assign(host: string, runner: string): Promise<VirtualAddresses>;
  /** The host that an address stands for, or null. */
  hostOf(address: string): Promise<string | null>;
}

/** For whom a host is resolved. */
export interface Asker {
  readonly runner: string;
  /** What policy says of a name: the host itself, or one that a CNAME leads to. */
  judge(name: string): NameJudgement;
}

/** With the narrowest wildcard that opens the name; null where a rule writes it out, left out where none is known. */
export interface NameJudgement extends Decision {
  readonly wildcard?: string | null;
}

/** Why a host is not resolved for this asker. */
export interface UnresolvedHost {
  readonly refused: Reason;
  readonly detail: string;
}

/** Resolves a host for the gateway's own dials. @throws SallyportError upstream (nothing usable was answered) */
export interface ResolverPort {
  /** Addresses in RFC 5952 or dotted form, IPv6 and IPv4 in the order to be tried; checked by nobody yet. */
  resolve(host: string, asker: Asker): Promise<readonly string[] | UnresolvedHost>;
}

/** Metrics of a worker; the names and labels are those of flow/meter.ts. */
export interface Meter {
  count(name: MetricName, labels?: Readonly<Record<string, string>>, value?: number): void;
  observe(name: MetricName, seconds: number, labels?: Readonly<Record<string, string>>): void;
  gauge(name: MetricName, value: number, labels?: Readonly<Record<string, string>>): void;
}

export const noMeter: Meter = { count: () => {}, observe: () => {}, gauge: () => {} };
