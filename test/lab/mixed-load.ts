// A program that runs on a runner and does what jobs do, at a steady rate, until SIGTERM: requests over kept and over
// fresh connections, blocked ones, uploads, long downloads, WebSockets, TLS that is passed through, and DNS over UDP and
// TCP. At its end it prints how many of each it began, how many came back whole, and what became of the rest; at SIGUSR2
// how long those took that have come back since it was last asked.

import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { connect as connectHttp2, type ClientHttp2Session } from 'node:http2';
import { Agent, request } from 'node:https';
import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { setTimeout as sleep } from 'node:timers/promises';

/** How many of each a second; absent: none. `downloads`, `webSockets` and `streams` are how many go on at a time. */
export interface MixedRates {
  readonly kept?: number;
  readonly fresh?: number;
  readonly blocked?: number;
  readonly uploads?: number;
  readonly passed?: number;
  readonly dnsUdp?: number;
  readonly dnsTcp?: number;
  /** Fresh connections for names that nobody has asked for before. */
  readonly names?: number;
  readonly h2?: number;
  readonly downloads?: number;
  readonly webSockets?: number;
}

export interface MixedOptions {
  readonly rates: MixedRates;
  /** Files with what is trusted. */
  readonly authorities: readonly string[];
  /** The gateway's address, for DNS. */
  readonly resolver: string;
  /** Where `allowed` and `opaque` lead. */
  readonly web: string;
  /** Where `h2` leads: a server that speaks HTTP/2. */
  readonly h2Web: string;
  /** Connections that `kept` goes over. */
  readonly connections: number;
  /** Bytes of a download, read at about `downloadBytesPerSecond`. */
  readonly downloadBytes: number;
  readonly downloadBytesPerSecond: number;
  /** Address of this runner to speak from; default: the system's choice. */
  readonly source?: string;
  /** Asked over `web` instead of `allowed`. */
  readonly site?: string;
}

export interface KindCount {
  begun: number;
  done: number;
  /** What became of those that were not done, by error code or text. */
  readonly failed: Record<string, number>;
  /** Milliseconds that the median and the slowest hundredth of those done took. */
  p50Ms: number;
  p99Ms: number;
}
export type MixedCounts = Record<string, KindCount>;
/** How many came back in a while, and the milliseconds of the median and of the slowest hundredth. */
export type MixedTimes = Record<
  string,
  { readonly done: number; readonly p50Ms: number; readonly p99Ms: number }
>;

export const mixedHosts = {
  allowed: 'allowed.example.com',
  blocked: 'blocked.example.net',
  opaque: 'api.example.com',
  h2: 'h2.example.com',
} as const;

async function main(text: string): Promise<void> {
  // Written by test/lab/run-mixed.ts in this shape.
  const load = new MixedLoad(JSON.parse(text) as MixedOptions);
  const ended = Promise.withResolvers<void>();
  process.on('SIGTERM', () => ended.resolve());
  process.on('SIGUSR2', () => process.stdout.write(`${JSON.stringify(load.takeTimes())}\n`));
  load.start();
  process.stdout.write('started\n');
  await ended.promise;
  process.stdout.write(`${JSON.stringify(await load.stop())}\n`);
  process.exit(0);
}

/** A text frame of ten bytes; with a mask of zeros what is masked reads as it is (RFC 6455 §5.3). */
const saying = Buffer.concat([Buffer.from([0x81, 0x8a, 0, 0, 0, 0]), Buffer.from('0123456789')]);

const lateSeconds = 0.1;

class MixedLoad {
  readonly #options: MixedOptions;
  readonly #ca: readonly string[];
  readonly #counts: MixedCounts = {};
  readonly #agent: Agent;
  readonly #open = new Set<Promise<void>>();
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #times = new Map<string, number[]>();
  #session: ClientHttp2Session | null = null;
  #isStopping = false;
  #serial = 0;

