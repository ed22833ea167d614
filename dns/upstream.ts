// One upstream server: how it is asked, what is known of it, and whether it is up. Over UDP the letters of a name
// are sent in random case, which an answer has to repeat (draft-vixie-dnsext-dns0x20): a forger has to guess it.
// UDP falls back to TCP of the same server; TLS and HTTPS never fall back to anything.

import type { Meter } from '../flow/ports.ts';
import { steadyMs } from './clock.ts';
import { rcode as code } from './codes.ts';
import { isAnswerTo, scanResponse } from './scan-response.ts';
import type { Response } from './scan-response.ts';
import { buildPlainQuery, buildQuery, foldQuestion, mixCase, questionEndOf } from './upstream-query.ts';
import type { Question } from './upstream-query.ts';
import { UpstreamHttps } from './upstream-https.ts';
import type { HttpsAnswer } from './upstream-https.ts';
import { UpstreamStream } from './upstream-stream.ts';
import { UpstreamUdp } from './upstream-udp.ts';

/** One server to ask. `address` is a literal: it must be reachable without DNS. */
export interface UpstreamConfig {
  readonly address: string;
  readonly port: number;
  readonly transport: 'udp' | 'tcp' | 'tls' | 'https';
  /** Name in the certificate; needed for `tls` and `https`. */
  readonly serverName?: string;
  /** Of `https` (RFC 8484 4.1); default: `/dns-query`. */
  readonly path?: string;
  /** PEM of the authorities to trust instead of the system's. */
  readonly ca?: string;
}

/** Patience with a server over a stream, milliseconds. */
export const streamTryMs = 2000;
const failuresUntilDown = 3;
const downMs = { first: 5000, most: 60_000 } as const;
const paddingBytes = 128;
/** How long a server that changes the case of names is asked in lower case. */
const lowerCaseMs = 3_600_000;

export class Upstream {
  readonly transport: UpstreamConfig['transport'];
  readonly #name: string;
  readonly #udp: UpstreamUdp | null;
  readonly #stream: UpstreamStream;
  readonly #https: UpstreamHttps | null;
  readonly #counts = { answered: 0, weak: 0, failed: 0 };
  #failures = 0;
  #downMs = 0;
  #isProbing = false;
  #knowsEdns = true;
  #lowerCaseUntil = 0;
  downUntil = 0;
  /** Smoothed round-trip time; 0 until measured, so that a new server is tried. */
  rttMs = 0;

  /** `name` stands for it in metrics: its place in the configuration. */
  constructor(config: UpstreamConfig, name: string) {
    const { address, port, transport, path = '/dns-query' } = config;
    this.transport = transport;
    this.#name = name;
    this.#udp = transport === 'udp' ? new UpstreamUdp(address, port) : null;
    const tls = { serverName: config.serverName ?? address, ca: config.ca ?? null };
    this.#https = transport === 'https' ? new UpstreamHttps({ address, port, path, ...tls }) : null;
    this.#stream = new UpstreamStream({ address, port, tls: transport === 'tls' ? tls : null });
  }

  async ask(question: Question, timeoutMs: number): Promise<Response | null> {
    const startedAt = performance.now();
    let response = await this.#exchange(question, timeoutMs, !this.#knowsEdns);
    if (this.#knowsEdns && response !== null && isEdnsRefused(response)) {
      const plain = await this.#exchange(question, timeoutMs, true);
      // Remembered only when it helped: one forged FORMERR changes nothing.
      this.#knowsEdns = plain === null || isEdnsRefused(plain);
      response = plain ?? response;
    }
    this.#judge(response, performance.now() - startedAt);
    return response;
  }

