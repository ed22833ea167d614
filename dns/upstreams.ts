// Which upstream is asked: by zone, then by health and round-trip time (EWMA). Three failures in a row take a
// server out for 5 to 60 s. UDP falls back to TCP of the same server; TLS never falls back to anything.

import { SallyportError } from '../flow/errors.ts';
import type { Meter } from '../flow/ports.ts';
import { steadyMs } from './clock.ts';
import { isWithin, nameFromText } from './name.ts';
import { rcode as code } from './codes.ts';
import { scanResponse } from './scan-response.ts';
import type { Response } from './scan-response.ts';
import { buildPlainQuery, buildQuery, questionEndOf } from './upstream-query.ts';
import type { Question } from './upstream-query.ts';
import { UpstreamStream } from './upstream-stream.ts';
import { UpstreamUdp } from './upstream-udp.ts';

/** One server to ask. `address` is a literal: it must be reachable without DNS. */
export interface UpstreamConfig {
  readonly address: string;
  readonly port: number;
  readonly transport: 'udp' | 'tcp' | 'tls';
  /** Name in the certificate; needed for `tls`. */
  readonly serverName?: string;
  /** PEM of the authorities to trust instead of the system's. */
  readonly ca?: string;
}

/** Names at and under `zone` are asked only of these servers. */
export interface ForwardZone {
  readonly zone: string;
  readonly upstreams: readonly UpstreamConfig[];
}

/** `none`: no server to ask; `failed`: none of them gave a usable answer. */
export type Exchange = Response | 'none' | 'failed';

const totalMs = 4500;
const firstTryMs = 400;
const streamTryMs = 2000;
const maxTries = 6;
const failuresUntilDown = 3;
const paddingBytes = 128;

class Upstream {
  readonly transport: UpstreamConfig['transport'];
  readonly #udp: UpstreamUdp | null;
  readonly #stream: UpstreamStream;
  #failures = 0;
  #downMs = 0;
  #isProbing = false;
  #knowsEdns = true;
  downUntil = 0;
  /** Smoothed round-trip time; 0 until measured, so that a new server is tried. */
  rttMs = 0;

  constructor(config: UpstreamConfig) {
    const { address, port, transport } = config;
    this.transport = transport;
    this.#udp = transport === 'udp' ? new UpstreamUdp(address, port) : null;
    const name = { serverName: config.serverName ?? address, ca: config.ca ?? null };
    this.#stream = new UpstreamStream({ address, port, tls: transport === 'tls' ? name : null });
  }

  async ask(question: Question, timeoutMs: number): Promise<Response | null> {
    const startedAt = performance.now();
    let response = await this.#exchange(question, timeoutMs);
    if (this.#knowsEdns && response !== null && isEdnsRefused(response)) {
      const plain = await this.#exchange(question, timeoutMs, true);
      // Remembered only when it helped: one forged FORMERR changes nothing.
      this.#knowsEdns = plain === null || isEdnsRefused(plain);
      response = plain ?? response;
    }
    this.#judge(response !== null, performance.now() - startedAt);
    return response;
  }

  async #exchange(
    question: Question,
    timeoutMs: number,
    isPlain = !this.#knowsEdns,
  ): Promise<Response | null> {
    const padding = this.transport === 'tls' ? paddingBytes : 0;
    const query = isPlain ? buildPlainQuery(question) : buildQuery(question, padding);
    const end = questionEndOf(question.name);
    let response: Response | null = null;
    let wantsStream = this.#udp === null;
    if (this.#udp) {
      const outcome = await this.#udp.ask(query, end, timeoutMs);
      if (typeof outcome === 'string') wantsStream = outcome === 'mistrusted';
      else response = scanResponse(outcome, end);
      wantsStream ||= response?.truncated === true;
    }
    if (wantsStream) {
      const outcome = await this.#stream.ask(query, end, Math.max(timeoutMs, streamTryMs));
      response = typeof outcome === 'string' ? null : scanResponse(outcome, end);
    }
    return response;
  }

  #judge(ok: boolean, elapsedMs: number): void {
    if (ok) {
      this.rttMs = this.rttMs === 0 ? elapsedMs : this.rttMs * 0.8 + elapsedMs * 0.2;
      this.#failures = 0;
      this.#downMs = 0;
      this.downUntil = 0;
    } else if (++this.#failures >= failuresUntilDown) {
      this.#downMs = Math.min(this.#downMs === 0 ? 5000 : this.#downMs * 2, 60_000);
      this.downUntil = steadyMs() + this.#downMs;
    }
  }

  /** Asks for `. NS` when the time out of service is over, so that no client's question is the probe. */
  probe(): void {
    if (this.#isProbing) return;
    this.#isProbing = true;
    void this.ask({ name: '\0', type: 2, variant: 0 }, streamTryMs).finally(() => (this.#isProbing = false));
  }

  close(): void {
    this.#udp?.close();
    this.#stream.close();
  }
}

function isEdnsRefused({ rcode }: Response): boolean {
  return rcode === code.FORMERR || rcode === code.NOTIMP;
}

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

  constructor(upstreams: readonly UpstreamConfig[], zones: readonly ForwardZone[], meter: Meter) {
    this.#default = upstreams.map((config) => new Upstream(config));
    this.#zones = zones
      .map(({ zone, upstreams }) => ({
        zone: zoneName(zone),
        upstreams: upstreams.map((config) => new Upstream(config)),
      }))
      .sort((a, b) => b.zone.length - a.zone.length);
    this.#meter = meter;
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
      if (response.rcode !== code.SERVFAIL && response.rcode !== code.REFUSED) return response;
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
    for (const upstream of this.#default) upstream.close();
    for (const { upstreams } of this.#zones) for (const upstream of upstreams) upstream.close();
  }
}
