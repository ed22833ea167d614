// The proxy as a whole: takes sockets that others accepted, or accepts on inherited descriptors; cuts
// runners off, decides open connections anew, drains.

import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import type { Attribution } from '../flow/job.ts';
import type { Reason } from '../flow/reason.ts';
import type { Carrier } from './connection.ts';
import { Core } from './core.ts';
import { grantHolder } from './follow.ts';
import type { FollowGrant } from './follow.ts';
import type { ProxyPorts } from './options.ts';
import { carry } from './path.ts';
import { hasUnintroduced } from './proxied.ts';

/** What a worker holds of the proxy. */
export interface Proxy {
  /** Takes a TCP connection that the kernel redirected here. */
  accept(socket: Socket): void;
  /** Takes a connection of a client that speaks to us as a proxy (CONNECT, absolute-form). */
  acceptExplicit(socket: Socket): void;
  /** Asks again who the runner is and closes those of its connections that would now be decided otherwise. */
  cut(runner: string): Promise<void>;
  /** Closes everything of a runner at once, for this reason: it was quarantined. */
  end(runner: string, reason: Reason): void;
  /** A runner's flows belong to another job, or to none, from now on; what `ended` was given opens nothing any more. */
  reattribute(runner: string, ended: readonly Attribution[]): void;
  /** Decides every open connection anew; a new policy revision does so by itself. */
  redecide(): void;
  /** The rule whose request was answered with a URL on this host and port 443 that is open to the asker now, or null. */
  grantedHost(attribution: Attribution, runner: string, host: string): FollowGrant | null;
  /** Lets requests in flight end, then closes everything. */
  drain(): Promise<void>;
  /**
   * Another process takes what is new: what is open goes on, each client asked to go elsewhere; resolves when nothing is
   * open any more, or when the rest was closed after `limitMs`.
   */
  retire(limitMs: number): Promise<void>;
}

/** Starts a proxy over its ports; it listens nowhere by itself. */
export function createProxy(ports: ProxyPorts): Proxy {
  const core = new Core(ports);
  return {
    accept: (socket) => void carry(core, socket, 'redirected'),
    acceptExplicit: (socket) => void carry(core, socket, 'explicit'),
    cut: (runner) => cut(core, runner),
    end: (runner, reason) => end(core, runner, reason),
    reattribute: (runner, ended) => core.reattribute(runner, ended),
    redecide: () => core.redecide(null),
    grantedHost: (attribution, runner, host) => core.grantOfHost(grantHolder(attribution, runner), host, 443),
    drain: () => drain(core),
    retire: (limitMs) => retire(core, limitMs),
  };
}

/** Accepts on a listening descriptor that the keeper opened. */
export function acceptOn(fd: number, accept: (socket: Socket) => void): Server {
  // Half-open: a client may end its side and still wait for the answer.
  const server = createServer({ noDelay: true, allowHalfOpen: true }, accept);
  server.listen({ fd });
  return server;
}

async function cut(core: Core, runner: string): Promise<void> {
  for (const connection of core.connections) {
    if (connection.runner !== runner) continue;
    core.forget(connection.holder);
    connection.attribution = await core.ports.attribution.attribute(runner, connection.runnerPort);
  }
  core.forget(`runner ${runner}`);
  core.redecide(runner);
}

function end(core: Core, runner: string, reason: Reason): void {
  for (const connection of core.connections) {
    if (connection.runner !== runner) continue;
    core.forget(connection.holder);
    connection.abort(reason);
  }
  core.forget(`runner ${runner}`);
  core.upstreams.cut(runner);
}

async function drain(core: Core): Promise<void> {
  core.isDraining = true;
  const isIdle = (carrier: Carrier | null) => carrier === null || carrier.isIdle();
  const until = performance.now() + core.limits.drainMs;
  for (const connection of core.connections) core.guard(connection, () => connection.carrier?.retire?.());
  while (core.connections.size > 0 && performance.now() < until) {
    for (const connection of core.connections) if (isIdle(connection.carrier)) connection.abort('drained');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  for (const connection of core.connections) connection.abort('drained');
  core.stop();
}

const retireEveryMs = 1_000;

async function retire(core: Core, limitMs: number): Promise<void> {
  core.isDraining = true;
  const until = performance.now() + limitMs;
  let toldAt = Number.NEGATIVE_INFINITY;
  while ((core.connections.size > 0 || hasUnintroduced()) && performance.now() < until) {
    if (performance.now() - toldAt >= retireEveryMs) {
      toldAt = performance.now();
      for (const connection of core.connections) core.guard(connection, () => connection.carrier?.retire?.());
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  for (const connection of core.connections) connection.abort('drained');
  core.stop();
}