  async #exchange(question: Question, timeoutMs: number, isPlain: boolean): Promise<Response | null> {
    const padding = this.#udp === null && this.transport !== 'tcp' ? paddingBytes : 0;
    const query = isPlain ? buildPlainQuery(question) : buildQuery(question, padding);
    const end = questionEndOf(question.name);
    if (this.#https !== null) return this.#askHttps(this.#https, query, end, timeoutMs);
    if (this.#udp === null) return this.#askStream(query, end, timeoutMs);
    if (this.#lowerCaseUntil <= steadyMs()) mixCase(query, end);
    const outcome = await this.#udp.ask(query, end, timeoutMs);
    if (outcome === 'other-case') return this.#askOtherCase(this.#udp, query, end, timeoutMs);
    if (outcome === 'mistrusted') return this.#askStream(query, end, timeoutMs);
    if (typeof outcome === 'string') return null;
    const response = scanResponse(foldQuestion(outcome, end), end);
    return response?.truncated === true ? this.#askStream(query, end, timeoutMs) : response;
  }

  async #askStream(query: Buffer, end: number, timeoutMs: number): Promise<Response | null> {
    const outcome = await this.#stream.ask(query, end, Math.max(timeoutMs, streamTryMs));
    return typeof outcome === 'string' ? null : scanResponse(foldQuestion(outcome, end), end);
  }

  // Only over a stream, where nobody else can answer, a server says for itself that it changes the case.
  async #askOtherCase(
    udp: UpstreamUdp,
    query: Buffer,
    end: number,
    timeoutMs: number,
  ): Promise<Response | null> {
    const outcome = await this.#stream.ask(query, end, Math.max(timeoutMs, streamTryMs));
    if (typeof outcome !== 'string') {
      if (!isAnswerTo(outcome, query, end)) this.#lowerCaseUntil = steadyMs() + lowerCaseMs;
      return scanResponse(foldQuestion(outcome, end), end);
    }
    const lower = await udp.ask(foldQuestion(query, end), end, timeoutMs);
    return typeof lower === 'string' ? null : withoutCut(scanResponse(lower, end));
  }

  async #askHttps(
    https: UpstreamHttps,
    query: Buffer,
    end: number,
    timeoutMs: number,
  ): Promise<Response | null> {
    const outcome = await https.ask(query, Math.max(timeoutMs, streamTryMs));
    if (typeof outcome === 'string' || !isAnswerTo(outcome.message, query, end)) return null;
    const response = scanResponse(outcome.message, end);
    return response === null ? null : withLifetime(response, outcome);
  }

  #judge(response: Response | null, elapsedMs: number): void {
    if (response !== null) {
      this.#counts[isWeak(response) ? 'weak' : 'answered']++;
      this.rttMs = this.rttMs === 0 ? elapsedMs : this.rttMs * 0.8 + elapsedMs * 0.2;
      this.#failures = 0;
      this.#downMs = 0;
      this.downUntil = 0;
      return;
    }
    this.#counts.failed++;
    if (++this.#failures < failuresUntilDown) return;
    this.#downMs = Math.min(this.#downMs === 0 ? downMs.first : this.#downMs * 2, downMs.most);
    this.downUntil = steadyMs() + this.#downMs;
  }

  /** Asks for `. NS` when the time out of service is over, so that no client's question is the probe. */
  probe(): void {
    if (this.#isProbing) return;
    this.#isProbing = true;
    void this.ask({ name: '\0', type: 2, variant: 0 }, streamTryMs).finally(() => (this.#isProbing = false));
  }

  /** Hands its counts and its state to the meter. */
  report(meter: Meter): void {
    const upstream = this.#name;
    for (const result of ['answered', 'weak', 'failed'] as const) {
      const count = this.#counts[result];
      const labels = { upstream, transport: this.transport, result };
      if (count > 0) meter.count('sallyport_dns_upstream_queries_total', labels, count);
      this.#counts[result] = 0;
    }
    meter.gauge('sallyport_dns_upstream_rtt_seconds', this.rttMs / 1000, { upstream });
    meter.gauge('sallyport_dns_upstream_up', this.downUntil === 0 ? 1 : 0, { upstream });
  }

  close(): void {
    this.#udp?.close();
    this.#https?.close();
    this.#stream.close();
  }
}

function isEdnsRefused({ rcode }: Response): boolean {
  return rcode === code.FORMERR || rcode === code.NOTIMP;
}

/** True for an answer that another server may know better. */
export function isWeak({ rcode }: Response): boolean {
  return rcode === code.SERVFAIL || rcode === code.REFUSED;
}

function withoutCut(response: Response | null): Response | null {
  return response?.truncated === true ? null : response;
}

/** The answer with what HTTP says of its life: max-age caps its TTLs, its age is taken off (RFC 8484 5.1). */
function withLifetime(response: Response, { maxSeconds, ageSeconds }: HttpsAnswer): Response {
  if (maxSeconds === Infinity && ageSeconds === 0) return response;
  const cap = <R extends { readonly ttl: number }>(record: R): R => ({
    ...record,
    ttl: Math.max(0, Math.min(record.ttl, maxSeconds) - ageSeconds),
  });
  return { ...response, answers: response.answers.map(cap), authority: response.authority.map(cap) };
}
