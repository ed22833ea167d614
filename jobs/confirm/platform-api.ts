// Asks a forge's API about jobs with the operator's own token: few requests, small answers, no redirects, and a pause when
// the forge asks for one. The token is read anew for each request.

import { request, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { LRUCache } from 'lru-cache';
import { SallyportError } from '../../flow/errors.ts';

export interface PlatformApiOptions {
  readonly host: string;
  readonly port: number;
  /** What stands before every path: `/api/v3`, `/api/v4` or nothing. */
  readonly prefix: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Value of Authorization. @throws SallyportError config-invalid */
  readonly authorization: () => string;
  /** A verified TLS stream. @throws SallyportError upstream */
  readonly connect: (host: string, port: number, signal: AbortSignal) => Promise<Duplex>;
  readonly now?: () => number;
  /** How long an answer is as good as a new one, in milliseconds. */
  readonly keptMs?: number;
}

/** `status` 0: nothing usable came. */
export interface ApiAnswer {
  readonly status: number;
  /** The document; null where the answer is none. */
  readonly body: unknown;
}

const limitMs = 10_000;
const maxBytes = 2 * 1024 * 1024;
const keptMs = 1_500;
const burst = 30;
const perSecond = 1;
const maxWaiting = 256;
const longestPauseMs = 3_600_000;
const nobody: ApiAnswer = { status: 0, body: null };

export class PlatformApi {
  readonly #options: PlatformApiOptions;
  readonly #now: () => number;
  /** Jobs of one run ask the same at the same time. */
  readonly #kept: LRUCache<string, Promise<ApiAnswer>>;
  #left = burst;
  #atMs: number;
  #pausedUntilMs = 0;
  #waiting = 0;

  constructor(options: PlatformApiOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#atMs = this.#now();
    this.#kept = new LRUCache({ max: 256, ttl: Math.max(1, options.keptMs ?? keptMs) });
  }

  /** The answer to GET; `accept` in place of JSON gives its text as body. Never rejects. */
  get(path: string, accept?: string): Promise<ApiAnswer> {
    const key = `${accept ?? ''} ${path}`;
    const kept = this.#kept.get(key);
    if (kept !== undefined) return kept;
    if (!this.#mayAsk()) return Promise.resolve(nobody);
    const asked = this.#ask(path, accept).catch(() => nobody);
    this.#kept.set(key, asked);
    return asked;
  }

  #mayAsk(): boolean {
    const nowMs = this.#now();
    this.#left = Math.min(burst, this.#left + (Math.max(0, nowMs - this.#atMs) * perSecond) / 1000);
    this.#atMs = nowMs;
    if (this.#left < 1 || nowMs < this.#pausedUntilMs || this.#waiting >= maxWaiting) return false;
    this.#left -= 1;
    return true;
  }

  async #ask(path: string, accept: string | undefined): Promise<ApiAnswer> {
    this.#waiting++;
    try {
      const answer = await this.#send(path, accept);
      const status = answer.statusCode ?? 0;
      this.#heed(answer);
      const bytes = await readWhole(answer);
      if (status !== 200) return { status, body: null };
      return { status, body: accept === undefined ? JSON.parse(bytes) : bytes };
    } finally {
      this.#waiting--;
    }
  }

  async #send(path: string, accept: string | undefined): Promise<IncomingMessage> {
    const { host, port, prefix, headers, authorization, connect } = this.#options;
    const signal = AbortSignal.timeout(limitMs);
    const secret = authorization();
    const socket = await connect(host, port, signal);
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const sent = request({
      createConnection: () => socket,
      method: 'GET',
      path: `${prefix}${path}`,
      signal,
      maxHeaderSize: 32_768,
      headers: {
        host: port === 443 ? host : `${host}:${port}`,
        accept: accept ?? 'application/json',
        'accept-encoding': 'identity',
        'user-agent': 'sallyport',
        ...headers,
        authorization: secret,
      },
    });
    sent.on('response', resolve).on('error', reject);
    sent.end();
    return promise;
  }

  /** What a forge says of how often it may be asked (docs.github.com, "Rate limits"; docs.gitlab.com, "Rate limits"). */
  #heed({ statusCode, headers }: IncomingMessage): void {
    const isLimit = statusCode === 429 || (statusCode === 403 && headers['x-ratelimit-remaining'] === '0');
    if (!isLimit && (statusCode !== 403 || headers['retry-after'] === undefined)) return;
    const afterMs = Number(headers['retry-after'] ?? Number.NaN) * 1000;
    const resetMs = Number(headers['x-ratelimit-reset'] ?? Number.NaN) * 1000 - this.#now();
    const [waitMs = 60_000] = [afterMs, resetMs].filter((ms) => Number.isFinite(ms) && ms > 0);
    this.#pausedUntilMs = this.#now() + Math.min(waitMs, longestPauseMs);
  }
}

async function readWhole(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  // Without an encoding a stream of Node's http gives buffers.
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new SallyportError('upstream', `an answer is larger than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  if (!answer.complete) throw new SallyportError('upstream', 'an answer was cut off');
  return Buffer.concat(chunks).toString('utf8');
}
