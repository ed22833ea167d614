// Connections to real servers: verified TLS over a checked dial, and the pool that keeps them for the
// same runner, scheme, host and port. An idle one that speaks or ends leaves the pool.

import { LRUCache } from 'lru-cache';
import { isIP } from 'node:net';
import type { Socket } from 'node:net';
import { connect as connectTls, createSecureContext, getCACertificates, rootCertificates } from 'node:tls';
import type { SecureContext, TLSSocket } from 'node:tls';
import type { Cidr } from '../flow/address.ts';
import { dial, messageOf } from './dial.ts';
import type { DialFailure, DialOptions } from './dial.ts';

/** A server as requests name it; the key of the pool together with the runner. */
export interface UpstreamTarget {
  readonly runner: string;
  readonly isTls: boolean;
  readonly host: string;
  readonly port: number;
  readonly allowed: readonly Cidr[];
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
  readonly address: string;
  readonly timings: UpstreamTimings;
  owner: UpstreamOwner | null = null;
  uses = 0;
  idleSince = 0;
  isOver = false;

  constructor(key: string, runner: string, socket: Socket, address: string, timings: UpstreamTimings) {
    this.key = key;
    this.runner = runner;
    this.socket = socket;
    this.address = address;
    this.timings = timings;
    socket.on('data', (bytes: Buffer) => {
      if (this.owner === null) this.destroy();
      else this.owner.onUpstreamData(bytes);
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

  /** Ends it without telling the owner. */
  destroy(): void {
    this.isOver = true;
    this.owner = null;
    this.socket.destroy();
  }
}

export interface UpstreamOptions extends DialOptions {
  readonly extraAuthorities: readonly string[];
  readonly pooledIdleMs: number;
  readonly pooledPerRunner: number;
}

/** Dials, pools and forgets upstream connections. */
export class Upstreams {
  readonly #options: UpstreamOptions;
  readonly #idle = new Map<string, Upstream[]>();
  readonly #perRunner = new Map<string, number>();
  readonly #tlsSessions = new LRUCache<string, Buffer>({ max: 2048 });
  #context: SecureContext | null = null;

  constructor(options: UpstreamOptions) {
    this.#options = options;
  }

  /** The pooled connection of this runner to this server that was used last, unless idle for longer; or null. */
  take(target: UpstreamTarget, maxIdleMs: number): Upstream | null {
    const key = keyOf(target);
    const list = this.#idle.get(key);
    if (list === undefined) return null;
    let upstream = list.pop();
    while (upstream?.isOver === true) {
      this.#count(upstream.runner, -1);
      upstream = list.pop();
    }
    if (list.length === 0) this.#idle.delete(key);
    if (upstream === undefined) return null;
    this.#count(upstream.runner, -1);
    if (performance.now() - upstream.idleSince <= maxIdleMs) return upstream;
    upstream.destroy();
    return null;
  }

  /** A new connection, verified. Never rejects. */
  async open(target: UpstreamTarget): Promise<Upstream | DialFailure> {
    const dialled = await dial(target, this.#options);
    if ('failure' in dialled) return dialled;
    const { socket, address, resolveMs, connectMs } = dialled;
    const key = keyOf(target);
    if (!target.isTls) {
      return new Upstream(key, target.runner, socket, address, { resolveMs, connectMs, handshakeMs: null });
    }
    const startedAt = performance.now();
    const secured = await this.#secure(socket, target, address);
    if ('failure' in secured) return secured;
    const handshakeMs = performance.now() - startedAt;
    return new Upstream(key, target.runner, secured, address, { resolveMs, connectMs, handshakeMs });
  }

  /** Puts a connection back after a whole exchange. */
  release(upstream: Upstream): void {
    upstream.owner = null;
    const held = this.#perRunner.get(upstream.runner) ?? 0;
    if (upstream.isOver || held >= this.#options.pooledPerRunner) return upstream.destroy();
    upstream.idleSince = performance.now();
    // The last owner may have paused it for its client's sake.
    if (upstream.socket.isPaused()) upstream.socket.resume();
    const list = this.#idle.get(upstream.key);
    if (list === undefined) this.#idle.set(upstream.key, [upstream]);
    else list.push(upstream);
    this.#count(upstream.runner, 1);
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
    for (const [key, list] of this.#idle) {
      const kept = list.filter((upstream) => !isDue(upstream));
      if (kept.length === list.length) continue;
      for (const upstream of list) {
        if (kept.includes(upstream)) continue;
        this.#count(upstream.runner, -1);
        upstream.destroy();
      }
      if (kept.length === 0) this.#idle.delete(key);
      else this.#idle.set(key, kept);
    }
  }

  #count(runner: string, by: number): void {
    const held = (this.#perRunner.get(runner) ?? 0) + by;
    if (held <= 0) this.#perRunner.delete(runner);
    else this.#perRunner.set(runner, held);
  }

  #secure(socket: Socket, target: UpstreamTarget, address: string): Promise<TLSSocket | DialFailure> {
    this.#context ??= createSecureContext({ ca: authorities(this.#options.extraAuthorities) });
    const sessionKey = `${address} ${target.port} ${target.host}`;
    const session = this.#tlsSessions.get(sessionKey);
    return new Promise((resolve) => {
      const secured = connectTls({
        socket,
        host: target.host,
        servername: isIP(target.host) === 0 ? target.host : '',
        secureContext: this.#context!,
        ALPNProtocols: ['http/1.1'],
        rejectUnauthorized: true,
        ...(session === undefined ? {} : { session }),
      });
      const limit = setTimeout(
        () => fail({ failure: 'timeout', detail: 'no TLS handshake in time' }),
        this.#options.connectMs,
      );
      const fail = (failure: DialFailure) => {
        clearTimeout(limit);
        secured.destroy();
        socket.destroy();
        resolve(failure);
      };
      secured.on('session', (ticket: Buffer) => this.#tlsSessions.set(sessionKey, ticket));
      secured.on('error', (error: NodeJS.ErrnoException) => {
        this.#tlsSessions.delete(sessionKey);
        fail({ failure: tlsReason(error), detail: messageOf(error) });
      });
      secured.once('secureConnect', () => {
        clearTimeout(limit);
        resolve(secured);
      });
    });
  }
}

function keyOf(target: UpstreamTarget): string {
  return `${target.runner} ${target.isTls ? 's' : 'p'} ${target.host} ${target.port}`;
}

function authorities(extra: readonly string[]): string[] {
  const system = getCACertificates('system');
  return [...(system.length > 0 ? system : rootCertificates), ...extra];
}

function tlsReason(
  error: NodeJS.ErrnoException,
): 'upstream-certificate' | 'upstream-protocol' | 'connect-failed' {
  const code = error.code ?? '';
  if (/CERT|ISSUER|SIGNATURE|CRL|ALTNAME|UNTRUSTED|HOSTNAME|_CA$/.test(code)) return 'upstream-certificate';
  return code.startsWith('ERR_SSL') || code.startsWith('EPROTO') ? 'upstream-protocol' : 'connect-failed';
}