  constructor(options: MixedOptions) {
    this.#options = options;
    this.#ca = options.authorities.map((path) => readFileSync(path, 'utf8'));
    this.#agent = new Agent({ keepAlive: true, maxSockets: options.connections, scheduling: 'fifo' });
  }

  get #site(): string {
    return this.#options.site ?? mixedHosts.allowed;
  }

  start(): void {
    const kinds = {
      kept: () => this.#get(this.#site, 200, this.#agent),
      fresh: () => this.#get(this.#site, 200, null),
      blocked: () => this.#get(mixedHosts.blocked, 403, null),
      uploads: () => this.#upload(),
      passed: () => this.#get(mixedHosts.opaque, 200, null),
      dnsUdp: () => this.#askUdp(),
      dnsTcp: () => this.#askTcp(),
      names: () => this.#get(`n${process.pid}-${this.#serial}.wild.example.com`, 200, null),
      h2: () => this.#getHttp2().catch((error: unknown) => this.#getAgain(error)),
    };
    for (const [kind, act] of Object.entries(kinds)) {
      // The keys of the table are rates.
      this.#repeat(kind, this.#options.rates[kind as keyof typeof kinds] ?? 0, act);
    }
    for (let at = 0; at < (this.#options.rates.downloads ?? 0); at++)
      void this.#again('downloads', () => this.#download());
    for (let at = 0; at < (this.#options.rates.webSockets ?? 0); at++)
      void this.#again('webSockets', () => this.#echo());
  }

  /** Begins nothing more, waits for what is open and counts. */
  async stop(): Promise<MixedCounts> {
    this.#isStopping = true;
    for (const timer of this.#timers) clearInterval(timer);
    await Promise.all(this.#open);
    this.#session?.close();
    for (const [kind, { p50Ms, p99Ms }] of Object.entries(this.takeTimes()))
      Object.assign(this.#countOf(kind), { p50Ms, p99Ms });
    return this.#counts;
  }

  /** What has come back since the last call. */
  takeTimes(): MixedTimes {
    const taken: MixedTimes = {};
    for (const [kind, times] of this.#times) {
      const sorted = times.toSorted((a, b) => a - b);
      const [p50Ms, p99Ms] = [0.5, 0.99].map((part) => sorted[Math.floor(sorted.length * part)] ?? 0);
      taken[kind] = { done: times.length, p50Ms: p50Ms!, p99Ms: p99Ms! };
    }
    this.#times.clear();
    return taken;
  }

  #repeat(kind: string, perSecond: number, act: () => Promise<void>): void {
    if (perSecond === 0) return;
    const started = performance.now();
    let begun = 0;
    let skipped = 0;
    const timer = setInterval(() => {
      const due = ((performance.now() - started) * perSecond) / 1000;
      // What a machine that was busy elsewhere has missed is not made up for all at once, nor piled up.
      const missed = Math.floor(due - begun - skipped - perSecond * lateSeconds);
      if (missed > 0) skipped += missed;
      const { done, failed, begun: all } = this.#countOf(kind);
      let open = all - done - Object.values(failed).reduce((sum, count) => sum + count, 0);
      for (; begun + skipped < due; open++) {
        if (open > perSecond) skipped++;
        else {
          begun++;
          void this.#run(kind, act);
        }
      }
    }, 10);
    this.#timers.push(timer);
  }

  async #again(kind: string, act: () => Promise<void>): Promise<void> {
    while (!this.#isStopping) {
      const failures = Object.keys(this.#countOf(kind).failed).length;
      await this.#run(kind, act);
      if (Object.keys(this.#countOf(kind).failed).length > failures) await sleep(100);
    }
  }

  #countOf(kind: string): KindCount {
    return (this.#counts[kind] ??= { begun: 0, done: 0, failed: {}, p50Ms: 0, p99Ms: 0 });
  }

  async #finish(kind: string, act: () => Promise<void>, count: KindCount): Promise<void> {
    const started = performance.now();
    try {
      await act();
      count.done++;
      this.#timesOf(kind).push(performance.now() - started);
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
      count.failed[code] = (count.failed[code] ?? 0) + 1;
    }
  }

  #timesOf(kind: string): number[] {
    const times = this.#times.get(kind) ?? [];
    this.#times.set(kind, times);
    // A long run keeps the newest.
    if (times.length >= 100_000) times.splice(0, 50_000);
    return times;
  }

  #run(kind: string, act: () => Promise<void>): Promise<void> {
    const count = this.#countOf(kind);
    count.begun++;
    const run = this.#finish(kind, act, count);
    run.finally(() => this.#open.delete(run)).catch(() => {});
    this.#open.add(run);
    return run;
  }

  #request(host: string, path: string, agent: Agent | null, method = 'GET') {
    return request({
      host: this.#options.web,
      port: 443,
      servername: host,
      headers: { host },
      path,
      method,
      ca: [...this.#ca],
      agent: agent ?? false,
      timeout: 15_000,
      ...(this.#options.source === undefined ? {} : { localAddress: this.#options.source }),
    });
  }

  async #get(host: string, status: number, agent: Agent | null): Promise<void> {
    await answerOf(this.#request(host, `/n/${this.#serial++}`, agent), status);
  }

  async #upload(): Promise<void> {
    const sent = this.#request(mixedHosts.allowed, '/upload', this.#agent, 'POST');
    const bytes = Buffer.alloc(200_000 + (this.#serial++ % 1000), 'b');
    const answer = answerOf(sent, 200);
    sent.end(bytes);
    const { bodyBytes } = JSON.parse(String(await answer)) as { bodyBytes: number };
    if (bodyBytes !== bytes.length) throw new Error(`${bodyBytes} bytes arrived`);
  }

  /** Read slowly, so that it outlives whatever happens meanwhile; its length must come out right. */
  #download(): Promise<void> {
    const { downloadBytes, downloadBytesPerSecond } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const sent = this.#request(mixedHosts.allowed, `/bytes/${downloadBytes}`, null);
    sent.setTimeout(0);
    sent.on('error', reject);
    sent.on('response', (response) => {
      const started = performance.now();
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        const aheadMs = (size / downloadBytesPerSecond) * 1000 - (performance.now() - started);
        if (aheadMs < 20 || this.#isStopping) return;
        response.pause();
        setTimeout(() => response.resume(), aheadMs);
      });
      response.on('error', reject);
      response.on('end', () =>
        size === downloadBytes ? resolve() : reject(new Error(`${size} bytes came`)),
      );
    });
    sent.end();
    return promise;
  }

  /** One WebSocket that says something ten times a second and hears it again, until the end. */
  async #echo(): Promise<void> {
    const socket = connectTls({
      host: this.#options.web,
      port: 443,
      servername: mixedHosts.allowed,
      ca: [...this.#ca],
    });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    let said = 0;
    let heard = -1;
    const timer = setInterval(() => {
      if (heard < 0) return;
      if (this.#isStopping && heard === said) return void socket.end(resolve);
      if (this.#isStopping) return;
      socket.write(saying);
      // It comes back without its mask.
      said += saying.length - 4;
    }, 100);
    socket.on('error', reject);
    socket.on('close', () => reject(new Error(`closed, ${said} bytes said, ${heard} heard`)));
    socket.on('data', (bytes: Buffer) => {
      const end = heard >= 0 ? 0 : bytes.indexOf('\r\n\r\n') + 4;
      if (heard < 0 && !bytes.toString('latin1').startsWith('HTTP/1.1 101 ')) reject(new Error('no upgrade'));
      heard = Math.max(heard, 0) + bytes.length - end;
    });
    socket.write(
      `GET /socket HTTP/1.1\r\nHost: ${mixedHosts.allowed}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
    );
    return promise.finally(() => {
      clearInterval(timer);
      socket.destroy();
    });
  }

  /** A refused stream was not processed: clients ask again on a new connection (RFC 9113 §8.7). */
  #getAgain(error: unknown): Promise<void> {
    if (!(error instanceof Error && error.message.includes('REFUSED_STREAM'))) throw error;
    this.#session = null;
    return this.#getHttp2();
  }

  async #getHttp2(): Promise<void> {
    if (this.#session === null || this.#session.closed || this.#session.destroyed) {
      const session = connectHttp2(`https://${mixedHosts.h2}`, {
        ca: [...this.#ca],
        createConnection: () =>
          connectTls({
            host: this.#options.h2Web,
            port: 443,
            servername: mixedHosts.h2,
            ca: [...this.#ca],
            ALPNProtocols: ['h2'],
          }),
      });
      session.on('error', () => {});
      session.on('goaway', () => this.#session === session && (this.#session = null));
      this.#session = session;
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const stream = this.#session.request({
      ':path': `/echo?${this.#serial++}`,
      ':authority': mixedHosts.h2,
    });
    stream.setTimeout(15_000, () => reject(new Error('timeout')));
    stream.on('error', reject);
    stream.on(
      'response',
      (headers) => headers[':status'] !== 200 && reject(new Error(`status ${headers[':status']}`)),
    );
    stream.on('close', () => reject(new Error('closed')));
    stream.on('end', () => resolve());
    stream.resume();
    stream.end();
    return promise;
  }

  #question(): Buffer {
    const id = this.#serial++ & 0xffff;
    const labels = ['allowed', 'example', 'com'].map((label) => [label.length, ...Buffer.from(label)]).flat();
    return Buffer.from([id >> 8, id & 255, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, ...labels, 0, 0, 1, 0, 1]);
  }

  /** Asked once: an answer that does not come within fifteen seconds is lost, as a request is. */
  #askUdp(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const socket = createSocket(this.#options.resolver.includes(':') ? 'udp6' : 'udp4');
    const question = this.#question();
    const timer = setTimeout(() => reject(new Error('no answer')), 15_000);
    socket.on('error', reject);
    socket.on('message', (answer) =>
      isAnswer(answer, question) ? resolve() : reject(new Error('odd answer')),
    );
    socket.send(question, 53, this.#options.resolver);
    return promise.finally(() => {
      clearTimeout(timer);
      socket.close();
    });
  }

  #askTcp(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const question = this.#question();
    const socket = connectTcp(53, this.#options.resolver);
    const timer = setTimeout(() => reject(new Error('no answer')), 15_000);
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('closed')));
    socket.on('data', (bytes) =>
      isAnswer(bytes.subarray(2), question) ? resolve() : reject(new Error('odd answer')),
    );
    socket.write(Buffer.concat([Buffer.from([0, question.length]), question]));
    return promise.finally(() => {
      clearTimeout(timer);
      socket.destroy();
    });
  }
}

/** NOERROR with at least one answer, to this question. */
function isAnswer(answer: Buffer, question: Buffer): boolean {
  return answer.subarray(0, 2).equals(question.subarray(0, 2)) && (answer[3]! & 15) === 0 && answer[7]! > 0;
}

function answerOf(sent: ReturnType<typeof request>, status: number): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  sent.on('error', reject);
  sent.on('timeout', () => sent.destroy(new Error('timeout')));
  sent.on('response', (response) => {
    const chunks: Buffer[] = [];
    response.on('data', (chunk: Buffer) => chunks.push(chunk));
    response.on('error', reject);
    response.on('end', () => {
      if (response.statusCode === status) resolve(Buffer.concat(chunks));
      else reject(new Error(`status ${response.statusCode}`));
    });
  });
  // A request with a body is ended by whoever sends it.
  if (sent.method !== 'POST') sent.end();
  return promise;
}

const [, program, argument] = process.argv;
if (argument !== undefined && import.meta.filename === program) await main(argument);
