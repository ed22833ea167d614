// The path of a connection, from accept to close, in one numbered function. Each step is a file of its own;
// this one owns their order: the host is decided and recorded before anything is dialled.

import type { Socket } from 'node:net';
import { formatAddress, parseAddress, unmapAddress } from '../flow/address.ts';
import { blocked, isOpen } from '../flow/decision.ts';
import type { Decision } from '../flow/decision.ts';
import { SallyportError } from '../flow/errors.ts';
import { unattributed } from '../flow/job.ts';
import type { Attribution } from '../flow/job.ts';
import type { Reason } from '../flow/reason.ts';
import { Connection } from './connection.ts';
import type { Core } from './core.ts';
import { within } from './dial.ts';
import { readExplicit } from './explicit.ts';
import { describeFirstBytes } from './first-bytes.ts';
import { intercept } from './intercept.ts';
import { grantDecision, isGrantable, plain } from './judge.ts';
import { nameConnection } from './name-connection.ts';
import { passThrough } from './pass-through.ts';
import { peek } from './peek.ts';
import { awaitServer, mayServerSpeak } from './silent.ts';
import { refuseSsh } from './ssh-refusal.ts';
import { readIntroduction } from './proxied.ts';
import type { Peeked } from './peek.ts';
import { Relay } from './relay.ts';

/** How a connection came: redirected by the kernel, or spoken to as a proxy. */
export type Arrival = 'redirected' | 'explicit';

const noBytes = Buffer.alloc(0);

/** Carries one connection. Whatever is thrown on the way blocks it with internal-error and is recorded. */
export async function carry(core: Core, socket: Socket, arrival: Arrival): Promise<void> {
  // First of all: a reset before any other step is normal and must not end the process.
  socket.on('error', () => {});
  // 1 accept: who speaks, and where to
  const runner = textOf(socket.remoteAddress);
  const isOwn = core.ports.areRunnersLocal !== true && core.ports.isOwnAddress(runner ?? '');
  if (runner === null || isOwn) return void socket.destroy();
  const aimedAt = arrival === 'redirected' ? readOriginal(core, socket) : null;
  const isExplicit = arrival === 'explicit' || isProxyPort(core, aimedAt);
  return introduce(core, socket, isExplicit ? 'explicit' : 'redirected', runner, isExplicit ? null : aimedAt);
}

/** True when the kernel led a connection here that is for the explicit proxy. */
function isProxyPort({ ports }: Core, aimedAt: Origin['original']): boolean {
  if (aimedAt === null || aimedAt.port !== ports.explicitPort) return false;
  return ports.isOwnAddress(aimedAt.address) && ports.virtual?.contains(aimedAt.address) !== true;
}

async function introduce(
  core: Core,
  socket: Socket,
  arrival: Arrival,
  runner: string,
  original: Origin['original'],
): Promise<void> {
  const { ports, isDraining } = core;
  const { peers } = ports;
  if (peers?.isPeer(runner) !== true)
    return carryFrom(core, socket, arrival, { runner, port: socket.remotePort ?? 0, original, isDraining });
  // A load balancer's connection is that of whom it names, or nobody's.
  const introduced = await readIntroduction(socket, peers);
  if (introduced === null) return void socket.destroy();
  if (!('refused' in introduced))
    return carryFrom(core, socket, arrival, { ...introduced, original, isDraining });
  const { refused, detail } = introduced;
  return carryFrom(core, socket, arrival, { runner, port: 0, original, isDraining, refused, detail });
}

/** Where a connection comes from and was going. */
interface Origin {
  readonly runner: string;
  readonly port: number;
  readonly original: { readonly address: string; readonly port: number } | null;
  /** Nothing new was taken any more when it came. */
  readonly isDraining: boolean;
  /** Why it ends before anything else, and what a record says of it. */
  readonly refused?: Reason;
  readonly detail?: string;
}

