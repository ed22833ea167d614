// Opens a TCP connection to a host: own resolution, every address checked at dial time, the addresses
// tried in order with a short head start for the earlier one (RFC 8305). Knows no HTTP and no TLS.

import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { parseAddress } from '../flow/address.ts';
import type { Evidence } from '../flow/evidence.ts';
import type { ResolverPort, UnresolvedHost } from '../flow/ports.ts';
import type { Reason } from '../flow/reason.ts';
import type { AddressCheck } from './address-check.ts';

/** Where to: a name that is resolved here, or a literal address; `check` is asked of every address. */
export interface DialTarget {
  readonly host: string;
  readonly port: number;
  readonly runner: string;
  readonly check: AddressCheck;
}
export interface DialOptions {
  readonly resolver: ResolverPort;
  readonly connectMs: number;
}
export interface Dialled {
  readonly socket: Socket;
  readonly address: string;
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

/** Connects to the first address that passes the check and answers. Never rejects; ends when the signal says so. */
export async function dial(
  target: DialTarget,
  options: DialOptions,
  signal?: AbortSignal,
): Promise<Dialled | DialFailure> {
  const startedAt = performance.now();
  const isLiteral = parseAddress(target.host) !== null;
  let addresses: readonly string[] | UnresolvedHost;
  try {
    const { host, runner, check } = target;
    const asker = { runner, judge: (name: string) => check.judge(name) };
    addresses = isLiteral ? [host] : await within(options.resolver.resolve(host, asker), options.connectMs);
  } catch (error) {
    return { failure: 'resolve-failed', detail: messageOf(error) };
  }
  if ('refused' in addresses) return { failure: addresses.refused, detail: addresses.detail };
  const resolvedAt = performance.now();
  const usable: string[] = [];
  let refused: Reason | null = null;
  for (const address of addresses) {
    const reason = target.check.reason(address);
    if (reason === null) usable.push(address);
    else refused ??= reason;
  }
  if (usable.length === 0) {
    if (refused !== null) return { failure: refused, detail: `${target.host} leads to a forbidden address` };
    return { failure: 'resolve-failed', detail: `${target.host} has no address` };
  }
  const raced = await race(usable.slice(0, maxAddresses), target.port, options.connectMs, signal);
  if ('failure' in raced) return raced;
  const connectMs = performance.now() - resolvedAt;
  return { ...raced, resolveMs: resolvedAt - startedAt, connectMs };
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
