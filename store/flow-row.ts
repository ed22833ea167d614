// A flow as the store keeps it: the record's fields as columns, and what is shown of one flow alone as JSON beside them.

import { createHash } from 'node:crypto';
import type { Decision } from '../flow/decision.ts';
import type { FlowRecord } from '../flow/flow.ts';
import type { Job } from '../flow/job.ts';
import { keyText } from './stored-text.ts';
import { subjectOfFlow, type Subject } from './subject.ts';

/** Codes of columns, by their order; only ever added to at the end. */
export const flowKinds = ['dns', 'connection', 'request', 'packet'] as const;
export const flowProtocols = [
  ...(['dns', 'tls', 'http', 'https', 'ssh', 'tcp', 'udp', 'icmp', 'other', 'unknown'] as const),
];
export const flowAccesses = ['read', 'write', 'admin'] as const;
export const flowModes = ['audit', 'block'] as const;
export const flowVerdicts = ['allow', 'would-block', 'block'] as const;
export const flowSources = [
  ...(['declared', 'job-message', 'kubernetes', 'job-token', 'confirmed-claim'] as const),
  ...(['hook-claim', 'process', 'none'] as const),
];
export const flowCertainties = ['certain', 'likely', 'unknown'] as const;

/** A record that can be written; names are still texts. */
export interface FlowRow {
  readonly id: Buffer;
  /** `YYYY-MM-DD` (UTC) of its beginning. */
  readonly day: string;
  readonly openedMs: number;
  /** Null: it is open still. */
  readonly closedMs: number | null;
  readonly parent: Buffer | null;
  readonly verdict: 0 | 1 | 2;
  readonly subject: Subject;
  readonly host: string | null;
  readonly detail: string | null;
  readonly record: FlowRecord;
}

/** A day that is later has no name of ten characters. */
const lastMs = Date.parse('9999-12-31T23:59:59.999Z');

/** Null for a record whose id or time is none: nothing of ours writes such. */
export function readFlowRow(record: FlowRecord): FlowRow | null {
  const id = idBytes(record.id);
  const timeMs = Date.parse(record.time);
  if (id === null || Number.isNaN(timeMs)) return null;
  const openedMs = id.readUIntBE(0, 6);
  if (openedMs > lastMs) return null;
  return {
    id,
    day: new Date(openedMs).toISOString().slice(0, 10),
    openedMs,
    closedMs: record.phase === 'closed' ? Math.max(timeMs, openedMs) : null,
    parent: record.parent === null ? null : idBytes(record.parent),
    verdict: verdictOf(record.decision),
    subject: subjectOfFlow(record, openedMs, record.job === null ? null : keyOf(record.job, record)),
    host: record.destination.host === null ? null : keyText(record.destination.host),
    detail: detailOf(record),
    record,
  };
}

/** Of a flow that a batch both opens and ends only its end is written: it says all that its beginning did. */
export function newestRows(records: readonly FlowRecord[]): FlowRow[] {
  const rows = new Map<string, FlowRow>();
  for (const record of records) {
    const row = readFlowRow(record);
    const known = rows.get(record.id);
    if (row !== null && (known === undefined || known.closedMs === null)) rows.set(record.id, row);
  }
  return [...rows.values()];
}

/** 16 bytes of a UUIDv7; null for any other text. */
export function idBytes(id: string): Buffer | null {
  const hex = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(id)
    ? id.replaceAll('-', '')
    : null;
  return hex === null ? null : Buffer.from(hex, 'hex');
}

/** The text of 16 bytes. */
export function idText(id: Uint8Array): string {
  const hex = Buffer.from(id).toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

const verdictOf = ({ verdict, enforced }: Decision): 0 | 1 | 2 =>
  verdict === 'allow' ? 0 : enforced ? 2 : 1;

/** Where no source knows an instance, jobs that say the same of themselves are one. */
function keyOf(job: Job, { attribution }: FlowRecord): string {
  if (attribution.jobId !== undefined) return keyText(attribution.jobId);
  const said = JSON.stringify(Object.entries(job).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  return createHash('sha256').update(said).digest('base64url').slice(0, 22);
}

function detailOf(record: FlowRecord): string | null {
  const { operation, evidence, dns, tls, timings, process, lineage, minted, http } = record;
  const detail = {
    ...(operation === null ? {} : { operation }),
    ...(evidence.length === 0 ? {} : { evidence }),
    ...(dns === null ? {} : { dns }),
    ...(tls === null ? {} : { tls }),
    ...(timings === null ? {} : { timings }),
    ...(process === null ? {} : { process }),
    ...(lineage === undefined ? {} : { lineage }),
    ...(minted === undefined ? {} : { minted }),
    ...(http === null ? {} : { http: { version: http.version, webSocket: http.webSocket } }),
  };
  return Object.keys(detail).length === 0 ? null : JSON.stringify(detail);
}
