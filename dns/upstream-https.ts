// Questions to one upstream over HTTPS (RFC 8484): POST over one HTTP/2 connection to a literal address, whose
// certificate is verified against the configured name. A connection that ended or is about to (GOAWAY) is replaced;
// nothing here follows a redirect or falls back to anything.

import { connect as connectHttp2, constants } from 'node:http2';
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders } from 'node:http2';
import { isIP } from 'node:net';
import { checkServerIdentity, connect as connectTls } from 'node:tls';
import type { TLSSocket } from 'node:tls';
import { steadyMs } from './clock.ts';
import type { StreamOutcome } from './upstream-stream.ts';

export interface HttpsTarget {
  readonly address: string;
  readonly port: number;
  /** Name in the certificate, and the authority of each request. */
  readonly serverName: string;
  readonly path: string;
  /** PEM of the authorities to trust instead of the system's, or null. */
  readonly ca: string | null;
}

/** An answer with the seconds that HTTP lets it live, Infinity where it does not say (RFC 8484 5.1). */
export interface HttpsAnswer {
  readonly message: Uint8Array;
  readonly maxSeconds: number;
  /** Seconds that it has aged in caches on the way. */
  readonly ageSeconds: number;
}
export type HttpsOutcome = HttpsAnswer | Exclude<StreamOutcome, Uint8Array>;

const idleMs = 20_000;
const maxOpenQuestions = 2000;
const maxAnswerBytes = 65_535;
/** Questions in a row without any answer, after which the connection counts as dead. */
const silentUntilDead = 3;
const mediaType = 'application/dns-message';

export class UpstreamHttps {
  readonly #target: HttpsTarget;
  #link: HttpsLink | null = null;
  #ticket: Buffer | undefined;

  constructor(target: HttpsTarget) {
    this.#target = target;
  }

  /** One question with id 0, one answer. Never rejects. */
  async ask(query: Buffer, timeoutMs: number): Promise<HttpsOutcome> {
    const until = steadyMs() + timeoutMs;
    const link = this.#current();
    const first = await link.ask(query, timeoutMs);
    // A connection may end before the question reaches the server: a new one gets a try, unless it ends at once.
    if (first !== 'unreachable' || !link.isClosed || (link.isFresh && !link.hasGoneAway)) return first;
    const left = until - steadyMs();
    return left > 0 ? this.#current().ask(query, left) : first;
  }

  #current(): HttpsLink {
    if (this.#link === null || this.#link.isClosed) this.#link = new HttpsLink(this.#target, this.#connect());
    return this.#link;
  }

