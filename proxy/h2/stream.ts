// One stream: a request and its answer, what of either has passed, and its two records.

import type { Decision } from '../../flow/decision.ts';
import { blocked } from '../../flow/decision.ts';
import type { Evidence } from '../../flow/evidence.ts';
import type { Destination, FlowHttp, FlowStep } from '../../flow/flow.ts';
import type { Attribution } from '../../flow/job.ts';
import type { FlowLineage } from '../../flow/lineage.ts';
import type { Operation } from '../../flow/operation.ts';
import type { Reason } from '../../flow/reason.ts';
import { uuidv7 } from '../../flow/uuid.ts';
import { BodyWatching } from '../body-watching.ts';
import type { Connection } from '../connection.ts';
import { isOfRunnerProgram } from '../infrastructure.ts';
import { reasonToEnd } from '../judge.ts';
import type { Judgement } from '../judge.ts';
import { recordClosed, recordOpenedTogether } from '../record.ts';
import type { Told } from '../record.ts';
import type { Upstream } from '../upstream.ts';
import type { HeldRequest } from './held-request.ts';
import type { ReadFrames } from './read-frames.ts';
import type { RequestBlock } from './request-block.ts';
import { WatchedBody } from './watched-body.ts';
import type { WebSocket } from './web-socket.ts';

const none: readonly FlowLineage[] = [];
const noTimings = { resolveMs: null, connectMs: null, handshakeMs: null };

/** A stream from its HEADERS to its end. */
export class Stream implements Told {
  readonly kind = 'request';
  readonly id = uuidv7();
  readonly tls = null;
  readonly parent: string;
  readonly runner: string;
  attribution: Attribution;
  readonly step: FlowStep | null;
  readonly infrastructure: boolean;
  policyRevision: string | null;
  readonly connection: Connection;
  /** Null where the whole connection is answered here. */
  readonly upstream: Upstream | null;
  readonly request: RequestBlock;
  judgement: Judgement;
  /** Its number for the client, and for the upstream: they differ from the first overtaken one on. */
  readonly number: number;
  upstreamNumber: number;
  decision: Decision;
  /** What waits for its decision; nothing of it has gone to the upstream. */
  held: HeldRequest | null = null;
  /** What follows its bytes when it is to be a WebSocket. */
  webSocket: WebSocket | null = null;
  /** What reads along what it sends as a body, or on the WebSocket that it is. */
  watchedBody: WatchedBody | null = null;
  watchedFrames: BodyWatching | null = null;
  /** Content-Encoding of its body, where somebody may read that. */
  contentCoding: string | null = null;
  /** What reads its answer on the way. */
  reading: ReadFrames | null = null;
  /** Its HEADERS have gone to the upstream. */
  isForwarded = false;
  /** It has been answered here, or cut: nothing of it passes any more, either way. */
  isStopped = false;
  /** Final HEADERS of the upstream have gone to the client. */
  isAnswering = false;
  /** The side has sent its last frame. */
  isClientDone = false;
  /** The client knows that the stream is over: nothing of it can come any more. */
  isClientPassed = false;
  isUpstreamDone = false;
  /** Counted by the limiter. */
  isCounted = false;
  /** A tunnel by extended CONNECT that was accepted. */
  isTunnel = false;
  /** Bytes of the body that Content-Length still promises; -1: it promises nothing. */
  promised: number;
  status: number | null = null;
  sentBytes = 0;
  bodyBytes = 0;
  receivedBytes = 0;
  /** Payload of its DATA that was swallowed and given back to the client's window; not yet given back. */
  refundedBytes = 0;
  refundDue = 0;
  deadlineMs = Number.POSITIVE_INFINITY;
  readonly #startedAt = performance.now();
  #firstByteMs: number | null = null;
  #isClosed = false;
  #isOpened = false;

