// The proxy that all of the gateway's own connections go through, where the network outside has one: HTTP CONNECT
// (RFC 9110 §9.3.6) with Basic credentials (RFC 7617). It is not trusted: its answers are bounded in size and time.

import type { Socket } from 'node:net';
import { cidrContains, parseAddress, type Cidr } from '../flow/address.ts';
import type { Reason } from '../flow/reason.ts';
import type { DialFailure } from './dial.ts';
import { Gather } from './gather.ts';
import { findHeadEnd } from './head-bytes.ts';

/** Where the proxy is, and what it is for. */
export interface UpstreamProxyOptions {
  /** Canonical name or address. */
  readonly host: string;
  readonly port: number;
  /** `user:secret`, or null. */
  readonly credentials: string | null;
  /** Who resolves names: the gateway, which then asks for the address that it checked; or the proxy, by name. */
  readonly resolve: 'local' | 'proxy';
  /** Hosts that are dialled directly: names, `.suffix` for every name under one, and ranges. */
  readonly direct: { readonly names: readonly string[]; readonly ranges: readonly Cidr[] };
}

const maxAnswerBytes = 16_384;
// RFC 6761, 6762, 8375 and private use (.internal): what these mean is the proxy's own neighbourhood.
const localNames = /(?:^|\.)(?:localhost|local|internal|home\.arpa)$/;

/** One configured proxy. */
export class UpstreamProxy {
  readonly host: string;
  readonly port: number;
  readonly resolve: 'local' | 'proxy';
  readonly #names: ReadonlySet<string>;
  readonly #ranges: readonly Cidr[];
  readonly #authorization: string;

  constructor({ host, port, credentials, resolve, direct }: UpstreamProxyOptions) {
    this.host = host;
    this.port = port;
    this.resolve = resolve;
    this.#names = new Set(direct.names);
    this.#ranges = direct.ranges;
    const encoded = credentials === null ? '' : Buffer.from(credentials, 'utf8').toString('base64');
    this.#authorization = credentials === null ? '' : `Proxy-Authorization: Basic ${encoded}\r\n`;
  }

  /** True for a name that is dialled without the proxy. */
  isDirect(name: string): boolean {
    if (this.#names.has(name)) return true;
    for (let at = name.indexOf('.'); at >= 0; at = name.indexOf('.', at + 1))
      if (this.#names.has(name.slice(at))) return true;
    return false;
  }

  /** True for an address that is dialled without the proxy. */
  isDirectAddress(address: string): boolean {
    const bytes = parseAddress(address);
    return bytes !== null && this.#ranges.some((cidr) => cidrContains(cidr, bytes));
  }

  /** Asks on a fresh connection for one to `host` (a name or an address). The socket comes back paused. Never rejects. */
  ask(
    socket: Socket,
    host: string,
    port: number,
    limitMs: number,
    signal?: AbortSignal,
  ): Promise<Socket | DialFailure> {
    const authority = `${host.includes(':') ? `[${host}]` : host}:${port}`;
    return new Promise((resolve) => {
      const gather = new Gather();
      const finish = (result: Socket | DialFailure): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', onAbort);
        socket.removeListener('data', onData);
        for (const event of ['end', 'close', 'error']) socket.removeListener(event, onEnd);
        if (result === socket) socket.pause();
        else socket.destroy();
        resolve(result);
      };
      const fail = (detail: string): void => finish(failed(detail));
      const onData = (piece: Buffer): void => {
        const read = readAnswer(gather, piece);
        if (read === null) return;
        if (typeof read === 'string') return fail(read);
        if (read.status >= 300) return finish(refused(read.status));
        finish(socket);
        // A server that speaks first may have spoken already.
        if (read.rest.length > 0) socket.unshift(read.rest);
      };
      const onEnd = (): void => fail('closed before it answered');
      const onAbort = (): void =>
        finish({ failure: 'client-closed', detail: 'nobody waits for it any more' });
      const timer = setTimeout(() => fail('no answer in time'), Math.max(1, limitMs));
      signal?.addEventListener('abort', onAbort);
      if (signal?.aborted === true) return onAbort();
      socket.on('data', onData);
      for (const event of ['end', 'close', 'error']) socket.on(event, onEnd);
      socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${this.#authorization}\r\n`);
    });
  }
}

/** The final answer's status and what follows its head; null while it is not whole; a text when it is none. */
function readAnswer(gather: Gather, piece: Buffer): { status: number; rest: Buffer } | string | null {
  let scanned = gather.length;
  let bytes = gather.push(piece);
  for (;;) {
    const end = findHeadEnd(bytes, scanned);
    if (end === -2) return 'an answer that is no HTTP';
    if (end > maxAnswerBytes || (end < 0 && bytes.length > maxAnswerBytes)) return 'an answer without an end';
    if (end < 0) return null;
    const line = /^HTTP\/1\.[01] ([1-5]\d\d)(?: |\r)/.exec(bytes.toString('latin1', 0, 14));
    if (line === null) return 'an answer that is no HTTP';
    const status = Number(line[1]);
    const rest = bytes.subarray(end + 4);
    if (status >= 200) return { status, rest };
    if (status === 101) return 'an upgrade that nobody asked for';
    // Interim answers (RFC 9110 §15.2) count against the one limit of time; each is bounded by itself.
    gather.take();
    if (rest.length === 0) return null;
    scanned = 0;
    bytes = gather.push(Buffer.from(rest));
  }
}

const failed = (detail: string): DialFailure => told('upstream-proxy-failed', detail);

function refused(status: number): DialFailure {
  if (status === 407) return told('upstream-proxy-credentials', 'answered 407');
  return told(status >= 500 ? 'upstream-proxy-failed' : 'upstream-proxy-refused', `answered ${status}`);
}

function told(failure: Reason, detail: string): DialFailure {
  const evidence = { kind: 'upstream-proxy', detail: `the proxy in front: ${detail}` } as const;
  return { failure, detail, told: `the proxy in front of the gateway ${detail}`, evidence };
}

/** Why a name may not be left to the proxy to resolve, or null; `opensRanges` when a rule opens private ranges for it. */
export function reasonNotByName(name: string, opensRanges: boolean): DialFailure | null {
  if (!name.includes('.') || localNames.test(name))
    return { failure: 'never-address', detail: 'a local name would be resolved in the proxy’s own network' };
  if (!opensRanges) return null;
  const detail =
    'private ranges of a rule cannot be checked where the proxy resolves: add the host to noProxy';
  return { failure: 'private-address', detail };
}
