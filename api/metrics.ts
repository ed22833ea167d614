// Prometheus metrics from the table in flow/meter: a worker counts into its own registry and writes snapshots,
// control puts the snapshots of all workers together with its own.

import { AggregatorRegistry, Counter, Gauge, Registry } from 'prom-client';
import { metrics, type MetricName, type MetricSpec } from '../flow/meter.ts';
import type { Meter } from '../flow/ports.ts';
import { checkSnapshot } from './check-snapshot.ts';
import { PlainHistogram } from './plain-histogram.ts';

/** Metrics of one process as prom-client's JSON. */
export type Snapshot = Awaited<ReturnType<Registry['getMetricsAsJSON']>>;

export interface LocalMeter extends Meter {
  snapshot(): Promise<Snapshot>;
}

/** A meter over a registry of its own that knows exactly the metrics of the table. */
export function createMeter(): LocalMeter {
  const registry = new Registry();
  const counters = new Map<MetricName, Counter>();
  const gauges = new Map<MetricName, Gauge>();
  const histograms = new Map<MetricName, PlainHistogram>();
  for (const [name, spec] of specs()) {
    const common = { name, help: spec.help, labelNames: [...spec.labels], registers: [registry] };
    if (spec.kind === 'counter') counters.set(name, new Counter(common));
    else if (spec.kind === 'gauge')
      gauges.set(name, new Gauge({ ...common, aggregator: spec.aggregate ?? 'sum' }));
    else histograms.set(name, new PlainHistogram(name, spec));
  }
  return {
    count: (name, labels, value = 1) => counters.get(name)?.inc({ ...labels }, value),
    observe: (name, seconds) => histograms.get(name)?.observe(seconds),
    gauge: (name, value, labels) => gauges.get(name)?.set({ ...labels }, value),
    snapshot: async () => {
      const plain = [...histograms.values()].map((histogram) => histogram.json());
      // Theirs carries the kind as an enum that has no value at run time.
      return [...(await registry.getMetricsAsJSON()), ...plain] as Snapshot;
    },
  };
}

// Object.entries widens the keys; the table is their only source.
function specs(): [MetricName, MetricSpec][] {
  return Object.entries(metrics) as [MetricName, MetricSpec][];
}

interface Instance {
  readonly process: string;
  snapshot: Snapshot;
}

/** Adds up the snapshots of all workers; counters of a worker that was replaced are kept, so that none goes back. */
export class MetricsSum {
  readonly #live = new Map<string, Instance>();
  #ended: Snapshot = [];

  /**
   * Takes the newest snapshot of a worker's instance; another instance of the same worker ends the last one.
   * What is not in the table of metrics is left out: a worker parses hostile bytes and is not believed.
   */
  update(process: string, instance: string, snapshot: unknown): void {
    for (const [id, known] of this.#live) {
      if (known.process !== process || id === instance) continue;
      this.#live.delete(id);
      this.#keep(known.snapshot);
    }
    this.#live.set(instance, { process, snapshot: checkSnapshot(snapshot) });
  }

  /** The text of all metrics, with those of `own` (control's). */
  async text(own: Snapshot): Promise<string> {
    return sum([own, this.#ended, ...[...this.#live.values()].map(({ snapshot }) => snapshot)]).metrics();
  }

  // What a process held (gauges) ends with it; what it counted stays. One sum is kept, however many have ended.
  #keep(snapshot: Snapshot): void {
    // prom-client gives the kind as a string at run time, its types say an enum.
    const counted = snapshot.filter((metric) => String(metric.type) !== 'gauge');
    // An aggregated metric carries its name, values and aggregator as properties, as its JSON does.
    this.#ended = sum([this.#ended, counted]).getMetricsAsArray() as unknown as Snapshot;
  }
}

function sum(snapshots: Snapshot[]): Registry {
  // prom-client types the argument as objects; it reads the JSON that getMetricsAsJSON gives.
  return AggregatorRegistry.aggregate(snapshots);
}
