// The sinks that the configuration names, by their kinds.

import { readFileSync } from 'node:fs';
import { fileSink } from './file-sink.ts';
import { otlpSink } from './otlp-sink.ts';
import type { QueueLimits, RecordSink } from './sink-queue.ts';
import { syslogSink } from './syslog-sink.ts';

interface Bounded {
  readonly limits: QueueLimits;
}

/** One sink of the configuration. */
export type SinkTarget = Bounded &
  (
    | { readonly kind: 'file'; readonly path: string }
    | {
        readonly kind: 'syslog';
        readonly transport: 'udp' | 'tcp' | 'tls';
        readonly host: string;
        readonly port: number;
        /** File of PEM; the system's authorities where null. */
        readonly authorities: string | null;
      }
    | { readonly kind: 'otlp'; readonly url: string; readonly headers: Readonly<Record<string, string>> }
  );

/** Opens them in their order; none fails now: what cannot be delivered waits. */
export function openSinks(targets: readonly SinkTarget[]): readonly RecordSink[] {
  return targets.map(openSink);
}

function openSink(target: SinkTarget): RecordSink {
  const { limits } = target;
  if (target.kind === 'file') return fileSink(target.path, limits);
  if (target.kind === 'otlp') return otlpSink(target, limits);
  const { transport, host, port, authorities } = target;
  const pem = authorities === null ? {} : { authorities: readFileSync(authorities, 'utf8') };
  return syslogSink({ transport, host, port, ...pem }, limits);
}
