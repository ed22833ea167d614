// Records as logs of OpenTelemetry: OTLP/HTTP with JSON (opentelemetry.io/docs/specs/otlp), in batches.

import { Delivery, type Delivered } from './delivery.ts';
import { sinkOf } from './file-sink.ts';
import { SinkQueue, type QueueLimits, type RecordSink } from './sink-queue.ts';

export interface OtlpTarget {
  /** Whole URL, for example `https://collector.example:4318/v1/logs`. */
  readonly url: string;
  /** Sent with each request, for example an `authorization`. */
  readonly headers?: Readonly<Record<string, string>>;
}

const requestMs = 10_000;
const retried = new Set([429, 502, 503, 504]);
const [informational, warning] = [9, 13];

export function otlpSink(target: OtlpTarget, limits?: QueueLimits): RecordSink {
  const queue = new SinkQueue(limits);
  const delivery = new Delivery({
    queue,
    batch: { records: 500, characters: 1_048_576 },
    everyMs: 500,
    send: (lines, signal) => post(target, lines, signal),
  });
  return sinkOf(queue, delivery);
}

async function post(
  { url, headers }: OtlpTarget,
  lines: readonly string[],
  signal: AbortSignal,
): Promise<Delivered> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify(exportRequest(lines)),
    redirect: 'error',
    signal: AbortSignal.any([signal, AbortSignal.timeout(requestMs)]),
  });
  await response.body?.cancel();
  if (response.ok) return { kind: 'done' };
  const problem = `the receiver answers ${response.status}`;
  if (!retried.has(response.status)) return { kind: 'refused', problem };
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN);
  return { kind: 'failed', problem, ...(Number.isFinite(seconds) ? { waitMs: seconds * 1_000 } : {}) };
}

/** The body of an `ExportLogsServiceRequest`; a line that is no record is left out. */
export function exportRequest(lines: readonly string[]): unknown {
  return {
    resourceLogs: [
      {
        resource: { attributes: [text('service.name', 'sallyport')] },
        scopeLogs: [{ scope: { name: 'sallyport.flow' }, logRecords: lines.flatMap(toLog) }],
      },
    ],
  };
}

const text = (key: string, value: string) => ({ key, value: { stringValue: value } });

function toLog(line: string): unknown[] {
  let record: Partial<Record<string, unknown>>;
  try {
    record = JSON.parse(line) as Partial<Record<string, unknown>>;
  } catch {
    return [];
  }
  const timeMs = Date.parse(String(record['time']));
  if (Number.isNaN(timeMs)) return [];
  const decision = record['decision'] as
    { verdict?: string; reason?: string; rule?: string | null } | undefined;
  const destination = record['destination'] as { host?: string | null } | undefined;
  const isBlocked = decision?.verdict === 'block';
  const isJob = record['kind'] === 'job';
  const attributes = [
    text(isJob ? 'record.id' : 'flow.id', String(record['id'])),
    ...(isJob ? [text('job.id', String(record['jobId']))] : [text('flow.kind', String(record['kind']))]),
    ...(decision === undefined
      ? []
      : [text('verdict', decision.verdict ?? ''), text('reason', decision.reason ?? '')]),
    ...(typeof decision?.rule === 'string' ? [text('rule', decision.rule)] : []),
    ...(typeof destination?.host === 'string' ? [text('server.address', destination.host)] : []),
    text('client.address', String(record['runner'])),
  ];
  return [
    {
      timeUnixNano: `${timeMs}000000`,
      severityNumber: isBlocked ? warning : informational,
      severityText: isBlocked ? 'WARN' : 'INFO',
      body: { stringValue: line },
      attributes,
    },
  ];
}