async function carryFrom(core: Core, socket: Socket, arrival: Arrival, origin: Origin): Promise<void> {
  const { runner, original, refused, detail = '' } = origin;
  if (original?.port === 53 && refused === undefined) {
    core.ports.dns.accept(socket, runner);
    // Reading an introduction has paused it.
    return void socket.resume();
  }
  const limit = origin.isDraining ? 'drained' : core.limiter.enterConnection(runner);
  const connection = new Connection(core, socket, runner, origin.port, limit === null);
  core.add(connection);
  try {
    if (refused !== undefined) {
      connection.evidence = [{ kind: 'proxy-protocol', detail }];
      return block(connection, blocked(refused));
    }
    connection.port = original?.port ?? 0;
    if (original !== null && !core.ports.isOwnAddress(original.address))
      connection.originalAddress = original.address;
    if (limit !== null) return block(connection, blocked(limit));
    if (arrival === 'redirected' && (original === null || core.ports.ownPorts.has(original.port))) {
      return block(connection, blocked('direct-port'));
    }
    const keptOut = core.ports.keptOut?.(runner) ?? null;
    if (keptOut !== null) return block(connection, blocked(keptOut));
    // 2 attribute: address -> job
    connection.attribution = await attribute(core, runner, connection.runnerPort);
    if (original !== null && core.ports.virtual?.contains(original.address) === true)
      return await carryVirtual(connection, original.address);
    // 3 peek, 4 classify
    const first = await peek(connection, arrival === 'explicit' ? undefined : mayServerSpeak);
    const explicit = arrival === 'explicit' ? await readExplicit(connection, first) : null;
    if (connection.isClosed || (arrival === 'explicit' && explicit === null)) return;
    const { peeked, isTunnel } = explicit ?? { peeked: first, isTunnel: false };
    // Inside a tunnel by CONNECT the path goes on as if the kernel had redirected it.
    connection.isPinned = isTunnel || peeked.protocol === 'tls';
    const spoken = peeked.protocol === 'silent' ? await awaitServer(connection) : peeked;
    if (spoken === null || connection.isClosed) return;
    connection.isPinned ||= spoken.protocol === 'tls';
    await carryPeeked(connection, spoken, isTunnel ? 'redirected' : arrival);
  } catch (error) {
    const reason = reasonOf(error);
    if (reason === 'internal-error') core.ports.onInternalError?.(error);
    block(connection, blocked(reason));
  }
}

/** The reason that a failure of another part stands for, where its code is one. */
function reasonOf(error: unknown): Reason {
  const code = error instanceof SallyportError ? error.code : 'internal';
  return code === 'runner-limit' || code === 'keeper-unavailable' ? code : 'internal-error';
}

/** A virtual address names its host: the first bytes need not, and a server may be the first to speak. */
async function carryVirtual(connection: Connection, address: string): Promise<void> {
  connection.host = (await connection.core.ports.virtual?.hostOf(address)) ?? null;
  if (connection.isClosed) return;
  connection.originalAddress = address;
  if (connection.host === null) return block(connection, blocked('direct-port'));
  // What is named inside, by SNI or Host, must be the same.
  connection.isPinned = true;
  if (!isUnread(connection)) {
    const peeked = await peek(connection, mayServerSpeak);
    const spoken = peeked.protocol === 'silent' ? await awaitServer(connection) : peeked;
    if (spoken === null || connection.isClosed) return;
    return carryPeeked(connection, spoken, 'redirected');
  }
  connection.protocol = 'tcp';
  connection.policyRevision = connection.core.decider?.revision ?? null;
  connection.hostDecision = connection.askHost();
  connection.decision = decisionOf(connection, null);
  if (!connection.open()) return block(connection, blocked('record-unavailable'));
  return passThrough(connection, connection.socket, noBytes);
}

/** True when policy lets everything on this port pass unread, TLS and HTTP included. */
function isUnread({ core, attribution, host, port }: Connection): boolean {
  return (['unknown', 'tls', 'http'] as const).every((protocol) => {
    const decision = core.decider?.host(attribution, { host, address: null, port, protocol });
    return decision !== undefined && isOpen(decision) && decision.treatment === 'pass-through';
  });
}