  #connect(): TLSSocket {
    const { address: host, port, serverName, ca } = this.#target;
    const socket = connectTls({
      host,
      port,
      servername: isIP(serverName) ? '' : serverName,
      checkServerIdentity: (_, certificate) => checkServerIdentity(serverName, certificate),
      minVersion: 'TLSv1.2',
      ALPNProtocols: ['h2'],
      ...(ca === null ? {} : { ca }),
      ...(this.#ticket === undefined ? {} : { session: this.#ticket }),
    });
    socket.on('session', (ticket) => (this.#ticket = ticket));
    return socket;
  }

  close(): void {
    this.#link?.close();
    this.#link = null;
  }
}

class HttpsLink {
  readonly #session: ClientHttp2Session;
  readonly #headers: Readonly<Record<string, string>>;
  #open = 0;
  #silent = 0;
  /** True until its first answer. */
  isFresh = true;
  /** True when the server said that it takes no more questions here (GOAWAY). */
  hasGoneAway = false;
  /** True when no more questions go this way; those under way may still be answered. */
  isClosed = false;

  constructor({ serverName, port, path }: HttpsTarget, socket: TLSSocket) {
    const host = isIP(serverName) === 6 ? `[${serverName}]` : serverName;
    const authority = port === 443 ? host : `${host}:${port}`;
    this.#headers = {
      ':method': 'POST',
      ':scheme': 'https',
      ':authority': authority,
      ':path': path,
      accept: mediaType,
      'content-type': mediaType,
    };
    socket.once('secureConnect', () => {
      // Without h2 there is nothing to speak; the preface would be read as a request of another version.
      if (socket.alpnProtocol !== 'h2') socket.destroy(new Error('the server does not speak HTTP/2'));
    });
    this.#session = connectHttp2(`https://${authority}`, {
      createConnection: () => socket,
      settings: { enablePush: false },
      maxSessionMemory: 4,
    });
    this.#session.setTimeout(idleMs, () => this.close());
    // 'close' always follows; without this listener an ECONNRESET would end the process.
    this.#session.on('error', () => (this.isClosed = true));
    this.#session.on('goaway', () => {
      this.hasGoneAway = true;
      this.isClosed = true;
    });
    this.#session.on('close', () => (this.isClosed = true));
    this.#session.unref();
  }

  ask(query: Buffer, timeoutMs: number): Promise<HttpsOutcome> {
    const stream = this.#open < maxOpenQuestions ? this.#request(query.length) : null;
    if (stream === null) return Promise.resolve('unreachable');
    this.#open++;
    return new Promise((resolve) => {
      let isSettled = false;
      const settle = (outcome: HttpsOutcome) => {
        if (isSettled) return;
        isSettled = true;
        clearTimeout(timer);
        this.#settled(outcome);
        resolve(outcome);
      };
      const timer = setTimeout(() => {
        settle('timeout');
        stream.close(constants.NGHTTP2_CANCEL);
      }, timeoutMs);
      collect(stream, settle);
      stream.end(query);
    });
  }

  #request(sizeBytes: number): ClientHttp2Stream | null {
    if (this.#session.destroyed || this.#session.closed) return null;
    try {
      return this.#session.request({ ...this.#headers, 'content-length': `${sizeBytes}` });
    } catch {
      // Ended between the look and the request.
      this.isClosed = true;
      return null;
    }
  }

  #settled(outcome: HttpsOutcome): void {
    this.#open--;
    if (typeof outcome !== 'string') {
      this.isFresh = false;
      this.#silent = 0;
    } else if (outcome === 'timeout' && ++this.#silent >= silentUntilDead) this.close();
  }

  close(): void {
    this.isClosed = true;
    this.#session.destroy();
  }
}

/** Reads one response; anything but a 200 with a message of bounded size is no answer. */
function collect(stream: ClientHttp2Stream, settle: (outcome: HttpsOutcome) => void): void {
  const chunks: Buffer[] = [];
  let size = 0;
  let headers: IncomingHttpHeaders = {};
  const fail = () => {
    settle('unreachable');
    stream.close(constants.NGHTTP2_CANCEL);
  };
  stream.on('response', (received) => {
    headers = received;
    if (received[':status'] !== 200 || !isMessage(received['content-type'])) fail();
  });
  stream.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size > maxAnswerBytes) fail();
    else chunks.push(chunk);
  });
  stream.on('end', () => {
    if (size >= 12) settle({ message: Buffer.concat(chunks), ...lifetimeOf(headers) });
    else settle('unreachable');
  });
  stream.on('error', () => settle('unreachable'));
  stream.on('close', () => settle('unreachable'));
}

function isMessage(contentType: string | undefined): boolean {
  return contentType?.split(';', 1)[0]!.trim().toLowerCase() === mediaType;
}

/** How long HTTP lets the answer live, and how old it is (RFC 9111 5.1, 5.2.2.1). */
function lifetimeOf(headers: IncomingHttpHeaders): { maxSeconds: number; ageSeconds: number } {
  const maxAge = /(?:^|[,\s])max-age=(\d{1,9})(?!\d)/i.exec(
    headers['cache-control']?.slice(0, 200) ?? '',
  )?.[1];
  const age = /^\d{1,9}$/.exec(headers['age'] ?? '')?.[0];
  return { maxSeconds: maxAge === undefined ? Infinity : Number(maxAge), ageSeconds: Number(age ?? 0) };
}
