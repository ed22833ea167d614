// Connections to real servers: verified TLS over a checked dial, and the pool that keeps them for the
// same runner, job, scheme, host and port. An idle one that speaks or ends leaves the pool.

import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Authorities } from './authorities.ts';
import type { AddressCheck } from './address-check.ts';
import type { Pace, PacedReader } from './pace.ts';
import { dial, messageOf } from './dial.ts';
import type { DialFailure, DialOptions, DialTarget } from './dial.ts';
import { certificateAsked } from './upstream-problem.ts';
import type { Server } from './upstream-problem.ts';
import { UpstreamTls, wantsCertificate } from './upstream-tls.ts';

/** A server as requests name it, and for whom: no connection is shared between runners, nor between jobs of one. */
export interface UpstreamTarget extends DialTarget {
  readonly check: AddressCheck;
  /** The job, or what stands for it (`grantHolder`). */
  readonly holder: string;
  readonly isTls: boolean;
  /** `poolKey` of the rest: the same text for the same requests, made once, since hashing it costs more than making it. */
  readonly key: string;
}

/** Who uses an upstream connection at the moment. */
export interface UpstreamOwner {
  onUpstreamData(bytes: Buffer): void;
  onUpstreamEnd(error: Error | null): void;
  onUpstreamDrain(): void;
}

export interface UpstreamTimings {
  readonly resolveMs: number;
  readonly connectMs: number;
  readonly handshakeMs: number | null;
}

/** One connection; its listeners stay the same for life, only the owner changes. */
export class Upstream {
  readonly key: string;
  readonly runner: string;
  readonly socket: Socket;
  /** Holds its bytes back, and lets them come again. */
  readonly reader: PacedReader;
  /** Null where a proxy in front resolved the name. */
  readonly address: string | null;
  readonly timings: UpstreamTimings;
  /** What the server chose of what it was offered (RFC 7301); null when it chose nothing, or was not asked. */
  readonly alpn: string | null;
  /** The server asked for a client certificate; some go on without one. */
  readonly asksCertificate: boolean;
  owner: UpstreamOwner | null = null;
  /** The check that approved the address last. */
  check: AddressCheck | null;
  uses = 0;
  idleSince = 0;
  isOver = false;
  readonly #server: Server;

