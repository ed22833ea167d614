// Reads a worker's snapshot against the table of metrics. A worker that was taken over may write anything into its
// file; what comes of it has our names, our labels, finite numbers, and a bounded size, or it is left out.

import { metrics, type MetricSpec } from '../flow/meter.ts';
import type { Snapshot } from './metrics.ts';

const maxSeries = 5000;
const maxLabelLength = 128;
const table: ReadonlyMap<string, MetricSpec> = new Map(Object.entries(metrics));

interface Value {
  readonly value: number;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly metricName?: string;
}

/** The part of a snapshot that agrees with the table; empty for anything else. Never throws. */
export function checkSnapshot(snapshot: unknown): Snapshot {
  if (!Array.isArray(snapshot)) return [];
  const checked = snapshot.slice(0, table.size).map(checkMetric);
  // The shape is that of prom-client's JSON, whose type cannot be written by hand (its kind is an enum).
  return checked.filter((metric) => metric !== null) as unknown as Snapshot;
}

function checkMetric(metric: unknown) {
  if (!isObject(metric) || typeof metric['name'] !== 'string' || !Array.isArray(metric['values']))
    return null;
  const { name, values } = metric;
  const spec = table.get(name);
  if (!spec) return null;
  return {
    name,
    help: spec.help,
    type: spec.kind,
    aggregator: spec.aggregate ?? 'sum',
    values: values
      .slice(0, maxSeries)
      .map((value) => checkValue(name, spec, value))
      .filter((value) => value !== null),
  };
}

function checkValue(name: string, spec: MetricSpec, value: unknown): Value | null {
  if (!isObject(value) || typeof value['value'] !== 'number' || !Number.isFinite(value['value'])) return null;
  if (spec.kind !== 'gauge' && value['value'] < 0) return null;
  const labels = checkLabels(spec, value['labels']);
  if (labels === null) return null;
  if (spec.kind !== 'histogram') return { value: value['value'], labels };
  const metricName = [`${name}_bucket`, `${name}_sum`, `${name}_count`].find(
    (known) => known === value['metricName'],
  );
  return metricName === undefined ? null : { value: value['value'], labels, metricName };
}

function checkLabels(spec: MetricSpec, labels: unknown): Record<string, string | number> | null {
  if (!isObject(labels)) return null;
  const checked: Record<string, string | number> = {};
  for (const [label, text] of Object.entries(labels)) {
    if (label === 'le' && spec.kind === 'histogram') {
      if (text !== '+Inf' && !spec.buckets?.some((bound) => bound === text)) return null;
    } else if (!spec.labels.includes(label) || typeof text !== 'string' || text.length > maxLabelLength)
      return null;
    // `le` is a number or +Inf, every other label a string: checked above.
    checked[label] = text as string | number;
  }
  return checked;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