  constructor(
    connection: Connection,
    upstream: Upstream | null,
    number: number,
    request: RequestBlock,
    judgement: Judgement,
  ) {
    this.connection = connection;
    this.upstream = upstream;
    this.parent = connection.id;
    this.runner = connection.runner;
    this.attribution = connection.attribution;
    this.step = connection.core.ports.steps?.stepOf(connection.attribution) ?? null;
    this.infrastructure = isOfRunnerProgram(connection, judgement);
    this.policyRevision = connection.core.decider?.revision ?? null;
    this.number = number;
    this.upstreamNumber = number;
    this.request = request;
    this.judgement = judgement;
    this.decision = judgement.decision;
    this.promised = request.length;
  }

  get lineage(): FlowLineage | null {
    return this.judgement.lineage ?? null;
  }

  get minted(): readonly FlowLineage[] {
    return this.judgement.minted ?? none;
  }

  get operation(): Operation | null {
    return this.judgement.operation;
  }

  get evidence(): readonly Evidence[] {
    return this.judgement.evidence;
  }

  get destination(): Destination {
    const { query, host } = this.judgement;
    const address = this.isForwarded ? (this.upstream?.address ?? null) : this.connection.originalAddress;
    return { host, address, port: query?.port ?? this.connection.port, protocol: 'https' };
  }

  get http(): FlowHttp {
    const path = this.judgement.query?.path ?? '';
    const http = { method: this.request.sentMethod, path, version: '2' as const, status: this.status };
    const webSocket = this.webSocket?.counts;
    return webSocket === undefined ? http : { ...http, webSocket };
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Gives the opened record to be written before anything leaves; false when the request must be refused for want of it. */
  open(): boolean {
    this.#isOpened = true;
    const isWritten = recordOpenedTogether(this.connection.core.ports, this);
    if (!isWritten) this.decision = blocked('record-unavailable');
    return isWritten;
  }

  /** Why it would be decided otherwise now, the upstream's address included, or null. */
  mustEnd(): Reason | null {
    return reasonToEnd(
      this.connection,
      this.judgement,
      this.request.override,
      this.upstream?.address ?? null,
    );
  }

  /** From here on its body is read along, where somebody does. */
  watchBody(): boolean {
    const { watch } = this.judgement;
    if (watch !== null) this.watchedBody = new WatchedBody(this, watch, this.contentCoding);
    return watch !== null;
  }

  /** The same for what the client says on its WebSocket. */
  watchFrames(): BodyWatching | null {
    const { watch } = this.judgement;
    return (this.watchedFrames = watch && new BodyWatching(this, watch, null, false));
  }

  /** What was found in what it sent belongs to its record. */
  #endWatching(isWhole: boolean): void {
    const found = (this.watchedBody?.watching ?? this.watchedFrames)?.end(isWhole) ?? [];
    const { judgement } = this;
    if (found.length > 0) this.judgement = { ...judgement, evidence: [...judgement.evidence, ...found] };
  }

  markFirstByte(): void {
    if (this.#firstByteMs !== null) return;
    this.#firstByteMs = performance.now() - this.#startedAt;
    this.connection.core.ports.meter.observe('sallyport_upstream_seconds', this.#firstByteMs / 1000);
  }

  /** Ends it in the records, once. */
  close(ended: Reason | null): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#endWatching(this.isClientDone || (this.watchedFrames !== null && ended === null));
    // One that was held until now: its end is its decision.
    if (!this.#isOpened) this.open();
    if (this.isCounted) this.connection.core.limiter.leaveRequest(this.runner);
    const { upstream } = this;
    const isFirst = this.isForwarded && this.number === 1;
    const timings = {
      ...noTimings,
      ...(isFirst ? upstream?.timings : null),
      firstByteMs: this.#firstByteMs,
      totalMs: performance.now() - this.#startedAt,
    };
    const bytes = { sent: this.sentBytes, received: this.receivedBytes };
    recordClosed(this.connection.core.ports, this, bytes, timings, ended);
  }
}
