// Which upstream is asked: by zone, then by health and round-trip time (EWMA). Three failures in a row take a
// server out for 5 s, doubling to 60; a probe brings it back.

import { SallyportError } from '../flow/errors.ts';
import type { Meter } from '../flow/ports.ts';
import { steadyMs } from './clock.ts';
import { isWithin, nameFromText } from './name.ts';
import type { Response } from './scan-response.ts';
import type { Question } from './upstream-query.ts';
import { isWeak, streamTryMs, Upstream } from './upstream.ts';
import type { UpstreamConfig } from './upstream.ts';

/** Names at and under `zone` are asked only of these servers. */
export interface ForwardZone {
  readonly zone: string;
  readonly upstreams: readonly UpstreamConfig[];
}

/** `none`: no server to ask; `failed`: none of them gave a usable answer. */
export type Exchange = Response | 'none' | 'failed';

const totalMs = 4500;
const firstTryMs = 400;
const maxTries = 6;
const reportMs = 500;

// What is no name must not stand for every name.
function zoneName(text: string): string {
  const name = nameFromText(text);
  if (name === null || name === '\0')
    throw new SallyportError('config-invalid', `"${text}" is no zone; write it like corp.example`);
  return name;
}

export class Upstreams {
  readonly #default: readonly Upstream[];
  readonly #zones: readonly { zone: string; upstreams: readonly Upstream[] }[];
  readonly #meter: Meter;
  readonly #timer: NodeJS.Timeout;

  constructor(upstreams: readonly UpstreamConfig[], zones: readonly ForwardZone[], meter: Meter) {
    this.#default = upstreams.map((config, index) => new Upstream(config, `default-${index + 1}`));
    this.#zones = zones
      .map(({ zone, upstreams }, at) => ({
        zone: zoneName(zone),
        upstreams: upstreams.map((config, index) => new Upstream(config, `forward-${at + 1}-${index + 1}`)),
      }))
      .sort((a, b) => b.zone.length - a.zone.length);
    this.#meter = meter;
    this.#timer = setInterval(() => this.#report(), reportMs).unref();
  }

  #report(): void {
    for (const upstream of this.#all()) upstream.report(this.#meter);
  }

  #all(): readonly Upstream[] {
    return [...this.#default, ...this.#zones.flatMap(({ upstreams }) => upstreams)];
  }

  /** True when a forward zone covers this folded wire name. */
  isForwarded(name: string): boolean {
    return this.#zones.some(({ zone }) => isWithin(name, zone));
  }

  /** Asks until a server answers usefully, at most 4.5 s. SERVFAIL and REFUSED get one try elsewhere. Never rejects. */
  async exchange(question: Question): Promise<Exchange> {
    const order = this.#order(question.name);
    if (order.length === 0) return 'none';
    const deadline = steadyMs() + totalMs;
    let weak: Response | null = null;
    for (let attempt = 0; attempt < maxTries; attempt++) {
      const left = deadline - steadyMs();
      if (left <= 0) break;
      const upstream = order[attempt % order.length]!;
      const patience = firstTryMs * 2 ** Math.floor(attempt / order.length);
      const wait = upstream.transport === 'udp' ? patience : streamTryMs;
      const response = await upstream.ask(question, Math.min(wait, left));
      if (response === null) {
        this.#meter.count('sallyport_dns_upstream_failures_total', { transport: upstream.transport });
        continue;
      }
      if (!isWeak(response)) return response;
      if (weak !== null || order.length === 1) return response;
      weak = response;
    }
    return weak ?? 'failed';
  }

  #order(name: string): readonly Upstream[] {
    const group = this.#zones.find(({ zone }) => isWithin(name, zone))?.upstreams ?? this.#default;
    if (group.length < 2) return group;
    const now = steadyMs();
    const up = group.filter((upstream) => upstream.downUntil === 0);
    for (const upstream of group) {
      if (upstream.downUntil !== 0 && upstream.downUntil <= now && up.length > 0) upstream.probe();
    }
    return up.length === 0 ? group : up.toSorted((a, b) => a.rttMs - b.rttMs);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#report();
    for (const upstream of this.#all()) upstream.close();
  }
}
