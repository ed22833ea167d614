// One TCP connection of a runner: who speaks, where to, what was decided, how much passed, and how it ended.
// It is opened and closed exactly once in the records; steps of the path fill it in.

import type { Socket } from 'node:net';
import type { Cidr } from '../flow/address.ts';
import { blocked, isOpen } from '../flow/decision.ts';
import type { Decision } from '../flow/decision.ts';
import type { Evidence } from '../flow/evidence.ts';
import type { Destination, FlowStep, FlowTls, Protocol } from '../flow/flow.ts';
import { unattributed } from '../flow/job.ts';
import type { Attribution } from '../flow/job.ts';
import type { Reason } from '../flow/reason.ts';
import { uuidv7 } from '../flow/uuid.ts';
import type { HostDecision } from '../policy/decide.ts';
import { AddressCheck } from './address-check.ts';
import type { Core } from './core.ts';
import type { DialFailure } from './dial.ts';
import { grantHolder } from './follow.ts';
import type { HostQuery } from './options.ts';
import { recordClosed, recordOpened } from './record.ts';
import type { Told } from './record.ts';

/** What carries a connection's bytes at the moment: asked when a deadline passes or policy changes. */
export interface Carrier {
  /** The deadline of the present state passed. */
  expire(): void;
  /** Why what is in flight, if anything, would be decided otherwise now, its address included; or null. */
  mustEnd(): Reason | null;
  /** True when nothing is in flight. */
  isIdle(): boolean;
  /**
   * Another process takes what is new: asks the client to go elsewhere, in its protocol's way, without ending what is in
   * flight. Called about once a second until the connection is gone or the drain limit passes. Absent: it just goes on.
   */
  retire?(): void;
  /** The client's socket is gone or is about to be destroyed for this reason. */
  gone(reason: Reason): void;
}

const uncountedBytes = 4_096;
// An answer that says whose the runner is has come as a whole when it is heard: it only has to go on.
const maxDueMs = 5_000;
// Until something is decided: a failure that nothing names is ours, an end by itself the client's.
const undecided = blocked('internal-error');

/** A connection from accept to close. */
export class Connection implements Told {
  readonly kind = 'connection';
  readonly parent = null;
  readonly operation = null;
  readonly http = null;
  readonly id = uuidv7();
  readonly core: Core;
  readonly socket: Socket;
  readonly runner: string;
  readonly runnerPort: number;
  attribution: Attribution = unattributed;
  /** What the job was at when it was opened. */
  step: FlowStep | null = null;
  /** Requests that it carried, and how many of them were the runner program's own. */
  readonly carried = { requests: 0, ofRunner: 0 };
  /** Since when its job is another one than it was decided for: decided anew once what it carries has gone on. */
  dueSinceMs: number | null = null;
  /** The address that the client aimed at in gateway mode; null when only a name can tell. */
  originalAddress: string | null = null;
  /** Canonical name, or null when the flow is decided by address. */
  host: string | null = null;
  /** The literal address that is decided and dialled when there is no name. */
  address: string | null = null;
  port = 0;
  protocol: Protocol = 'unknown';
  /** Let in by a grant from a redirect, which holds for single requests and therefore needs them to be seen. */
  isGranted = false;
  /** Digest of the credentials that opened the explicit proxy to this connection. */
  credential: string | null = null;
  /** Every request must name the connection's own host: TLS, or a tunnel by CONNECT. */
  isPinned = false;
  decision: Decision = undecided;
  hostDecision: HostDecision | null = null;
  evidence: readonly Evidence[] = [];
  tls: FlowTls | null = null;
  policyRevision: string | null = null;
  sentBytes = 0;
  receivedBytes = 0;
  resolveMs: number | null = null;
  connectMs: number | null = null;
  handshakeMs: number | null = null;
  /** The upstream's address, once dialled for a tunnel. */
  dialledAddress: string | null = null;
  /** Why the dial before the client's handshake came to nothing: what the first request is answered with. */
  dialFailure: DialFailure | null = null;
  /** What a job may know, besides the reason, of why nothing of the whole connection gets through. */
  told: string | undefined;
  /** The client was told HTTP/1.1 because the server chose it some time ago. */
  isRemembered = false;
  /** The next answer is the last one: what the client was told of the server no longer holds. */
  isEnding = false;
  deadlineMs = Number.POSITIVE_INFINITY;
  carrier: Carrier | null = null;
  ended: Reason | null = null;
  /** Called when the deadline passes before there is a carrier. */
  onDeadline: (() => void) | null = null;
  isClosed = false;
  readonly #startedAt = performance.now();
  readonly #isCounted: boolean;
  #holderOf: Attribution | null = null;
  #holder = '';
  #check: AddressCheck | null = null;
  #isHalfOpen = true;
  #keptBytes = 0;
  #isRecorded = false;

