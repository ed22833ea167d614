// The values of a flow's columns, once its names have numbers; the same for both databases.

import {
  flowAccesses,
  flowCertainties,
  flowKinds,
  flowModes,
  flowProtocols,
  flowSources,
  type FlowRow,
} from './flow-row.ts';
import type { EndedFlow } from './rollup.ts';
import { keyText, shownText, smallOrNull } from './stored-text.ts';
import type { FlowTable } from './tables.ts';

export interface JobIds {
  readonly job: number;
  readonly definition: number;
  readonly repository: number;
}

/** A row whose names have numbers. */
export interface NumberedRow {
  readonly row: FlowRow;
  readonly gateway: number;
  readonly runner: number;
  readonly host: number | null;
  readonly job: JobIds | null;
}

/** Every text of a flow that recurs. */
export const wordsOf = ({ record }: FlowRow): readonly string[] => {
  const { decision, policyRevision, http, operation, ended } = record;
  const texts = [
    decision.reason,
    decision.rule,
    decision.scope,
    policyRevision,
    http?.method,
    operation?.name,
    ended,
    record.step?.name,
  ];
  return texts.filter((text) => text !== null && text !== undefined).map(keyText);
};

/** The columns of a flow; `word` gives the number of a text. */
export function columnsOf(
  { row, gateway, runner, host, job }: NumberedRow,
  word: (text: string) => number,
): FlowTable {
  const { record } = row;
  const { destination, decision, http, operation, bytes, timings, packet } = record;
  const numberOf = (text: string | null | undefined): number | null =>
    text === null || text === undefined ? null : word(keyText(text));
  const totalMs = timings?.totalMs ?? null;
  return {
    id: row.id,
    kind: flowKinds.indexOf(record.kind),
    opened_ms: row.openedMs,
    closed_ms: row.closedMs,
    parent: row.parent,
    gateway_id: gateway,
    runner_id: runner,
    job_id: job?.job ?? null,
    repository_id: job?.repository ?? null,
    host_id: host,
    address: destination.address,
    port: destination.port,
    protocol: flowProtocols.indexOf(destination.protocol),
    verdict: row.verdict,
    mode: flowModes.indexOf(decision.mode),
    reason_id: word(keyText(decision.reason)),
    rule_id: numberOf(decision.rule),
    scope_id: numberOf(decision.scope),
    revision_id: numberOf(record.policyRevision),
    method_id: numberOf(http?.method),
    path: http === null ? null : shownText(http.path, 8_192),
    status: http?.status ?? null,
    operation_id: numberOf(operation?.name),
    access: operation === null ? null : flowAccesses.indexOf(operation.access),
    sent: bytes?.sent ?? null,
    received: bytes?.received ?? null,
    total_ms: totalMs === null ? null : Math.round(totalMs),
    attempts: packet?.attempts ?? null,
    ended_id: numberOf(record.ended),
    detail: row.detail,
    source: flowSources.indexOf(record.attribution.source),
    certainty: flowCertainties.indexOf(record.attribution.certainty),
    is_conflict: Number(record.attribution.conflict === true),
    is_infrastructure: Number(record.infrastructure === true),
    step_number: smallOrNull(record.step?.number),
    step_id: numberOf(record.step?.name),
  };
}

/** What a flow adds to sums when it has ended. */
export function endedFlow({ row, gateway, runner, host, job }: NumberedRow): EndedFlow {
  return {
    day: row.day,
    openedMs: row.openedMs,
    closedMs: row.closedMs ?? row.openedMs,
    kind: flowKinds.indexOf(row.record.kind),
    verdict: row.verdict,
    gatewayId: gateway,
    runnerId: runner,
    hostId: host,
    jobId: job?.job ?? null,
    definitionId: job?.definition ?? null,
    repositoryId: job?.repository ?? null,
    bytes: row.record.bytes,
  };
}
