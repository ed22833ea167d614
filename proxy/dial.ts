// Opens a TCP connection to a host: own resolution, every address checked at dial time, the addresses
// tried in order with a short head start for the earlier one (RFC 8305). Knows no HTTP and no TLS.

import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { parseAddress } from '../flow/address.ts';
import type { Decision } from '../flow/decision.ts';
import type { Evidence } from '../flow/evidence.ts';
import type { ResolverPort, UnresolvedHost } from '../flow/ports.ts';
import type { Reason } from '../flow/reason.ts';
import type { AddressCheck } from './address-check.ts';
import { reasonNotByName, type UpstreamProxy } from './upstream-proxy.ts';

/** Where to: a name that is resolved here, or a literal address; `check` is asked of every address. */
export interface DialTarget {
  readonly host: string;
  readonly port: number;
  readonly runner: string;
  readonly check: Pick<AddressCheck, 'reason' | 'judge' | 'opensRanges'>;
}
export interface DialOptions {
  readonly resolver: ResolverPort;
  readonly connectMs: number;
  /** Where the network outside wants one: everything that it does not exempt goes through it. */
  readonly proxy?: UpstreamProxy | null;
}
export interface Dialled {
  readonly socket: Socket;
  /** The address that was checked; null where the proxy in front resolved the name. */
  readonly address: string | null;
  readonly resolveMs: number;
  readonly connectMs: number;
}
/** Why there is no connection; `detail` is for people and names no secret. */
export interface DialFailure {
  readonly failure: Reason;
  readonly detail: string;
  /** What a job may know besides the reason: no internal of ours, no secret. */
  readonly told?: string;
  readonly evidence?: Evidence;
}

/** What a dial came to whose signal was aborted. */
export const nobodyWaits: DialFailure = { failure: 'client-closed', detail: 'nobody waits for it any more' };

const headStartMs = 250;
const maxAddresses = 8;
const maxProxied = 4;

/** Connects to the first address that passes the check and answers. Never rejects; ends when the signal says so. */
export async function dial(
  target: DialTarget,
  options: DialOptions,
  signal?: AbortSignal,
): Promise<Dialled | DialFailure> {
  const startedAt = performance.now();
  const proxy = options.proxy?.isDirect(target.host) === false ? options.proxy : null;
  const byName = proxy?.resolve === 'proxy' && parseAddress(target.host) === null;
  const usable = byName ? findByName(target) : await findAddresses(target, options);
  if ('failure' in usable) return usable;
  const resolvedAt = performance.now();
  const direct = proxy === null ? usable : usable.filter((address) => proxy.isDirectAddress(address));
  const connected =
    proxy === null || direct.length > 0
      ? await race(direct.slice(0, maxAddresses), target.port, options.connectMs, signal)
      : await dialProxy(proxy, usable.slice(0, maxProxied), target, options, signal);
  if ('failure' in connected) return connected;
  const connectMs = performance.now() - resolvedAt;
  const address = byName ? null : connected.address;
  return { socket: connected.socket, address, resolveMs: resolvedAt - startedAt, connectMs };
}

/** The target's addresses that it may lead to, in the order to be tried. */
async function findAddresses(target: DialTarget, options: DialOptions): Promise<string[] | DialFailure> {
  const { host, runner, check } = target;
  let addresses: readonly string[] | UnresolvedHost;
  try {
    const asker = { runner, judge: (name: string) => check.judge(name) };
    const isLiteral = parseAddress(host) !== null;
    addresses = isLiteral ? [host] : await within(options.resolver.resolve(host, asker), options.connectMs);
  } catch (error) {
    return { failure: 'resolve-failed', detail: messageOf(error) };
  }
  if ('refused' in addresses) return { failure: addresses.refused, detail: addresses.detail };
  const usable: string[] = [];
  let refused: Reason | null = null;
  for (const address of addresses) {
    const reason = check.reason(address);
    if (reason === null) usable.push(address);
    else refused ??= reason;
  }
  if (usable.length > 0) return usable;
  if (refused !== null) return { failure: refused, detail: `${host} leads to a forbidden address` };
  return { failure: 'resolve-failed', detail: `${host} has no address` };
}

/** The name itself, for a proxy that resolves: no address can be checked then, and what needs one is refused. */
function findByName({ host, check }: DialTarget): string[] | DialFailure {
  const reason = check.reason(null);
  if (reason !== null) return { failure: reason, detail: host };
  return reasonNotByName(host, check.opensRanges) ?? [host];
}

