// The table of flows that `run` and the demo end with: records put together by destination and verdict, and
// printed for a terminal. Every text in a record may come from a hostile job: control characters are escaped.

import type { FlowRecord } from '../flow/flow.ts';

/** One line of the table; `path` is null for connections, packets and DNS queries. */
export interface FlowRow {
  readonly kind: FlowRecord['kind'];
  readonly host: string;
  readonly method: string | null;
  readonly path: string | null;
  readonly port: number | null;
  readonly verdict: 'allow' | 'block' | 'would-block';
  readonly rule: string | null;
  readonly reason: string;
  readonly count: number;
  /** Both directions. */
  readonly bytes: number;
}

export interface FlowSummary {
  readonly flows: readonly FlowRow[];
  readonly allowed: number;
  readonly blocked: number;
}

/** Collects records, in any order, and answers rows in the order in which their first flow began. */
export class FlowTable {
  readonly #flows = new Map<string, FlowRecord>();
  readonly #parents = new Set<string>();

  /** Takes a record; a `closed` one replaces the `opened` one of the same id. */
  add(record: FlowRecord): void {
    const known = this.#flows.get(record.id);
    if (known?.phase === 'closed' && record.phase === 'opened') return;
    this.#flows.set(record.id, record);
    if (record.parent !== null) this.#parents.add(record.parent);
  }

  /** Connections that carry requests are told by those, and allowed DNS queries by what followed them. */
  summary(): FlowSummary {
    const rows = new Map<string, FlowRow>();
    let [allowed, blocked] = [0, 0];
    // Each worker writes files of its own; ids begin with the time (RFC 9562 5.7).
    const flows = [...this.#flows.values()].toSorted((a, b) => (a.id < b.id ? -1 : 1));
    for (const record of flows) {
      if (this.#isTold(record)) continue;
      const row = toRow(record);
      if (row.verdict === 'block') blocked += row.count;
      else allowed += row.count;
      const key = [
        row.kind,
        row.host,
        row.method,
        row.path,
        row.port,
        row.verdict,
        row.rule,
        row.reason,
      ].join('\0');
      const known = rows.get(key);
      rows.set(
        key,
        known ? { ...known, count: known.count + row.count, bytes: known.bytes + row.bytes } : row,
      );
    }
    return { flows: [...rows.values()], allowed, blocked };
  }

  #isTold(record: FlowRecord): boolean {
    if (record.kind === 'connection') return this.#parents.has(record.id);
    return record.kind === 'dns' && record.decision.verdict === 'allow';
  }
}

/** One record as a row by itself. */
export function toRow(record: FlowRecord): FlowRow {
  const { destination, decision, http, bytes, packet, dns } = record;
  return {
    kind: record.kind,
    host: destination.host ?? destination.address ?? '-',
    method: http?.method ?? (dns ? `DNS ${dns.type}` : destination.protocol.toUpperCase()),
    path: http?.path ?? null,
    port: destination.port,
    verdict: decision.verdict === 'allow' ? 'allow' : decision.enforced ? 'block' : 'would-block',
    rule: decision.rule,
    reason: decision.reason,
    count: packet?.attempts ?? 1,
    bytes: (bytes?.sent ?? 0) + (bytes?.received ?? 0),
  };
}

/** Text that cannot move a cursor, change a colour or reorder what stands beside it. */
export function escapeText(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => {
    return `\\u${character.codePointAt(0)!.toString(16).padStart(4, '0')}`;
  });
}

function fit(text: string, width: number): string {
  const escaped = escapeText(text);
  return escaped.length <= width ? escaped.padEnd(width) : `${escaped.slice(0, width - 1)}…`;
}

function formatBytes(bytes: number): string {
  if (bytes < 10_000) return `${bytes} B`;
  return bytes < 10_000_000 ? `${Math.round(bytes / 1000)} kB` : `${Math.round(bytes / 1_000_000)} MB`;
}

function what(row: FlowRow): string {
  return row.path === null
    ? `${row.method ?? ''}${row.port === null ? '' : ` ${row.port}`}`
    : `${row.method} ${row.path}`;
}

/** One row as a line without its end, at most `width` columns. */
export function formatRow(row: FlowRow, width: number): string {
  const room = Math.max(30, width - 50);
  const hostWidth = Math.min(34, Math.ceil(room * 0.5));
  return [
    fit(row.verdict, 11),
    fit(row.host, hostWidth),
    fit(what(row), room - hostWidth),
    fit(row.rule ?? `(${row.reason})`, 20),
    String(row.count).padStart(6),
    formatBytes(row.bytes).padStart(8),
  ].join(' ');
}

/** The table with a heading and a closing line, each line ended. */
export function formatTable(summary: FlowSummary, width: number): string {
  const room = Math.max(30, width - 50);
  const hostWidth = Math.min(34, Math.ceil(room * 0.5));
  const head = [
    'verdict'.padEnd(11),
    'host'.padEnd(hostWidth),
    'what'.padEnd(room - hostWidth),
    'rule'.padEnd(20),
    'count'.padStart(6),
    'bytes'.padStart(8),
  ].join(' ');
  const lines = summary.flows.map((row) => formatRow(row, width));
  return `${[head, ...lines, `${summary.allowed} allowed, ${summary.blocked} blocked`].join('\n')}\n`;
}
