// A histogram without labels as three additions: it is asked with every request, which prom-client's own, made for
// labels, is too slow for. Its JSON is prom-client's.

import type { MetricName, MetricSpec } from '../flow/meter.ts';

/** Counts observations by bucket (Prometheus: cumulative upper bounds, in seconds). */
export class PlainHistogram {
  readonly #name: MetricName;
  readonly #spec: MetricSpec;
  readonly #bounds: readonly number[];
  readonly #counts: number[];
  #sum = 0;

  constructor(name: MetricName, spec: MetricSpec) {
    this.#name = name;
    this.#spec = spec;
    this.#bounds = spec.buckets ?? [];
    // The last one: above all bounds.
    this.#counts = Array.from({ length: this.#bounds.length + 1 }, () => 0);
  }

  observe(seconds: number): void {
    let at = 0;
    while (at < this.#bounds.length && seconds > this.#bounds[at]!) at++;
    this.#counts[at]!++;
    this.#sum += seconds;
  }

  /** As Registry.getMetricsAsJSON would give it. */
  json(): object {
    let count = 0;
    const buckets = this.#counts.map((own, at) => {
      count += own;
      return this.#value('bucket', count, { le: this.#bounds[at] ?? '+Inf' });
    });
    const values = [...buckets, this.#value('sum', this.#sum, {}), this.#value('count', count, {})];
    const { help, aggregate } = this.#spec;
    return { name: this.#name, help, type: 'histogram', values, aggregator: aggregate ?? 'sum' };
  }

  #value(part: string, value: number, labels: object): object {
    return { value, metricName: `${this.#name}_${part}`, labels };
  }
}