async function carryPeeked(connection: Connection, peeked: Peeked, arrival: Arrival): Promise<void> {
  const early = earlyEnd(peeked);
  const isUnread = early === 'timeout' || peeked.protocol === 'unknown' || peeked.protocol === 'ssh';
  if (isUnread) {
    const detail = describeFirstBytes(peeked.bytes);
    connection.evidence = [...connection.evidence, { kind: 'first-bytes', detail }];
  }
  // Whoever says nothing at all speaks a protocol in which the server begins.
  const isMute = early === 'timeout' && peeked.bytes.length === 0;
  if (early !== null) return block(connection, blocked(isMute ? 'unknown-protocol' : early), early);
  const protocol = peeked.protocol === 'tls' || peeked.protocol === 'http' ? peeked.protocol : 'unknown';
  connection.protocol = peeked.protocol === 'ssh' ? 'ssh' : protocol;
  // 5 decide the host
  const problem = nameConnection(connection, peeked, arrival);
  if (problem !== null && peeked.protocol !== 'http') return block(connection, blocked(problem));
  connection.policyRevision = connection.core.decider?.revision ?? null;
  connection.hostDecision = problem === null ? connection.askHost() : null;
  connection.decision = decisionOf(connection, problem);
  if (peeked.protocol === 'h2') return block(connection, blocked('unknown-protocol'));
  // 6 record opened
  if (!connection.open()) return block(connection, blocked('record-unavailable'));
  const isAllowed = isOpen(connection.decision);
  // 7 intercept or pass through
  if (peeked.protocol === 'http') {
    return new Relay(connection, connection.socket, 'http', arrival === 'explicit').start(peeked.bytes);
  }
  const isPassed = connection.hostDecision?.treatment === 'pass-through' && !connection.isGranted;
  if (!isAllowed && peeked.protocol === 'ssh') return refuseSsh(connection);
  if (!isAllowed && protocol === 'unknown') return block(connection, connection.decision);
  if (peeked.protocol === 'tls' && !(isPassed && isAllowed)) {
    // 8 per request: the relays that it hands the connection to
    return intercept(connection, peeked.hello, peeked.bytes);
  }
  if (connection.tls !== null) connection.tls = { ...connection.tls, treatment: 'pass-through' };
  else if (peeked.protocol === 'unknown') connection.protocol = 'tcp';
  return passThrough(connection, connection.socket, peeked.bytes);
  // 9 record closed: Connection does, when its socket closes
}

function earlyEnd(peeked: Peeked): Reason | null {
  if (peeked.protocol === 'malformed-tls' || peeked.protocol === 'timeout') return peeked.protocol;
  return peeked.protocol === 'closed' ? 'client-closed' : null;
}

/** The connection's decision: the host's, opened by a grant from an answer where one applies. */
function decisionOf(connection: Connection, problem: Reason | null): Decision {
  if (problem !== null) return blocked(problem);
  const { hostDecision } = connection;
  if (hostDecision === null) return blocked('policy-unavailable');
  if (connection.host !== null && connection.protocol === 'tls' && isGrantable(hostDecision)) {
    const { core, holder, host, port } = connection;
    const grant = core.grantOfHost(holder, host, port);
    connection.isGranted = grant !== null;
    if (grant !== null) return grantDecision(grant, hostDecision.mode);
  }
  return plain(hostDecision);
}

/** Ends the connection with a block of its own, recorded. */
function block(connection: Connection, decision: Decision, ended: Reason | null = null): void {
  connection.decision = decision;
  connection.open();
  connection.abort(ended);
}

async function attribute(core: Core, runner: string, port: number): Promise<Attribution> {
  const answer = core.ports.attribution.attribute(runner, port);
  if (!(answer instanceof Promise)) return answer;
  try {
    return await within(answer, core.limits.attributionMs);
  } catch (error) {
    // Losing one's identity never widens: without an answer the flow belongs to no job.
    core.ports.onInternalError?.(error);
    return unattributed;
  }
}

/** Where the client aimed. Without the kernel's answer it spoke to us directly: our own address and port. */
function readOriginal(core: Core, socket: Socket): { address: string; port: number } | null {
  // The descriptor is gone once the socket is closed, and is on no public interface.
  const fd = (socket as unknown as { _handle: { fd: number } | null })._handle?.fd ?? -1;
  if (fd < 0) return null;
  const isV6 = socket.remoteFamily === 'IPv6' && socket.remoteAddress?.startsWith('::ffff:') !== true;
  const original = core.ports.originalDestination(fd, isV6);
  const address = textOf(original?.address ?? socket.localAddress);
  return address === null ? null : { address, port: original?.port ?? socket.localPort ?? 0 };
}

/** Canonical text of a socket's address, v4-mapped ones as IPv4. */
function textOf(address: string | undefined): string | null {
  const bytes = address === undefined ? null : parseAddress(address.split('%')[0]!);
  return bytes === null ? null : formatAddress(unmapAddress(bytes));
}