/** Asks the proxy for each of the hosts in turn, as long as it only fails to reach them. */
async function dialProxy(
  proxy: UpstreamProxy,
  hosts: readonly string[],
  { port, runner }: DialTarget,
  options: DialOptions,
  signal?: AbortSignal,
): Promise<Raced> {
  const until = performance.now() + options.connectMs;
  const found = await findProxy(proxy, runner, options);
  if ('failure' in found) return found;
  let last: DialFailure = { failure: 'upstream-proxy-failed', detail: 'not asked' };
  for (const host of hosts) {
    const raced = await race(found, proxy.port, Math.max(1, until - performance.now()), signal);
    if ('failure' in raced) return ofProxy(raced);
    const asked = await proxy.ask(raced.socket, host, port, until - performance.now(), signal);
    if (!('failure' in asked)) return { socket: asked, address: host };
    last = asked;
    if (asked.failure !== 'upstream-proxy-failed' || performance.now() >= until) break;
  }
  return last;
}

/** Where the proxy itself is: the operator named it, so that no rule of a job speaks of it. */
async function findProxy(
  { host }: UpstreamProxy,
  runner: string,
  options: DialOptions,
): Promise<readonly string[] | DialFailure> {
  if (parseAddress(host) !== null) return [host];
  try {
    const found = await within(
      options.resolver.resolve(host, { runner, judge: () => named }),
      options.connectMs,
    );
    return 'refused' in found || found.length === 0
      ? ofProxy({ failure: 'resolve-failed', detail: 'its name has no address' })
      : found.slice(0, maxAddresses);
  } catch (error) {
    return ofProxy({ failure: 'resolve-failed', detail: messageOf(error) });
  }
}

const named: Decision = {
  verdict: 'allow',
  enforced: true,
  mode: 'block',
  rule: null,
  scope: null,
  reason: 'rule',
};

/** A failure on the way to the proxy, told from one of the server behind it. */
function ofProxy(problem: DialFailure): DialFailure {
  if (problem.failure === 'client-closed') return problem;
  return { failure: 'upstream-proxy-failed', detail: `the proxy in front is not reached: ${problem.detail}` };
}

/** Rejects when the promise takes longer. */
export async function within<T>(promise: Promise<T>, timeMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${timeMs} ms`)), timeMs);
  });
  try {
    return await Promise.race([promise, limit]);
  } finally {
    clearTimeout(timer);
  }
}

type Raced = { readonly socket: Socket; readonly address: string } | DialFailure;

function race(
  addresses: readonly string[],
  port: number,
  limitMs: number,
  signal?: AbortSignal,
): Promise<Raced> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) return resolve(nobodyWaits);
    const trying = new Set<Socket>();
    let next = 0;
    let lastProblem = 'no address answered';
    let headStart: NodeJS.Timeout | undefined;
    const finish = (result: Raced) => {
      clearTimeout(headStart);
      clearTimeout(limit);
      signal?.removeEventListener('abort', onAbort);
      for (const socket of trying) socket.destroy();
      trying.clear();
      resolve(result);
    };
    const limit = setTimeout(() => finish({ failure: 'timeout', detail: 'no connection in time' }), limitMs);
    const onAbort = () => finish(nobodyWaits);
    signal?.addEventListener('abort', onAbort);
    const tryNext = () => {
      clearTimeout(headStart);
      const address = addresses[next++];
      if (address === undefined) {
        if (trying.size === 0) finish({ failure: 'connect-failed', detail: lastProblem });
        return;
      }
      const socket = connect({
        host: address,
        port,
        noDelay: true,
        keepAlive: true,
        keepAliveInitialDelay: 60_000,
      });
      trying.add(socket);
      socket.on('error', (error: NodeJS.ErrnoException) => {
        if (!trying.delete(socket)) return;
        lastProblem = error.code ?? error.message;
        tryNext();
      });
      socket.once('connect', () => {
        trying.delete(socket);
        finish({ socket, address });
      });
      headStart = setTimeout(tryNext, headStartMs);
    };
    tryNext();
  });
}

const dialBlocks: ReadonlySet<Reason> = new Set([
  'private-address',
  'never-address',
  'blocklist',
  'block-rule',
  'ambiguous-host',
  'dns-budget',
  'dns-tunnel',
  'runner-limit',
]);

/** True for failures that are decisions: the name may not be resolved, or its address not dialled. */
export function isDialBlock(failure: Reason): boolean {
  return dialBlocks.has(failure);
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
