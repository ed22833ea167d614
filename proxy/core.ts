// What all connections of one proxy share: ports, limits, pool, grants, the table of open connections and
// one coarse clock. Deadlines are numbers that the clock's tick compares, so that a request sets no timer.

import type { Attribution } from '../flow/job.ts';
import { AlpnMemory } from './alpn.ts';
import { Authorities } from './authorities.ts';
import type { Connection } from './connection.ts';
import { Departures } from './departures.ts';
import { FollowGrants, grantHolder } from './follow.ts';
import type { FollowGrant } from './follow.ts';
import { Limiter } from './limiter.ts';
import { Lineages } from './lineages.ts';
import { defaultLimits } from './limits.ts';
import type { Limits } from './limits.ts';
import type { Decider, ProxyPorts } from './options.ts';
import { Pace } from './pace.ts';
import { Proposals } from './proposals.ts';
import { StorageGrants } from './storage-grants.ts';
import { Turns } from './turns.ts';
import { Upstreams } from './upstream.ts';
import { WatchedUrls } from './watched-urls.ts';

/** Shared state; lives as long as the proxy. */
export class Core {
  readonly ports: ProxyPorts;
  readonly limits: Limits;
  readonly limiter: Limiter;
  readonly upstreams: Upstreams;
  readonly alpn = new AlpnMemory();
  readonly proposals: Proposals;
  readonly departures: Departures;
  readonly grants = new FollowGrants();
  readonly storage = new StorageGrants();
  readonly watched = new WatchedUrls();
  readonly lineages: Lineages;
  readonly turns = new Turns();
  readonly pace: Pace;
  readonly connections = new Set<Connection>();
  /** Monotonic milliseconds, as of the last tick. */
  nowMs = performance.now();
  isDraining = false;
  /** Carries the answer of which others are just told: it is decided anew when the answer has gone on. */
  teller: Connection | null = null;
  readonly #tickMs: number;
  #timer: NodeJS.Timeout | null = null;
  #revision: string | null = null;

  constructor(ports: ProxyPorts) {
    this.ports = ports;
    this.limits = { ...defaultLimits, ...ports.limits };
    this.limiter = new Limiter(this.limits);
    this.lineages = new Lineages(ports.tokenKey);
    this.pace = new Pace(() => this.limiter.isShared);
    this.departures = new Departures(this);
    this.proposals = new Proposals(ports.meter, ports.onProposal);
    this.upstreams = new Upstreams({
      resolver: ports.resolver,
      pace: this.pace,
      connectMs: this.limits.connectMs,
      proxy: ports.upstreamProxy ?? null,
      authorities: new Authorities(ports.extraAuthorities ?? [], ports.hostAuthorities),
      pooledIdleMs: this.limits.pooledIdleMs,
      pooledPerRunner: this.limits.pooledPerRunner,
    });
    const { peekMs, headMs, idleMs, firstByteMs } = this.limits;
    this.#tickMs = Math.min(250, Math.max(10, Math.min(peekMs, headMs, idleMs, firstByteMs) / 8));
  }

  get decider(): Decider | null {
    return this.ports.decider();
  }

  /** A grant from an answer that lets this holder connect to the host at all. */
  grantOfHost(holder: string, host: string, port: number): FollowGrant | null {
    const grant = this.grants.host(holder, host, port) ?? this.storage.host(holder, host, port);
    return grant !== null && this.isInForce(grant) ? grant : null;
  }

  /** False where the policy of this moment would block the request whose answer the grant was. */
  isInForce({ asked }: FollowGrant): boolean {
    const { decider } = this;
    if (asked === undefined || decider === null || decider.revision === asked.revision) return true;
    return decider.request(asked.attribution, asked.query).verdict === 'allow';
  }

  add(connection: Connection): void {
    this.connections.add(connection);
    if (this.#timer !== null) return;
    this.nowMs = performance.now();
    this.#revision = this.decider?.revision ?? null;
    this.#timer = setInterval(() => this.#tick(), this.#tickMs);
    this.#timer.unref();
  }

  remove(connection: Connection): void {
    this.connections.delete(connection);
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    this.upstreams.cut(null);
  }

  #tick(): void {
    this.nowMs = performance.now();
    for (const connection of this.connections) {
      if (connection.deadlineMs <= this.nowMs) this.guard(connection, () => connection.expire());
      else if (connection.dueSinceMs !== null) this.guard(connection, () => connection.catchUp());
    }
    this.upstreams.sweep(this.nowMs);
    this.ports.meter.gauge('sallyport_open_connections', this.connections.size);
    this.#watchPolicy();
  }

  /** A new revision: connections that it would decide otherwise are closed. */
  #watchPolicy(): void {
    const revision = this.decider?.revision ?? null;
    if (revision === this.#revision) return;
    this.#revision = revision;
    this.redecide(null);
  }

  /** Decides the open connections of one runner (null: all) anew and closes those that come out otherwise. */
  redecide(runner: string | null): void {
    this.upstreams.cut(runner);
    for (const connection of this.connections) {
      if (runner === null || connection.runner === runner)
        this.guard(connection, () => connection.redecide());
    }
  }

  /**
   * The flows of a runner's address belong to somebody else: what is open is decided anew, and closed where it comes out
   * otherwise. What was handed out to `ended`, or to nobody in particular, opens nothing any more.
   */
  reattribute(runner: string, ended: readonly Attribution[]): void {
    for (const holder of [`runner ${runner}`, ...ended.map((one) => grantHolder(one, runner))])
      this.forget(holder);
    this.upstreams.cut(runner);
    for (const connection of this.connections) {
      if (connection.runner !== runner) continue;
      this.guard(connection, () => this.#askAnew(connection, connection === this.teller));
    }
  }

  #askAnew(connection: Connection, isTelling: boolean): void {
    const answer = this.ports.attribution.attribute(connection.runner, connection.runnerPort);
    // Sources that have to be waited for are asked when they know.
    if (answer instanceof Promise || answer === connection.attribution) return;
    connection.attribution = answer;
    if (isTelling) connection.dueSinceMs = this.nowMs;
    else connection.redecide();
  }

  /** Grants, storage and lineages of a holder are over. */
  forget(holder: string): void {
    this.grants.clear(holder);
    this.storage.clear(holder);
    this.lineages.clear(holder);
  }

  /** Runs a step of a flow; whatever it throws blocks that flow with internal-error. */
  guard(connection: Connection, step: () => void): void {
    try {
      step();
    } catch (error) {
      this.ports.onInternalError?.(error);
      connection.abort('internal-error');
    }
  }
}