  constructor(
    target: UpstreamTarget,
    pace: Pace,
    socket: Socket,
    address: string | null,
    timings: UpstreamTimings,
    alpn: string | null,
  ) {
    this.key = target.key;
    this.alpn = alpn;
    this.asksCertificate = socket instanceof TLSSocket && wantsCertificate(socket);
    this.#server = target;
    this.runner = target.runner;
    this.check = target.check;
    this.socket = socket;
    this.reader = pace.readerOf(socket, target.runner);
    this.address = address;
    this.timings = timings;
    socket.on('data', (bytes: Buffer) => {
      if (this.owner === null) this.destroy();
      else {
        this.owner.onUpstreamData(bytes);
        this.reader.took(bytes.length);
      }
    });
    socket.on('end', () => this.#over(null));
    socket.on('error', (error: Error) => this.#over(error));
    socket.on('close', () => this.#over(null));
    socket.on('drain', () => this.owner?.onUpstreamDrain());
  }

  #over(error: Error | null): void {
    if (this.isOver) return;
    this.isOver = true;
    const owner = this.owner;
    if (owner === null) this.socket.destroy();
    else owner.onUpstreamEnd(error);
  }

  /** What its end before any answer means, when that can be told: null is an ordinary end. */
  problemOf(error: Error | null): DialFailure | null {
    if (!this.asksCertificate || this.uses > 1) return null;
    return certificateAsked(this.#server, error === null ? 'closed' : messageOf(error));
  }

  /** Ends it without telling the owner. */
  destroy(): void {
    this.isOver = true;
    this.owner = null;
    this.socket.destroy();
  }
}

export interface UpstreamOptions extends DialOptions {
  readonly authorities: Authorities;
  readonly pace: Pace;
  readonly pooledIdleMs: number;
  readonly pooledPerRunner: number;
}

const http1Alone: readonly string[] = ['http/1.1'];

/** Dials, pools and forgets upstream connections. */
export class Upstreams {
  readonly #options: UpstreamOptions;
  readonly #idle = new Map<string, Upstream[]>();
  /** What is idle for each runner, in the order in which it was put back. */
  readonly #perRunner = new Map<string, Set<Upstream>>();
  readonly #tls: UpstreamTls;

  constructor(options: UpstreamOptions) {
    this.#options = options;
    this.#tls = new UpstreamTls(options.authorities, options.connectMs);
  }

  /** The pooled connection of this runner to this server that was used last, unless idle for longer; or null. */
  take(target: UpstreamTarget, maxIdleMs: number): Upstream | null {
    const list = this.#idle.get(target.key);
    if (list === undefined) return null;
    let upstream: Upstream | undefined;
    do {
      upstream = list.at(-1);
      if (upstream !== undefined) this.#forget(upstream);
    } while (upstream?.isOver === true);
    if (upstream === undefined) return null;
    if (performance.now() - upstream.idleSince <= maxIdleMs && isApproved(upstream, target.check))
      return upstream;
    upstream.destroy();
    return null;
  }

  /**
   * A new connection, verified, over which the server was offered these versions; ended when the signal says so.
   * One that speaks HTTP/2 is paused, since its server speaks first. Never rejects.
   */
  async open(
    target: UpstreamTarget,
    offered: readonly string[] = http1Alone,
    signal?: AbortSignal,
  ): Promise<Upstream | DialFailure> {
    const dialled = await dial(target, this.#options, signal);
    if ('failure' in dialled) return dialled;
    const { pace } = this.#options;
    const { socket, address, resolveMs, connectMs } = dialled;
    if (!target.isTls) {
      const plain = new Upstream(
        target,
        pace,
        socket,
        address,
        { resolveMs, connectMs, handshakeMs: null },
        null,
      );
      // One that came through a proxy may hold what its server said first: its listeners are there now.
      if (socket.isPaused()) plain.reader.release();
      return plain;
    }
    const startedAt = performance.now();
    const { holder, host, port } = target;
    const resumeKey = `${holder} ${address} ${port} ${host} ${offered.join()}`;
    const secured = await this.#tls.secure(socket, { host, port, resumeKey, offered, signal });
    if ('failure' in secured) return secured;
    const handshakeMs = performance.now() - startedAt;
    const chosen = secured.alpnProtocol === false ? null : secured.alpnProtocol;
    const upstream = new Upstream(
      target,
      pace,
      secured,
      address,
      { resolveMs, connectMs, handshakeMs },
      chosen,
    );
    if (chosen === 'h2') upstream.reader.hold();
    return upstream;
  }

  /** Puts a connection back after a whole exchange; one too many ends the one that was idle for longest. */
  release(upstream: Upstream): void {
    upstream.owner = null;
    if (upstream.isOver) return upstream.destroy();
    const held = this.#perRunner.get(upstream.runner) ?? new Set();
    if (held.size >= this.#options.pooledPerRunner) {
      const [oldest] = held;
      if (oldest === undefined) return upstream.destroy();
      this.#forget(oldest);
      oldest.destroy();
    }
    upstream.idleSince = performance.now();
    // The last owner may have paused it for its client's sake.
    if (upstream.socket.isPaused()) upstream.reader.release();
    const list = this.#idle.get(upstream.key);
    if (list === undefined) this.#idle.set(upstream.key, [upstream]);
    else list.push(upstream);
    held.add(upstream);
    this.#perRunner.set(upstream.runner, held);
  }

  /** Closes what is idle for longer than its limit; called by the proxy's tick. */
  sweep(nowMs: number): void {
    const oldest = nowMs - this.#options.pooledIdleMs;
    this.#closeWhere((upstream) => upstream.isOver || upstream.idleSince < oldest);
  }

  /** Closes the idle connections of one runner, or all. */
  cut(runner: string | null): void {
    this.#closeWhere((upstream) => runner === null || upstream.runner === runner);
  }

  #closeWhere(isDue: (upstream: Upstream) => boolean): void {
    for (const held of this.#perRunner.values()) {
      for (const upstream of held) {
        if (!isDue(upstream)) continue;
        this.#forget(upstream);
        upstream.destroy();
      }
    }
  }

  /** Takes a connection out of the pool. */
  #forget(upstream: Upstream): void {
    const list = this.#idle.get(upstream.key);
    const at = list?.lastIndexOf(upstream) ?? -1;
    if (list !== undefined && at >= 0) list.splice(at, 1);
    if (list?.length === 0) this.#idle.delete(upstream.key);
    const held = this.#perRunner.get(upstream.runner);
    held?.delete(upstream);
    if (held?.size === 0) this.#perRunner.delete(upstream.runner);
  }
}

/** The address was dialled under another decision than the one that would use it now: it is looked at again. */
function isApproved(upstream: Upstream, check: AddressCheck): boolean {
  if (upstream.check === check) return true;
  const isKnown = upstream.check !== null && check.isSame(upstream.check);
  if (!isKnown && check.reason(upstream.address) !== null) return false;
  upstream.check = check;
  return true;
}

/** What connections are pooled by. */
export function poolKey(target: Omit<UpstreamTarget, 'key' | 'check'>): string {
  return `${target.holder} ${target.runner} ${target.isTls ? 's' : 'p'} ${target.host} ${target.port}`;
}
