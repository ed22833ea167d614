// Asks the API server of a cluster (kubernetes.io, "Kubernetes API Concepts"): lists in pages, watches as a stream of one
// event a line. Everything that comes is bounded; the token is read anew for each request.

import { request, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { SallyportError } from '../../flow/errors.ts';
import { itemsAt, textAt, valueAt } from '../read-object.ts';

export interface ApiClientOptions {
  /** Host and port as they stand in its URL. */
  readonly host: string;
  readonly port: number;
  /** The bearer token as it is now; null: none is sent. @throws SallyportError config-invalid */
  readonly token: () => string | null;
  /** A verified TLS stream. @throws SallyportError upstream */
  readonly connect: (host: string, port: number, signal: AbortSignal) => Promise<Duplex>;
  readonly limits?: Partial<ApiLimits>;
}

export interface ApiLimits {
  readonly pageBytes: number;
  readonly pages: number;
  readonly lineBytes: number;
  /** Until an answer begins, and for each page. */
  readonly answerMs: number;
  /** How long the server is asked to keep a watch open. */
  readonly watchSeconds: number;
}

/** What is wanted: `path` without a query, for example `/api/v1/namespaces/runners/pods`. */
export interface Wanted {
  readonly path: string;
  readonly labelSelector: string | null;
}

export interface Listed {
  readonly items: readonly unknown[];
  readonly resourceVersion: string;
}

export interface WatchEvent {
  readonly type: string;
  readonly object: unknown;
}

/** The server does not know the version that was asked for any more (410), in a list or in a watch. */
export class VersionGone extends Error {}

/** The server's word against a request, with its status. */
export class ApiRefusal extends SallyportError {
  readonly status: number;
  constructor(status: number, path: string) {
    super('upstream', `the Kubernetes API answered ${status} to ${path}`);
    this.status = status;
  }
}

const usual: ApiLimits = {
  pageBytes: 64 * 1024 * 1024,
  pages: 200,
  lineBytes: 4 * 1024 * 1024,
  answerMs: 30_000,
  watchSeconds: 290,
};
const pageItems = '250';
const newline = 10;

export class KubernetesApi {
  readonly #options: ApiClientOptions;
  readonly #limits: ApiLimits;

  constructor(options: ApiClientOptions) {
    this.#options = options;
    this.#limits = { ...usual, ...options.limits };
  }

  /** Everything that there is, and the version at which it was so. @throws SallyportError upstream, VersionGone */
  async list(wanted: Wanted, signal: AbortSignal): Promise<Listed> {
    const items: unknown[] = [];
    let [next, version]: [string | null, string | null] = [null, null];
    for (let page = 0; page < this.#limits.pages; page++) {
      const query = { limit: pageItems, ...(next === null ? {} : { continue: next }) };
      const limit = AbortSignal.any([signal, AbortSignal.timeout(this.#limits.answerMs)]);
      const answer = await this.#ask(wanted, query, limit);
      const body: unknown = JSON.parse(await readWhole(answer, this.#limits.pageBytes));
      items.push(...itemsAt(body, 'items'));
      version ??= textAt(body, 'metadata', 'resourceVersion');
      // Longer than other texts, and opaque.
      const more = valueAt(body, 'metadata', 'continue');
      next = typeof more === 'string' && more !== '' ? more : null;
      if (next === null) break;
    }
    if (next !== null)
      throw new SallyportError('upstream', `${wanted.path} has more than ${items.length} items`);
    if (version === null) throw new SallyportError('upstream', `${wanted.path} was answered with no list`);
    return { items, resourceVersion: version };
  }

  /**
   * Events since a version until the server ends the stream, which it does now and then; null once it has begun.
   * @throws SallyportError upstream, VersionGone
   */
  async *watch(wanted: Wanted, since: string, signal: AbortSignal): AsyncGenerator<WatchEvent | null> {
    const query = {
      watch: '1',
      allowWatchBookmarks: 'true',
      resourceVersion: since,
      timeoutSeconds: String(this.#limits.watchSeconds),
    };
    const silence = new AbortController();
    const limitMs = (this.#limits.watchSeconds + 30) * 1000;
    const timer = setTimeout(() => silence.abort(), limitMs).unref();
    const both = AbortSignal.any([signal, silence.signal]);
    try {
      const answer = await this.#ask(wanted, query, both);
      yield null;
      for await (const line of linesOf(answer, this.#limits.lineBytes)) {
        const event: unknown = JSON.parse(line);
        const [type, object] = [textAt(event, 'type'), valueAt(event, 'object')];
        if (type === 'ERROR') throw problemOf(object, wanted.path);
        if (type === null) throw new SallyportError('upstream', `${wanted.path} was answered with no event`);
        yield { type, object };
      }
    } finally {
      clearTimeout(timer);
      silence.abort();
    }
  }

  async #ask(
    { path, labelSelector }: Wanted,
    query: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    const { host, port, connect, token } = this.#options;
    const search = new URLSearchParams(labelSelector === null ? query : { ...query, labelSelector });
    const bearer = token();
    const socket = await connect(host, port, signal);
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const sent = request({
      createConnection: () => socket,
      method: 'GET',
      path: `${path}?${search.toString()}`,
      signal,
      maxHeaderSize: 16_384,
      headers: {
        host: `${host.includes(':') ? `[${host}]` : host}:${port}`,
        accept: 'application/json',
        'user-agent': 'sallyport',
        ...(bearer === null ? {} : { authorization: `Bearer ${bearer}` }),
      },
    });
    const slow = setTimeout(
      () => sent.destroy(new SallyportError('upstream', 'the Kubernetes API does not answer')),
      this.#limits.answerMs,
    );
    sent.on('response', resolve).on('error', reject);
    sent.end();
    try {
      const answer = await promise;
      if (answer.statusCode === 200) return answer;
      answer.destroy();
      throw answer.statusCode === 410 ? new VersionGone(path) : new ApiRefusal(answer.statusCode ?? 0, path);
    } finally {
      clearTimeout(slow);
    }
  }
}

function problemOf(status: unknown, path: string): Error {
  const code = valueAt(status, 'code');
  if (code === 410) return new VersionGone(path);
  return new ApiRefusal(typeof code === 'number' ? code : 0, path);
}

async function readWhole(answer: IncomingMessage, maxBytes: number): Promise<string> {
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

/** Whole lines; what a stream that ends leaves without a newline is no line. */
async function* linesOf(answer: IncomingMessage, maxBytes: number): AsyncGenerator<string> {
  let held: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    let from = 0;
    for (let at = chunk.indexOf(newline); at >= 0; at = chunk.indexOf(newline, from)) {
      const line = Buffer.concat([...held, chunk.subarray(from, at)]).toString('utf8');
      [held, bytes, from] = [[], 0, at + 1];
      if (line.trim() !== '') yield line;
    }
    held.push(chunk.subarray(from));
    bytes += chunk.length - from;
    if (bytes > maxBytes) throw new SallyportError('upstream', `an event is larger than ${maxBytes} bytes`);
  }
}