  constructor(core: Core, socket: Socket, runner: string, runnerPort: number, isCounted: boolean) {
    this.#isCounted = isCounted;
    this.core = core;
    this.socket = socket;
    this.runner = runner;
    this.runnerPort = runnerPort;
    socket.once('close', () => this.#close());
  }

  /** Who grants and upstream connections belong to. */
  get holder(): string {
    if (this.#holderOf !== this.attribution) {
      this.#holderOf = this.attribution;
      this.#holder = grantHolder(this.attribution, this.runner);
    }
    return this.#holder;
  }

  /** What is asked of addresses for a decision that opens these private ranges; a request may name its own port. */
  addressCheck(allowed: readonly Cidr[], port = this.port): AddressCheck {
    const { decider, ports } = this.core;
    const last = this.#check;
    if (last?.isFor(decider, this.attribution, port, allowed) === true) return last;
    this.#check = new AddressCheck(decider, this.attribution, port, allowed, ports);
    return this.#check;
  }

  /** Whoever used it was the runner program, each time. */
  get infrastructure(): boolean {
    const { requests, ofRunner } = this.carried;
    return requests > 0 && requests === ofRunner;
  }

  get destination(): Destination {
    const address = this.dialledAddress ?? this.address ?? this.originalAddress;
    return { host: this.host, address, port: this.port === 0 ? null : this.port, protocol: this.protocol };
  }

  /** Asks policy for the host, with what is known now; null without a policy. */
  askHost(): HostDecision | null {
    const { host, address, port, protocol } = this;
    const asked: HostQuery['protocol'] = protocol === 'tls' || protocol === 'http' ? protocol : 'unknown';
    return this.core.decider?.host(this.attribution, { host, address, port, protocol: asked }) ?? null;
  }

  /** Writes the opened record once; false when the flow must be refused for want of it. */
  open(): boolean {
    if (this.#isRecorded) return true;
    this.#isRecorded = true;
    this.step = this.core.ports.steps?.stepOf(this.attribution) ?? null;
    const isWritten = recordOpened(this.core.ports, this);
    if (!isWritten) this.decision = blocked('record-unavailable');
    return isWritten;
  }

  /** One whole request or tunnel has come: no longer half-open. */
  settle(): void {
    if (!this.#isHalfOpen || !this.#isCounted) return;
    this.#isHalfOpen = false;
    this.core.limiter.leaveHalfOpen(this.runner);
  }

  /** So many bytes wait here now; answers the limit that they pass. Small ones are not worth the counting. */
  keep(bytes: number): Reason | null {
    const kept = bytes > uncountedBytes ? bytes : 0;
    if (kept === this.#keptBytes || !this.#isCounted || this.isClosed) return null;
    const more = kept - this.#keptBytes;
    this.#keptBytes = kept;
    return this.core.limiter.keep(this.runner, more);
  }

  /** Its server came to nothing for the whole connection, for this. */
  meet(problem: DialFailure): void {
    if (problem.evidence !== undefined) this.evidence = [...this.evidence, problem.evidence];
    this.noteProblem(problem);
  }

  /** What ended a server's side: a wish for a client certificate is proposed for a pass-through. */
  noteProblem({ failure }: DialFailure): void {
    if (failure === 'client-certificate')
      this.core.proposals.asked(this.host ?? this.address ?? '', this.port);
  }

  /** The failure of the first dial, once. */
  takeDialFailure(): DialFailure | null {
    const failure = this.dialFailure;
    this.dialFailure = null;
    return failure;
  }

  /** The server refused the version that the client was told: forgotten, and the client asked to come again. */
  forgetAnswer(): void {
    if (!this.isRemembered) return;
    this.core.alpn.forget(this.host ?? this.address ?? '', this.port);
    this.isEnding = true;
  }

  setDeadline(inMs: number): void {
    this.deadlineMs = this.core.nowMs + inMs;
  }

  expire(): void {
    this.deadlineMs = Number.POSITIVE_INFINITY;
    if (this.carrier !== null) this.carrier.expire();
    else if (this.onDeadline !== null) this.onDeadline();
    else this.abort('timeout');
  }

  /**
   * Decides anew after a change of policy or job, in whatever state the connection is; closes what would come out
   * otherwise. The record keeps the decision, and the revision, that let it in.
   */
  redecide(): void {
    const before = this.hostDecision;
    if (before === null) return;
    const after = this.askHost();
    if (after === null) return this.abort('policy-unavailable');
    if (isOpen(after) !== isOpen(before) || after.treatment !== before.treatment)
      return this.abort(after.reason);
    this.hostDecision = after;
    this.dialFailure = null;
    const reason = this.carrier?.mustEnd() ?? null;
    if (reason !== null) this.abort(reason);
  }

  /** False where what was put off comes out otherwise: what it carried has gone on, and it carries nothing more. */
  mayGoOn(): boolean {
    const before = this.hostDecision;
    if (this.dueSinceMs === null || before === null) return true;
    this.dueSinceMs = null;
    const after = this.askHost();
    if (after === null || isOpen(after) !== isOpen(before) || after.treatment !== before.treatment)
      return false;
    this.hostDecision = after;
    return true;
  }

  /** Decides anew what was put off: when nothing is in flight, or after some seconds. */
  catchUp(): void {
    const { nowMs } = this.core;
    if (this.carrier?.isIdle() === false && nowMs - (this.dueSinceMs ?? 0) < maxDueMs) return;
    this.dueSinceMs = null;
    this.redecide();
  }

  /** Ends it at once for this reason. */
  abort(reason: Reason | null): void {
    if (this.isClosed) return;
    this.ended ??= reason;
    if (this.decision === undecided && reason !== null) this.decision = blocked(reason);
    this.carrier?.gone(reason ?? 'client-closed');
    this.socket.destroy();
    if (this.socket.closed) this.#close();
  }

  #close(): void {
    if (this.isClosed) return;
    this.keep(0);
    if (this.decision === undecided) {
      this.ended ??= 'client-closed';
      this.decision = blocked(this.ended);
    }
    this.isClosed = true;
    this.core.remove(this);
    // First what it carries: a request is counted for the subnet as long as its connection is.
    this.core.guard(this, () => this.carrier?.gone('client-closed'));
    if (this.#isCounted) this.core.limiter.leaveConnection(this.runner, this.#isHalfOpen);
    this.open();
    const totalMs = performance.now() - this.#startedAt;
    const { resolveMs, connectMs, handshakeMs } = this;
    const bytes = { sent: this.sentBytes, received: this.receivedBytes };
    recordClosed(
      this.core.ports,
      this,
      bytes,
      { resolveMs, connectMs, handshakeMs, firstByteMs: null, totalMs },
      this.ended,
    );
    this.core.ports.meter.count('sallyport_bytes_total', { direction: 'sent' }, bytes.sent);
    this.core.ports.meter.count('sallyport_bytes_total', { direction: 'received' }, bytes.received);
  }
}
