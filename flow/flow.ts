// The flow record: one JSON line in a segment, schema version 1. Every attempt to reach a destination has an
// `opened` record before anything is dialled and a `closed` one after; both carry the same id. Packets have the
// closed one alone: the kernel has judged them already, and their count is known when their window has ended.
// Fields are null until known. Nothing enters a record except through flow/redact.

import type { Decision } from './decision.ts';
import type { Evidence } from './evidence.ts';
import type { AttributionSource, Certainty, Job } from './job.ts';
import type { FlowLineage } from './lineage.ts';
import type { Operation } from './operation.ts';
import type { Reason } from './reason.ts';

export const recordVersion = 1;

export type FlowKind = 'dns' | 'connection' | 'request' | 'packet';
export type Protocol =
  'dns' | 'tls' | 'http' | 'https' | 'ssh' | 'tcp' | 'udp' | 'icmp' | 'other' | 'unknown';

export interface Destination {
  /** Normalised host, or null when no name is known. */
  readonly host: string | null;
  /** The address that the client aimed at or that we dialled (closed record), RFC 5952 for IPv6. */
  readonly address: string | null;
  readonly port: number | null;
  readonly protocol: Protocol;
}

/** The process behind a flow; the helper fills it in later. */
export interface FlowProcess {
  readonly pid: number;
  readonly executable: string | null;
}

export interface FlowHttp {
  readonly method: string;
  /** Canonical path without the query; values of the query never enter a record. */
  readonly path: string;
  readonly version: '1.0' | '1.1' | '2';
  readonly status: number | null;
  /** Frames of a WebSocket, each way; absent until its handshake was answered. */
  readonly webSocket?: { readonly sent: FlowFrames; readonly received: FlowFrames };
}

/** Complete messages and payload bytes (as sent: compressed ones are not unpacked) of a WebSocket, by opcode (RFC 6455 §5.2). */
export type FlowFrames = Readonly<
  Record<'text' | 'binary' | 'close' | 'ping' | 'pong', { readonly messages: number; readonly bytes: number }>
>;

export interface FlowDns {
  readonly type: string;
  readonly rcode: string | null;
  readonly answers: readonly string[];
  readonly transport: 'udp' | 'tcp';
  /**
   * Questions that the flow stands for: 1, but more where the same one of a runner repeats within a second and is
   * answered from memory; null while they are counted.
   */
  readonly queries: number | null;
}

export interface FlowTls {
  readonly serverName: string | null;
  readonly alpn: string | null;
  readonly version: string | null;
  readonly treatment: 'intercept' | 'pass-through' | null;
}

/** Blocked or audited packets of one (runner, destination, window): `attempts` is the kernel's exact count. */
export interface FlowPacket {
  readonly attempts: number;
  readonly protocolNumber: number;
}

export interface FlowBytes {
  /** From the job to the destination. */
  readonly sent: number;
  readonly received: number;
}

/** Milliseconds; null when the step was not reached. */
export interface FlowTimings {
  readonly resolveMs: number | null;
  readonly connectMs: number | null;
  readonly handshakeMs: number | null;
  readonly firstByteMs: number | null;
  readonly totalMs: number | null;
}

/** How a flow came to be ascribed to its job; `jobId` names the instance (flow/job-record.ts). */
export interface FlowAttribution {
  readonly source: AttributionSource;
  readonly certainty: Certainty;
  readonly jobId?: string;
  /** The address was claimed by more than one: its flows are nobody's. */
  readonly conflict?: true;
}

/** A step of the job, as the runner numbers and names it. */
export interface FlowStep {
  readonly number: number | null;
  readonly name: string;
}

export interface FlowRecord {
  readonly v: typeof recordVersion;
  /** UUIDv7 (RFC 9562). */
  readonly id: string;
  readonly phase: 'opened' | 'closed';
  readonly kind: FlowKind;
  /** ISO 8601 with milliseconds, UTC. */
  readonly time: string;
  /** Id of the connection that carries a request, or null. */
  readonly parent: string | null;
  readonly gateway: string;
  readonly fleet: string;
  readonly runner: string;
  readonly job: Job | null;
  readonly attribution: FlowAttribution;
  /** What the job was at when the flow began; absent: nobody knows. */
  readonly step?: FlowStep;
  /** The runner program's own: its listener, its worker, what it downloads before the job's first step. */
  readonly infrastructure?: true;
  readonly process: FlowProcess | null;
  readonly destination: Destination;
  readonly operation: Operation | null;
  /** Of a credential that the request carries and that was made here, or came with the job; absent: nothing is known. */
  readonly lineage?: FlowLineage;
  /** Credentials that the answer handed out, at most 32. */
  readonly minted?: readonly FlowLineage[];
  readonly http: FlowHttp | null;
  readonly dns: FlowDns | null;
  readonly tls: FlowTls | null;
  readonly packet: FlowPacket | null;
  readonly evidence: readonly Evidence[];
  readonly decision: Decision;
  readonly policyRevision: string | null;
  readonly bytes: FlowBytes | null;
  readonly timings: FlowTimings | null;
  /** Why the flow ended, when it did not end as its decision foresaw (`upstream-certificate`, `timeout`, …). */
  readonly ended: Reason | null;
}
